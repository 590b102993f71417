//! `forgewatch plan`: what a configuration is going to ask of forges, before it does.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use unicode_width::UnicodeWidthStr;

use super::{GlobalArgs, counted, print, print_styled, refuse, runtime};
use crate::plan::{Listings, Need, Plan, Round, Share};
use crate::sweep::Means;

/// Say what checks will ask of forges, whether that is allowed, and how soon they find a loss.
///
/// For each identity: the requests an hour that the configuration needs, those that its forge allows, and the longest
/// time that a loss may go unnoticed. Plugins are opened; no secret is read, and nobody is asked.
///
/// Exit status: 0 everything fits, as far as is known, 1 some identity needs more than it is allowed, 2 wrong usage or
/// configuration.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// How to print the plan.
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
        let loaded = global.load_what_is_valid();
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(status) => return status,
        };
        let plan = runtime.block_on(Plan::prepare(&loaded));
        // A plugin that blocks its thread must not hold the process.
        runtime.shutdown_background();
        let plan = match plan {
            Ok(plan) => plan,
            Err(problems) => return refuse(&problems),
        };
        let printed = match self.format {
            Format::Table => print_styled(&table(&plan)),
            Format::Json => print(&serde_json::to_string_pretty(&plan).unwrap_or_default()),
        };
        if printed == ExitCode::SUCCESS && !plan.fits() { ExitCode::from(1) } else { printed }
    }
}

const HEADS: [&str; 7] =
    ["IDENTITY", "FORGE", "REPOSITORIES", "NEEDED/H", "ALLOWED/H", "FITS", "LOSS FOUND WITHIN"];

fn table(plan: &Plan) -> String {
    if plan.identities.is_empty() {
        return "there are no repositories to check: nothing is asked of any forge".to_owned();
    }
    let rows: Vec<_> = plan.identities.iter().map(row).collect();
    let width = |nth: usize| rows.iter().map(|row| row[nth].width()).chain([HEADS[nth].width()]).max();
    let widths: Vec<_> = (0..HEADS.len()).map(|nth| width(nth).unwrap_or(0)).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(nth, (cell, width))| {
            let space = " ".repeat(width.saturating_sub(cell.width()));
            // Numbers stand on the right.
            if (2..5).contains(&nth) { format!("{space}{cell}") } else { format!("{cell}{space}") }
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(HEADS.to_vec());
    for (need, row) in plan.identities.iter().zip(&rows) {
        text += &line(row.iter().map(String::as_str).collect());
        for share in &need.integrations {
            share.rounds.iter().for_each(|round| text += &details(share, round));
            share.listings.iter().for_each(|listings| text += &listing(share, listings));
        }
        for discovery in &need.unknown_until {
            text += &format!(
                "  what there will be to check is unknown until `{discovery}` has listed everything\n"
            );
        }
        if let Some(advice) = &need.advice {
            text += &format!("  -> {advice}\n");
        }
    }
    text + &closing_line(plan)
}

fn row(need: &Need) -> [String; HEADS.len()] {
    let at_least = if need.unknown_until.is_empty() { "" } else { "+" };
    let allowed = match (need.allowed_per_hour, need.reserved_per_hour) {
        (Some(allowed), Some(reserved)) => format!("{} (-{})", whole(allowed), whole(reserved)),
        _ => "unknown".to_owned(),
    };
    let fits = match need.fits {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    [
        need.identity.clone().unwrap_or_else(|| "none, so nothing is asked".to_owned()),
        need.forge.clone(),
        need.repositories.to_string(),
        format!("{}{at_least}", whole(need.needed_per_hour)),
        allowed,
        fits.to_owned(),
        need.detection_s.map_or_else(|| "unknown".to_owned(), length),
    ]
}

fn details(share: &Share, round: &Round) -> String {
    let (repositories, requests) = (
        counted(round.repositories, "repository", "repositories"),
        counted(round.requests, "request", "requests"),
    );
    let how = match round.how {
        Means::OneByOne => "one by one",
        Means::Project => "by project",
        Means::Listing => "by listing",
    };
    let range = round.at_best.zip(round.at_worst);
    let range = range.map(|(best, worst)| format!("; a listing may make it {best}, or {worst} at worst"));
    format!(
        "  `{}` ({}): {repositories} every {}, {how}: {requests}{}\n",
        share.integration,
        share.provider,
        length(round.interval_s),
        range.unwrap_or_default()
    )
}

fn listing(share: &Share, listings: &Listings) -> String {
    format!(
        "  `{}` ({}): discovery `{}` lists every {}: {}\n",
        share.integration,
        share.provider,
        listings.discovery,
        length(listings.interval_s),
        counted(listings.requests, "request", "requests")
    )
}

fn closing_line(plan: &Plan) -> String {
    let over = plan.identities.iter().filter(|need| need.fits == Some(false)).count();
    let knows = |need: &Need| need.allowed_per_hour.is_some();
    match over {
        0 if !plan.identities.iter().any(knows) => "\nnobody knows whether this fits".to_owned(),
        0 => "\neverything fits, as far as is known; a part of what is allowed, in brackets, is kept for `forgewatch check` \
              and the like"
            .to_owned(),
        _ => format!(
            "\n{} more than is allowed, so checks will come later than their intervals say",
            if over == 1 { "one identity needs".to_owned() } else { format!("{over} identities need") }
        ),
    }
}

/// Rounded up: nobody makes a part of a request.
fn whole(number: f64) -> String {
    format!("{}", number.ceil())
}

fn length(seconds: f64) -> String {
    let time = Duration::from_secs_f64(seconds.clamp(0.0, 1e12));
    // Beyond a minute nobody counts parts of seconds.
    let shown = if time.as_secs() >= 60 { Duration::from_secs(time.as_secs()) } else { time };
    humantime::format_duration(shown).to_string()
}
