//! `forgewatch status`: how the running daemon does.
//!
//! It works with a configuration that is wrong, too: that may be what an operator is looking for.

mod view;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::AnsiColor;
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use url::Url;

use super::{GlobalArgs, USAGE, print, print_styled, runtime, tell};
use crate::config::{Api, Loaded, TOKEN_VARIABLE};
use crate::daemon::Report;
use crate::services::http::ask;
use crate::text::{json_printable, mask_url, printable};

/// Exit status for a daemon that is not well itself.
const DEGRADED: u8 = 3;

/// Say how the running daemon does, with what is broken first and what to do about it.
///
/// Exit status: 0 all is well, 1 access is denied somewhere, an incident is open, a forge is in trouble or a discovery
/// cannot list, 3 the daemon itself is not well (it cannot save or tell a target of alerts, a tracker does not take what it
/// is told or tell what becomes of issues, its last reload failed, or a plugin is down), 2 wrong usage, or no daemon answers.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Where the daemon is reached [default: as `api.listen` says].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Read the API token from this file [default: the variable FORGEWATCH_TOKEN].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Ask only whether it lives, which takes no token; for health checks. Exit status: 0 it does, 2 it does not answer.
    #[arg(long, conflicts_with_all = ["token_file", "format"])]
    live: bool,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl Arguments {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        match self.asked(global) {
            Ok(status) => status,
            Err(problem) => {
                tell(AnsiColor::Red, "error", problem);
                ExitCode::from(USAGE)
            }
        }
    }

    fn asked(&self, global: &GlobalArgs) -> Result<ExitCode, String> {
        let loaded = global.load_what_is_valid();
        if let count @ 1.. = loaded.problems.len() {
            let problems = if count == 1 { "problem" } else { "problems" };
            tell(
                AnsiColor::Yellow,
                "warning",
                format_args!("the configuration has {count} {problems} now: see `forgewatch config check`"),
            );
        }
        let base = self.base(&loaded)?;
        if self.live {
            return match answer(&base, "livez", None, &loaded)? {
                (200, _) => Ok(print(&format!("the daemon at {base} lives"))),
                (status, _) => Err(stranger(&base, status)),
            };
        }
        let token = token(self.token_file.as_deref())?;
        let (status, body) = answer(&base, "api/v1/status", token.as_ref(), &loaded)?;
        let report = report(&base, status, &body)?;
        let printed = match self.format {
            Format::Table => print_styled(&view::render(&report, base.as_str())),
            Format::Json => {
                // As it came: a later daemon may tell more.
                let all: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                print(&json_printable(&serde_json::to_string_pretty(&all).unwrap_or_default()))
            }
        };
        Ok(if printed == ExitCode::SUCCESS { exit_status(&report) } else { printed })
    }

    /// Where the daemon is, as far as that can be read.
    fn base(&self, loaded: &Loaded) -> Result<Url, String> {
        if let Some(url) = &self.url {
            return given(url);
        }
        let listen = loaded.config.api.listen;
        let base = local(listen.get());
        if loaded.lacks(&["api"]) && listen == Api::default().listen {
            tell(
                AnsiColor::Yellow,
                "warning",
                format_args!("where the daemon listens cannot be read: trying {base}; --url says otherwise"),
            );
        }
        Ok(base)
    }
}

/// What is answered at a path.
fn answer(
    base: &Url,
    path: &str,
    token: Option<&SecretString>,
    loaded: &Loaded,
) -> Result<(u16, Vec<u8>), String> {
    let runtime = runtime().map_err(|_| "without a runtime nothing can be asked".to_owned())?;
    let url = base.join(path).map_err(|error| error.to_string())?;
    let answer = runtime.block_on(ask(url, token, loaded.config.http.ca_file.as_deref()));
    answer.map_err(|error| {
        format!("no daemon answers at {base}: {error}\nstart it with `forgewatch run`, or say with --url where it is")
    })
}

fn stranger(base: &Url, status: u16) -> String {
    format!(
        "what answers at {base} is no forgewatch, or not ready (status {status}): say with --url where it is"
    )
}

/// A daemon that is not well itself may not know better.
fn exit_status(report: &Report) -> ExitCode {
    match (report.is_degraded(), report.has_trouble()) {
        (true, _) => ExitCode::from(DEGRADED),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    }
}

fn report(base: &Url, status: u16, body: &[u8]) -> Result<Report, String> {
    match status {
        200 => serde_json::from_slice(body).map_err(|error| {
            format!("what answers at {base} is no forgewatch of this version ({error}): compare `forgewatch --version`")
        }),
        401 | 403 => Err(format!(
            "the daemon at {base} wants another token (status {status}): give one that may read with --token-file or \
             in {TOKEN_VARIABLE}"
        )),
        _ => Err(stranger(base, status)),
    }
}

/// A base URL without anything that could be a secret.
fn given(text: &str) -> Result<Url, String> {
    let is_plain = |url: &Url| {
        let is_web = matches!(url.scheme(), "http" | "https");
        is_web && url.username().is_empty() && url.password().is_none() && url.query().is_none()
    };
    let Some(mut base) = Url::parse(text).ok().filter(is_plain) else {
        let masked = mask_url(text);
        let shown = printable(masked.split('?').next().unwrap_or_default(), 200).into_owned();
        return Err(format!(
            "--url `{shown}` is not an http or https URL without user name and query; a token goes into a file \
             (--token-file) or into {TOKEN_VARIABLE}"
        ));
    };
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(base)
}

/// Where a daemon that listens on `address` is reached from the same machine.
fn local(address: SocketAddr) -> Url {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let url = format!("http://{}/", SocketAddr::new(ip, address.port()));
    Url::parse(&url).expect("an address makes a URL")
}

/// Never from an argument: those are seen by everybody on the machine.
fn token(file: Option<&Path>) -> Result<Option<SecretString>, String> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("--token-file `{}`: {error}", path.display()))?,
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => text,
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(format!("{TOKEN_VARIABLE} is not UTF-8 text"));
            }
        },
    };
    Ok(Some(text.trim().to_owned().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_reached_on_loopback() {
        for (listen, url) in [
            ("127.0.0.1:9477", "http://127.0.0.1:9477/"),
            ("0.0.0.0:80", "http://127.0.0.1/"),
            ("[::]:9477", "http://[::1]:9477/"),
            ("10.1.2.3:9477", "http://10.1.2.3:9477/"),
        ] {
            assert_eq!(local(listen.parse().unwrap()).as_str(), url);
        }
    }

    #[test]
    fn a_url_holds_no_secret_and_may_have_a_path() {
        assert_eq!(given("https://example.org/watch").unwrap().as_str(), "https://example.org/watch/");
        for wrong in [
            "ftp://example.org/",
            "http://me:hidden@example.org/",
            "http://example.org/?token=me:hidden",
            "nonsense",
        ] {
            let problem = given(wrong).unwrap_err();
            assert!(!problem.contains("me:hidden"), "{problem}");
        }
    }
}
