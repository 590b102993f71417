//! `forgewatch alerts`: whether those who are to be told of incidents can be told.

use std::process::ExitCode;

use anstyle::AnsiColor;
use clap::{Args, Subcommand};

use super::{GlobalArgs, USAGE, not_among, print, refuse, runtime, tell};
use crate::alerts::{Happening, Refusal, Target, test_message};
use crate::config::{AlertTarget, Loaded, Problems, PublicUrl};

/// Exit status for a message that was not taken.
const NOT_TAKEN: u8 = 1;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Test(Test),
}

/// Send a message that is marked as a test to one target, and say whether it was taken.
///
/// It goes the way of real ones, and nothing is remembered of it; a daemon may be running. At an Alertmanager it ends by
/// itself within minutes.
///
/// Exit status: 0 the target took it, 1 it did not, 2 wrong usage or configuration.
#[derive(Args, Debug)]
pub(super) struct Test {
    /// The name of a target, as under `[alerts.targets]`.
    #[arg(value_name = "TARGET")]
    target: String,
    /// What the message says of its incident.
    #[arg(long, value_enum, default_value_t = Happening::Opened)]
    event: Happening,
}

impl Command {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        let Self::Test(test) = self;
        match global.load() {
            Ok(loaded) => test.run(&loaded),
            Err(status) => status,
        }
    }
}

impl Test {
    fn run(&self, loaded: &Loaded) -> ExitCode {
        let Some(configured) = loaded.config.alerts.targets.get(&self.target) else {
            let targets = loaded.config.alerts.targets.keys();
            let unknown = not_among("targets of alerts", &self.target, targets, "alerts.targets.ops");
            tell(AnsiColor::Red, "error", unknown);
            return ExitCode::from(USAGE);
        };
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(status) => return status,
        };
        let name = &self.target;
        let kind = configured.kind();
        let sent = runtime.block_on(self.send(loaded, configured));
        // A message that is stuck must not hold the process.
        runtime.shutdown_background();
        match sent {
            Ok(Ok(())) => print(&format!("target {name} ({kind}) took the test message")),
            Ok(Err(refusal)) => {
                tell(
                    AnsiColor::Red,
                    "error",
                    format_args!("target {name} ({kind}) did not take it: {refusal}"),
                );
                ExitCode::from(NOT_TAKEN)
            }
            Err(problems) => refuse(&problems),
        }
    }

    async fn send(&self, loaded: &Loaded, configured: &AlertTarget) -> Result<Result<(), Refusal>, Problems> {
        let mut problems = Vec::new();
        let target = Target::prepare(loaded, &self.target, configured, &mut problems).await;
        let target = target.filter(|_| problems.is_empty()).ok_or(Problems(problems))?;
        let page = loaded.config.public_url.as_ref().map(PublicUrl::get);
        Ok(target.send(&test_message(self.event, page, &loaded.config.alerts.group_by)).await)
    }
}
