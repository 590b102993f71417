//! The command line: arguments, what they lead to, and the exit status.
//!
//! Standard output carries a command's result, standard error everything else. Nothing here panics when a
//! stream is closed. Wrong usage and a wrong configuration end with status 2.

mod alerts;
mod check;
mod config;
mod output;
mod plan;
mod plugin;
mod route;
mod run;
mod state;
mod status;
mod tracker;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use futures_util::future::join_all;

use crate::config::{Environment, Loaded, LogFormat, LogLevel, Problem, Problems, Request, load, nearest};
use crate::logging::Logging;
use crate::plugins::{Provider, WORKER_COMMAND, run_worker};
use crate::services::Services;
use crate::text::printable_lines;

/// Exit status for wrong usage and for a wrong configuration.
const USAGE: u8 = 2;
/// How long token refreshes under way may still take at the end; one cut short may cost a refresh token.
const GRACE: Duration = Duration::from_secs(5);
/// The stack of a thread that may run plugin code.
const STACK_BYTES: usize = 8 << 20;
/// Characters of one line of a message; nothing sensible is longer.
const LONGEST_LINE: usize = 10_000;

/// Knows, for every configured repository, whether your integration can still reach it, and why not.
#[derive(Debug, Parser)]
#[command(name = "forgewatch", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Arguments),
    Run(run::Arguments),
    Route(route::Arguments),
    Status(status::Arguments),
    Plan(plan::Arguments),
    /// See whether those who are to be told of incidents can be told.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Have trackers tell what becomes of issues, and see whether they do.
    #[command(subcommand)]
    Tracker(tracker::Command),
    /// List, inspect, verify and lock plugins; write one and test it.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Check, show and explain the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Back up and check the state: what is remembered from run to run.
    #[command(subcommand)]
    State(state::Command),
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Arguments that every command takes, before its name as well as after it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Read this file, or this folder's files, in place of the system's and the user's; may be repeated.
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub config: Vec<PathBuf>,
    /// Lay the table `[profiles.NAME]` over the files.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Set one key to a TOML value or, if it is none, to text; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How much to log on standard error: error, warn, info, debug or trace [default: warn; for the daemon, `logging.level`].
    #[arg(long, value_name = "LEVEL", hide_possible_values = true)]
    pub log_level: Option<LogLevel>,
}

/// What there is to check, as far as that is known before discoveries have listed.
fn what_there_is(repositories: usize, discoveries: usize) -> String {
    let known = counted(repositories, "repository", "repositories");
    match discoveries {
        0 => known,
        1 => format!("{known}, and what 1 discovery finds"),
        _ => format!("{known}, and what {discoveries} discoveries find"),
    }
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

impl GlobalArgs {
    /// The arguments of all levels of a command line together: lists in order, of the rest the last.
    ///
    /// Clap's own global arguments would forget what stands before the command once something stands after it.
    fn of_levels(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut all = Self::default();
        let mut level = Some(matches);
        while let Some(matches) = level {
            let here = Self::from_arg_matches(matches)?;
            all.config.extend(here.config);
            all.set.extend(here.set);
            all.profile = here.profile.or(all.profile);
            all.log_level = here.log_level.or(all.log_level);
            level = matches.subcommand().map(|(_, matches)| matches);
        }
        Ok(all)
    }

    /// What the arguments ask to load.
    pub fn request(&self) -> Request {
        Request {
            config: self.config.clone(),
            profile: self.profile.clone(),
            set: self.set.clone(),
            environment: Environment::of_process(),
        }
    }

    /// Loads the configuration that the arguments name. Problems and warnings are printed.
    ///
    /// # Errors
    ///
    /// The configuration is wrong: the status to exit with.
    pub fn load(&self) -> Result<Loaded, ExitCode> {
        self.load_what_is_valid().into_valid().map_err(|problems| refuse(&problems))
    }

    /// Loads as much of the configuration as is valid, and prints warnings but no problems.
    fn load_what_is_valid(&self) -> Loaded {
        let loaded = load(&self.request());
        if self.log_level != Some(LogLevel::Error) {
            loaded.warnings.iter().for_each(|warning| tell(AnsiColor::Yellow, "warning", warning));
        }
        loaded
    }

    /// Sends log lines to standard error as `settings` say or, for a command that has none, warnings for people.
    fn start_logging(&self, settings: Option<&crate::config::Logging>) -> Logging {
        let format = settings.map_or(LogFormat::Pretty, |settings| settings.format);
        let level = settings.map_or(LogLevel::Warn, |settings| settings.level);
        Logging::start(format, level, self.log_level)
    }
}

/// The whole command line, every level of it with the global arguments.
fn command() -> clap::Command {
    fn with_globals(command: clap::Command, globals: &clap::Command) -> clap::Command {
        let command = command.args(globals.get_arguments().cloned());
        command.mut_subcommands(|command| with_globals(command, globals))
    }
    with_globals(Cli::command(), &GlobalArgs::augment_args(clap::Command::new("globals")))
}

/// Runs the command that the process' arguments name.
pub fn run() -> ExitCode {
    // A worker is no command for people, and starts without reading anything else.
    if std::env::args_os().nth(1).is_some_and(|command| command == WORKER_COMMAND) {
        return run_worker();
    }
    let parsed = command().try_get_matches().and_then(|matches| {
        let global = GlobalArgs::of_levels(&matches)?;
        Ok((global, Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))?))
    });
    match parsed {
        Ok((global, cli)) => {
            // The daemon's log is configured.
            if !matches!(cli.command, Command::Run(_)) {
                global.start_logging(None);
            }
            match cli.command {
                Command::Check(arguments) => arguments.run(&global),
                Command::Run(arguments) => arguments.run(&global),
                Command::Route(arguments) => arguments.run(&global),
                Command::Status(arguments) => arguments.run(&global),
                Command::Plan(arguments) => arguments.run(&global),
                Command::Alerts(command) => command.run(&global),
                Command::Tracker(command) => command.run(&global),
                Command::Plugin(command) => command.run(&global),
                Command::Config(command) => command.run(&global),
                Command::State(command) => command.run(&global),
                Command::Completions { shell } => completions(shell),
            }
        }
        Err(error) => {
            // A closed stream leaves nobody to tell; the status still does.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
        }
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "forgewatch", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // As much as a worker's one thread has: a plugin finds the same stack wherever it runs.
    let runtime = builder.enable_all().thread_stack_size(STACK_BYTES).build();
    runtime.map_err(|error| {
        tell(AnsiColor::Red, "error", format_args!("cannot start: {error}"));
        ExitCode::from(USAGE)
    })
}

