//! `forgewatch route`: where URLs lead, without a request.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{GlobalArgs, print, refuse, runtime};
use crate::config::{Loaded, Problems};
use crate::prepare::{Destination, Routes};
use crate::routing::RouteErrorKind;
use crate::text::{mask_url, printable};

/// Say which provider, integration, project and repository a URL leads to, without asking anybody.
///
/// Exit status: 0 all URLs lead somewhere, 1 otherwise, 2 wrong usage or configuration.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The URLs.
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// How to print the answers.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// The JSON shape of an answer: a contract with users.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Route {
        url: String,
        provider: String,
        integration: Option<String>,
        base_url: String,
        project: Option<String>,
        name: String,
    },
    Error {
        url: String,
        error: RouteErrorKind,
        detail: String,
    },
}

impl Arguments {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        let loaded = match global.load() {
            Ok(loaded) => loaded,
            Err(status) => return status,
        };
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(status) => return status,
        };
        let answers = runtime.block_on(answers(&loaded, &self.urls));
        // A plugin that blocks its thread must not hold the process.
        runtime.shutdown_background();
        let answers = match answers {
            Ok(answers) => answers,
            Err(problems) => return refuse(&problems),
        };
        let printed = match self.format {
            Format::Table => print(&answers.iter().map(Answer::lines).collect::<String>()),
            Format::Json => print(&serde_json::to_string_pretty(&answers).unwrap_or_default()),
        };
        let failed = answers.iter().any(|answer| matches!(answer, Answer::Error { .. }));
        if printed == ExitCode::SUCCESS && failed { ExitCode::from(1) } else { printed }
    }
}

async fn answers(loaded: &Loaded, urls: &[String]) -> Result<Vec<Answer>, Problems> {
    let routes = Routes::of(loaded)?;
    let mut answers = Vec::new();
    for url in urls {
        answers.push(answer(url, routes.destination(url).await?));
    }
    Ok(answers)
}

fn answer(url: &str, destination: Destination) -> Answer {
    let url = printable(&mask_url(url), 2000).into_owned();
    match destination {
        Ok((parsed, integration)) => Answer::Route {
            url,
            provider: parsed.provider,
            integration,
            base_url: parsed.url.base_url().to_owned(),
            project: parsed.url.project().map(ToOwned::to_owned),
            name: parsed.url.name().to_owned(),
        },
        Err(error) => Answer::Error { url, error: error.kind, detail: error.detail },
    }
}

impl Answer {
    fn lines(&self) -> String {
        let shown = |text: &str| printable(text, 500).into_owned();
        match self {
            Self::Route { url, provider, integration, base_url, project, name } => {
                let integration = integration.as_deref().unwrap_or("none has this base URL");
                let project = project.as_deref().unwrap_or("none");
                format!(
                    "{url}\n  provider     {}\n  integration  {}\n  base URL     {}\n  project      {}\n  name         {}\n",
                    shown(provider),
                    shown(integration),
                    shown(base_url),
                    shown(project),
                    shown(name)
                )
            }
            Self::Error { url, error, detail } => {
                let kind = serde_json::to_value(error).ok();
                let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
                format!("{url}\n  {kind}: {detail}\n")
            }
        }
    }
}
