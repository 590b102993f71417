//! `forgewatch check`: one sweep over what is asked for.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anstyle::AnsiColor;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output::{Format, Swept, ndjson};
use super::{GlobalArgs, USAGE, finish, print, print_styled, refuse, runtime, tell, what_there_is};
use crate::prepare::Prepared;
use crate::sweep::{CheckResult, Summary};

/// Exit status after an interruption.
const INTERRUPTED: u8 = 130;

/// Check whether the integrations have access to their repositories.
///
/// Exit status: 0 all granted, 1 at least one denied, 2 wrong usage or configuration, 3 nothing denied but
/// something indeterminate, 130 interrupted. What a discovery would find is listed first; where that fails, what is
/// known is checked, and standard error says so. The status is 3, too, where a discovery has never listed everything, or
/// where there is nothing to check since it finds nothing.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Names of repositories, patterns (`*`, `?`, `[…]`, `{…}`) over names, or URLs; all repositories if none.
    #[arg(value_name = "NAME|GLOB|URL")]
    repositories: Vec<String>,
    /// How to print the results.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Stop before the first request: open plugins, route URLs and read secrets, and say what is wrong.
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        let loaded = global.load_what_is_valid();
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(status) => return status,
        };
        let preparing = Prepared::for_check(&loaded, &self.repositories, self.dry_run);
        let status = match runtime.block_on(preparing) {
            Ok(prepared) if self.dry_run => {
                if let Err(problems) = runtime.block_on(prepared.ready()) {
                    return refuse(&problems);
                }
                let (known, discoveries) = (prepared.sweep.targets.len(), prepared.finds.listing());
                print(&format!("nothing stands in the way of checking {}", what_there_is(known, discoveries)))
            }
            // On a worker: collecting results wakes no other thread there.
            Ok(prepared) => {
                runtime.block_on(async { tokio::spawn(self.sweep(prepared)).await }).unwrap_or_else(|error| {
                    tell(
                        AnsiColor::Red,
                        "error",
                        format_args!("the sweep failed, which is a fault of forgewatch: {error}"),
                    );
                    ExitCode::from(USAGE)
                })
            }
            Err(problems) => refuse(&problems),
        };
        // A plugin that blocks its thread must not hold the process.
        runtime.shutdown_background();
        status
    }

    async fn sweep(self, prepared: Prepared) -> ExitCode {
        let Prepared { services, sweep, recorder, providers, mut finds } = prepared;
        let total = sweep.targets.len();
        let progress = progress_bar(total as u64, self.format);
        let cancelled = cancelled_by_interrupt();
        let (started_at, start) = (SystemTime::now(), Instant::now());
        let mut lines = Lines { failed: None, wanted: self.format == Format::Ndjson };
        let results = sweep
            .run(cancelled.clone(), |result| {
                progress.inc(1);
                lines.print(result, &cancelled);
            })
            .await;
        progress.finish_and_clear();
        let swept = Swept { started_at, duration: start.elapsed(), results };
        let printed = match swept.render(self.format) {
            Ok(text) if text.is_empty() => ExitCode::SUCCESS,
            Ok(text) if self.format == Format::Table => print_styled(&text),
            Ok(text) => print(&text),
            Err(error) => {
                tell(AnsiColor::Red, "error", format_args!("the results cannot be printed: {error}"));
                ExitCode::from(USAGE)
            }
        };
        // What is known is printed by now: whoever interrupts again loses none of it.
        finish(&services, providers.values()).await;
        recorder.record(swept.started_at, swept.duration, &swept.results);
        finds.forget(&swept.results);
        if let Some(status) = lines.failed.or(Some(printed)).filter(|status| *status != ExitCode::SUCCESS) {
            return status;
        }
        if swept.results.len() < total {
            let known = swept.results.len();
            tell(
                AnsiColor::Yellow,
                "interrupted",
                format_args!("{known} of {total} repositories were checked"),
            );
            return ExitCode::from(INTERRUPTED);
        }
        status(Summary::of(&swept.results), finds.are_unknown(total))
    }
}

/// With `unknown`, nobody could say what there is to check.
fn status(summary: Summary, unknown: bool) -> ExitCode {
    match summary {
        Summary { denied: 1.., .. } => ExitCode::from(1),
        Summary { indeterminate, .. } if indeterminate > 0 || unknown => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints results as they come. Nobody reading any more ends the sweep: its results have nowhere to go.
struct Lines {
    wanted: bool,
    failed: Option<ExitCode>,
}

impl Lines {
    fn print(&mut self, result: &CheckResult, cancelled: &CancellationToken) {
        if !self.wanted || self.failed.is_some() {
            return;
        }
        let line = ndjson(result).map_err(io::Error::from);
        let written = line.and_then(|line| writeln!(io::stdout().lock(), "{line}"));
        if let Err(error) = written {
            cancelled.cancel();
            self.failed = Some(ExitCode::from(INTERRUPTED));
            if error.kind() != io::ErrorKind::BrokenPipe {
                tell(AnsiColor::Red, "error", format_args!("cannot write to standard output: {error}"));
                self.failed = Some(ExitCode::from(USAGE));
            }
        }
    }
}

fn progress_bar(total: u64, format: Format) -> ProgressBar {
    let lines_on_terminal = format == Format::Ndjson && io::stdout().is_terminal();
    if lines_on_terminal || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("checking {wide_bar} {pos}/{len}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Cancelled by the first Ctrl-C or SIGTERM; the second ends the process at once.
fn cancelled_by_interrupt() -> CancellationToken {
    let cancelled = CancellationToken::new();
    // Listening from here on, without a gap between the first signal and the second.
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return cancelled;
    };
    let token = cancelled.clone();
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if last {
                std::process::exit(i32::from(INTERRUPTED));
            }
            token.cancel();
        }
    });
    cancelled
}