/// Ends what plugins have begun, and the plugins.
async fn finish(services: &Services, providers: impl Iterator<Item = &Provider>) {
    if tokio::time::timeout(GRACE, services.finish()).await.is_err() {
        tracing::warn!("a token refresh did not end within {GRACE:?}; its new token may be lost");
    }
    join_all(providers.map(Provider::close)).await;
}

/// That nothing of this name is among `what`, and which there are.
fn not_among<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n String>, table: &str) -> Problem {
    let names: Vec<_> = known.map(String::as_str).collect();
    let help = match (nearest(name, names.iter().copied()), names.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => format!("add a table such as [{table}] to the configuration"),
        (None, names) => format!("there are: {}", names.join(", ")),
    };
    Problem {
        key: String::new(),
        source: None,
        message: format!("`{}` is not among the {what}", name.escape_debug()),
        help: Some(help),
    }
}

/// Prints a command's result. Whoever stopped reading has what they wanted; other errors are told.
fn print(text: &str) -> ExitCode {
    write_result(io::stdout().lock(), text)
}

/// Prints a result with colours in it, to those who want them.
fn print_styled(text: &str) -> ExitCode {
    write_result(anstream::stdout().lock(), text)
}

fn write_result(mut out: impl Write, text: &str) -> ExitCode {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell(AnsiColor::Red, "error", format_args!("cannot write to standard output: {error}"));
            ExitCode::from(USAGE)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Tells about something on standard error. Names from files and arguments are in it: each line is escaped.
fn tell(colour: AnsiColor, label: &str, what: impl std::fmt::Display) {
    let style = Style::new().fg_color(Some(colour.into())).bold();
    let lines = printable_lines(&what.to_string(), LONGEST_LINE);
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{style}{label}{style:#}: {lines}");
}

/// Tells everything that is wrong; the status to exit with.
fn refuse(problems: &Problems) -> ExitCode {
    for problem in &problems.0 {
        tell(AnsiColor::Red, "error", problem);
    }
    if problems.0.len() > 1 {
        let count = problems.0.len();
        tell(AnsiColor::Red, "error", format_args!("{count} problems, nothing was run"));
    }
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn commands_keep_their_descriptions() {
        let about = command().find_subcommand("config").and_then(|config| config.get_about().cloned());
        assert_eq!(about.unwrap().to_string(), "Check, show and explain the configuration");
    }

    #[test]
    fn global_arguments_work_on_every_level_at_once() {
        let line = "forgewatch --set a=1 --profile p config --set b=2 show --set c=3 --profile q --config x";
        let matches = command().try_get_matches_from(line.split(' ')).unwrap();
        let global = GlobalArgs::of_levels(&matches).unwrap();
        assert_eq!(global.set, ["a=1", "b=2", "c=3"]);
        assert_eq!(global.profile.as_deref(), Some("q"));
        assert_eq!(global.config, [PathBuf::from("x")]);
        assert!(Cli::from_arg_matches(&matches).is_ok());
    }
}
