//! `forgewatch tracker`: having trackers tell what becomes of issues. A daemon may be running, and takes part from then on.
//!
//! What proves deliveries is made here and kept in the state. Nothing prints it.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anstyle::AnsiColor;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use url::Url;

use super::{GlobalArgs, USAGE, finish, not_among, print, refuse, runtime, tell};
use crate::config::{Loaded, Problem, Problems, PublicUrl};
use crate::prepare::Reached;
use crate::state::{State, StateError, SubscriptionRow};
use crate::text::{is_on_this_machine, mask_url, printable};
use crate::tracker::subscribing::{self, Subscribed, Trouble, command};
use crate::tracker::{Desk, RefusalKind};

/// Exit status for a tracker that refuses.
const REFUSED: u8 = 1;
/// Characters of an address or a name that are shown.
const LONGEST: usize = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    /// List the subscriptions that there are. How they do, `forgewatch status` knows.
    List {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

/// Have a tracker deliver what becomes of its issues to the daemon.
///
/// A daemon may be running, and believes what is delivered from then on. Where the tracker delivers there already,
/// nothing is done; a subscription that has ended is made anew.
///
/// Exit status: 0 it delivers, 1 the tracker refuses or did not say, 2 wrong usage or configuration.
#[derive(Args, Debug)]
pub(super) struct Subscribe {
    #[command(flatten)]
    issues: Issues,
    /// The whole address that is delivered to [default: `public_url` with api/v1/webhooks/PROVIDER].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// End a subscription, at the tracker and here.
///
/// Exit status: 0 it has ended, 1 the tracker refuses, 2 wrong usage or configuration, or there is none.
#[derive(Args, Debug)]
pub(super) struct Unsubscribe {
    #[command(flatten)]
    issues: Issues,
    /// Forget it here without asking the tracker. What that still delivers is not believed.
    #[arg(long)]
    forget: bool,
}

/// Which issues are meant.
#[derive(Args, Debug)]
struct Issues {
    /// The integration whose tracker it is.
    #[arg(value_name = "INTEGRATION")]
    integration: String,
    /// The issues of this project alone, by its name or id.
    #[arg(long, value_name = "PROJECT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    project: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

impl Command {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        let loaded = match global.load() {
            Ok(loaded) => loaded,
            Err(status) => return status,
        };
        match self {
            Self::Subscribe(subscribe) => subscribe.run(&loaded),
            Self::Unsubscribe(unsubscribe) => unsubscribe.run(&loaded),
            Self::List { format } => list(&loaded, format),
        }
    }
}

impl Issues {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Asks the tracker, and ends what that takes.
    fn ask(&self, loaded: &Loaded, ask: impl AsyncFnOnce(&Desk, &State) -> ExitCode) -> ExitCode {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(status) => return status,
        };
        let asked = runtime.block_on(async {
            let Some(reached) = Reached::prepare(loaded, &self.integration).await? else {
                let known = loaded.config.integrations.keys();
                return Err(Problems(vec![not_among(
                    "integrations",
                    &self.integration,
                    known,
                    "integrations.acme",
                )]));
            };
            let Reached { integration, state, limit, services } = reached;
            let connected = Arc::new(integration.connect(limit).await);
            let desk = Desk::new(Arc::clone(&integration), connected, limit);
            let status = ask(&desk, &state).await;
            finish(&services, std::iter::once(&integration.provider)).await;
            Ok(status)
        });
        // A plugin that blocks its thread must not hold the process.
        runtime.shutdown_background();
        asked.unwrap_or_else(|problems| refuse(&problems))
    }
}

impl Subscribe {
    fn run(self, loaded: &Loaded) -> ExitCode {
        let url = match self.url(loaded) {
            Ok(url) => url,
            Err(problem) => return refuse(&Problems(vec![problem])),
        };
        self.issues.ask(loaded, async |desk, state| {
            match subscribing::subscribe(desk, state, self.issues.project(), url.as_str()).await {
                Ok(subscribed) => self.told(&subscribed, &url),
                Err(trouble) => self.failed(&trouble),
            }
        })
    }

    /// Where to deliver, with everything in order that can be known before.
    fn url(&self, loaded: &Loaded) -> Result<Url, Problem> {
        let name = &self.issues.integration;
        let integrations = &loaded.config.integrations;
        let Some(integration) = integrations.get(name) else {
            return Err(not_among("integrations", name, integrations.keys(), "integrations.acme"));
        };
        let provider = &integration.provider;
        if !loaded.config.providers.get(provider).is_some_and(|provider| provider.allow_write) {
            let message = format!("`{provider}` may write nothing, and a subscription is written");
            let help = format!("add `allow_write = true` under `[providers.{provider}]`");
            return Err(loaded.problem(&["providers", provider, "allow_write"], message, Some(help)));
        }
        if integration.external_id.is_none() {
            let message = "a delivery says by its account's id whose it is, and this has none".to_owned();
            let help = "set it to the id that the forge has for the account or organisation".to_owned();
            return Err(loaded.problem(&["integrations", name, "external_id"], message, Some(help)));
        }
        let path = format!("api/v1/webhooks/{provider}");
        let (url, key) = match (&self.url, loaded.config.public_url.as_ref().map(PublicUrl::get)) {
            (Some(text), _) => (given(text, &path)?, "--url"),
            (None, Some(public)) => {
                // It is the address of a host alone.
                let joined = public.join(&path);
                (joined.map_err(|error| of_argument("public_url", error.to_string()))?, "public_url")
            }
            (None, None) => {
                let message = "nobody has said where the tracker reaches the daemon".to_owned();
                let help = "set it to the address that the daemon has for others, or give --url".to_owned();
                return Err(loaded.problem(&["public_url"], message, Some(help)));
            }
        };
        if url.scheme() != "https" && !is_on_this_machine(&url) && !integration.allow_insecure_http {
            let shown = printable(url.as_str(), LONGEST);
            let mut problem =
                of_argument(key, format!("what proves deliveries would go to {shown} in the clear"));
            problem.help = Some(format!(
                "give an https address, or set `integrations.{}.allow_insecure_http`",
                name.escape_debug()
            ));
            return Err(problem);
        }
        Ok(url)
    }

    fn told(&self, subscribed: &Subscribed, url: &Url) -> ExitCode {
        let Subscribed { subscription, was_there, left } = subscribed;
        for (id, refusal) in left {
            let id = printable(id, LONGEST);
            tell(
                AnsiColor::Yellow,
                "warning",
                format_args!(
                    "the tracker has not ended the former subscription {id}: {refusal}\nend it there by hand; what it \
                     delivers is not believed any more"
                ),
            );
        }
        if !subscription.detail().is_empty() {
            tell(AnsiColor::Yellow, "warning", subscription.detail());
        }
        let already = if *was_there { "already " } else { "" };
        let (id, url) = (printable(subscription.id(), LONGEST), printable(url.as_str(), LONGEST));
        let issues = issues(&self.issues.integration, self.issues.project());
        print(&format!("{issues} are {already}subscribed to: {id} delivers to {url}"))
    }

    fn failed(&self, trouble: &Trouble) -> ExitCode {
        let issues = issues(&self.issues.integration, self.issues.project());
        let (status, way_out) = match trouble {
            Trouble::Refused(refusal) if refusal.kind == RefusalKind::Unsupported => {
                let way_out =
                    "its plugin does not offer this: issues of another integration can be subscribed to";
                (USAGE, way_out.to_owned())
            }
            Trouble::Refused(_) => (REFUSED, String::new()),
            Trouble::Unsure(_) | Trouble::Overtaken => {
                (REFUSED, format!("run `{}` again", command(&self.issues.integration, self.issues.project())))
            }
            Trouble::State(_) | Trouble::Random => (USAGE, String::new()),
        };
        let way_out = if way_out.is_empty() { way_out } else { format!("\n{way_out}") };
        tell(AnsiColor::Red, "error", format_args!("{issues} are not subscribed to: {trouble}{way_out}"));
        ExitCode::from(status)
    }
}

impl Unsubscribe {
    fn run(self, loaded: &Loaded) -> ExitCode {
        let (integration, project) = (&self.issues.integration, self.issues.project());
        let known = State::open_read_only(&loaded.config.state.path)
            .and_then(|state| Ok((subscribing::of(&state, integration, project)?, state.subscriptions()?)));
        let (rows, all) = match known {
            Ok(known) => known,
            Err(error) => return unusable(loaded, &error),
        };
        if rows.is_empty() {
            return refuse(&Problems(vec![no_subscription(integration, project, &all)]));
        }
        if self.forget {
            return match State::open(&loaded.config.state.path).and_then(|state| forget(&state, &rows)) {
                Ok(()) => print(&format!("{} are forgotten here", issues(integration, project))),
                Err(error) => unusable(loaded, &error),
            };
        }
        self.issues.ask(loaded, async |desk, state| {
            for row in &rows {
                if let Err(refusal) = subscribing::end(desk, row).await {
                    let id = printable(row.id.as_deref().unwrap_or_default(), LONGEST).into_owned();
                    tell(
                        AnsiColor::Red,
                        "error",
                        format_args!(
                            "the tracker has not ended {id}: {refusal}\ntry again, or end it there by hand and run this with \
                             --forget"
                        ),
                    );
                    return ExitCode::from(REFUSED);
                }
                if let Err(error) = forget(state, std::slice::from_ref(row)) {
                    return unusable(loaded, &error);
                }
            }
            print(&format!("{} are not subscribed to any more", issues(integration, project)))
        })
    }
}

fn forget(state: &State, rows: &[SubscriptionRow]) -> Result<(), StateError> {
    rows.iter().try_for_each(|row| state.forget_subscription(row.number))
}

/// That there is no such subscription, and which there are.
fn no_subscription(integration: &str, project: Option<&str>, all: &[SubscriptionRow]) -> Problem {
    let there: Vec<_> = all.iter().map(|row| issues(&row.integration, row.project.as_deref())).collect();
    let help = match there.as_slice() {
        [] => "there is none at all".to_owned(),
        there => format!("there are those to {}", there.join(", ")),
    };
    let message = format!("{} are not subscribed to", issues(integration, project));
    Problem { key: String::new(), source: None, message, help: Some(help) }
}

fn unusable(loaded: &Loaded, error: &StateError) -> ExitCode {
    refuse(&Problems(vec![loaded.problem(&["state", "path"], error.to_string(), None)]))
}

fn of_argument(key: &str, message: String) -> Problem {
    Problem { key: key.to_owned(), source: None, message, help: None }
}

/// An address that is delivered to.
fn given(text: &str, path: &str) -> Result<Url, Problem> {
    let is_plain = |url: &Url| {
        let is_web = matches!(url.scheme(), "http" | "https");
        let has_more = url.query().is_some() || url.fragment().is_some();
        is_web && url.username().is_empty() && url.password().is_none() && !has_more
    };
    let shown = || {
        let masked = mask_url(text);
        printable(masked.split('?').next().unwrap_or_default(), LONGEST).into_owned()
    };
    let Some(url) = Url::parse(text).ok().filter(is_plain) else {
        let message =
            format!("`{}` is not an http or https URL without user name, query and fragment", shown());
        return Err(of_argument("--url", message));
    };
    if url.path() == "/" {
        let mut problem = of_argument("--url", format!("`{}` is a host alone", shown()));
        problem.help = url.join(path).ok().map(|whole| format!("give the whole address, such as {whole}"));
        return Err(problem);
    }
    Ok(url)
}

/// Which issues of a tracker.
fn issues(integration: &str, project: Option<&str>) -> String {
    let integration = printable(integration, LONGEST);
    match project {
        Some(project) => format!("the issues of `{integration}` in `{}`", printable(project, LONGEST)),
        None => format!("the issues of `{integration}`"),
    }
}

fn list(loaded: &Loaded, format: Format) -> ExitCode {
    let rows = State::open_read_only(&loaded.config.state.path).and_then(|state| state.subscriptions());
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return unusable(loaded, &error),
    };
    let rows: Vec<_> = rows.iter().map(Line::of).collect();
    match format {
        Format::Table if rows.is_empty() => print("no issues are subscribed to"),
        Format::Table => print(&rows.iter().map(Line::shown).collect::<String>()),
        Format::Json => {
            let all = serde_json::json!({ "subscriptions": rows });
            print(&serde_json::to_string_pretty(&all).unwrap_or_default())
        }
    }
}

/// The JSON shape of a subscription: a contract with users.
#[derive(Serialize)]
struct Line {
    integration: String,
    project: Option<String>,
    url: String,
    /// None while nobody knows whether the tracker has it.
    id: Option<String>,
    finished: bool,
    made_at: String,
}

impl Line {
    fn of(row: &SubscriptionRow) -> Self {
        let shown = |text: &str| printable(text, LONGEST).into_owned();
        Self {
            integration: shown(&row.integration),
            project: row.project.as_deref().map(shown),
            url: shown(&row.url),
            id: row.id.as_deref().map(shown),
            finished: row.id.is_some(),
            made_at: humantime::format_rfc3339_seconds(row.made_at).to_string(),
        }
    }

    fn shown(&self) -> String {
        let Self { integration, project, url, id, made_at, .. } = self;
        let word = if self.finished { "made" } else { "unfinished" };
        let of = project.as_ref().map_or("all projects".to_owned(), |project| format!("project {project}"));
        let mut text = format!("{word:10}  {integration}, {of}, to {url}\n");
        // Writing to a text does not fail.
        let _ = match id {
            Some(id) => writeln!(text, "{:10}  {id}, since {made_at}", ""),
            None => writeln!(
                text,
                "{:10}  begun at {made_at}; whether the tracker has it nobody knows: run `{}`",
                "",
                command(integration, project.as_deref())
            ),
        };
        text
    }
}
