//! How long it takes until checks could begin, and how much memory: the real binary's `check --dry-run` over large
//! configurations, beside a process that parses the same file with the `toml` crate and does nothing else.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use forgewatch_tests::sandbox::Sandbox;

use crate::report::{Row, median, ratio};

/// Argument that makes this program parse a file.
pub(crate) const PARSE: &str = "--parse";
const PROJECTS: usize = 100;
const RUNS: usize = 5;
/// How many repositories there are, and what is wanted of the time and the memory.
const SIZES: [(usize, &str, &str); 2] =
    [(1_000, "<= 150 ms", "report"), (100_000, "<= 2000 ms", "<= 250 MiB")];
/// How repositories are named, in words, and what the table of one says.
const FORMS: [(&str, Form); 2] = [
    ("by name", |project, number| {
        format!(
            "integration = \"acme\"\nproject = \"Project-{project}\"\nname = \"repository-{number}\"\n\
             labels = {{ team = \"t{project}\" }}\n"
        )
    }),
    ("by URL", |project, number| {
        format!("url = \"https://dev.azure.com/acme/Project-{project}/_git/repository-{number}\"\n")
    }),
];

type Form = fn(usize, usize) -> String;

/// What a process took.
struct Cost {
    milliseconds: f64,
    /// The most memory that it had resident at once.
    mebibytes: f64,
}

pub(crate) fn measure() -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for (count, wanted, wanted_memory) in SIZES {
        for (words, form) in FORMS {
            rows.extend(start(count, words, form, wanted, wanted_memory)?);
        }
    }
    Ok(rows)
}

fn start(
    count: usize,
    words: &str,
    form: Form,
    wanted: &'static str,
    wanted_memory: &'static str,
) -> Result<[Row; 2], Box<dyn Error>> {
    let mut sandbox = Sandbox::new();
    sandbox.set_variable("LARGE_PAT", "secret");
    let file = sandbox.write("forgewatch.toml", config(count, form));
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    // The first pair warms everything up.
    for run in 0..=RUNS {
        let measured = cost(&mut sandbox.command(&["check", "--dry-run"]))?;
        let reference = cost(Command::new(std::env::current_exe()?).arg(PARSE).arg(&file))?;
        if run > 0 {
            times.push((measured.milliseconds, reference.milliseconds));
            memory.push((measured.mebibytes, reference.mebibytes));
        }
    }
    let row = |what: &str, unit, pairs: &[(f64, f64)], wanted| Row {
        work: format!("{count} repositories {words}, ready to check, {what}"),
        unit,
        measured: median(pairs.iter().map(|pair| pair.0).collect()),
        reference_name: "toml crate alone",
        reference: median(pairs.iter().map(|pair| pair.1).collect()),
        ratio: ratio(pairs),
        wanted,
    };
    Ok([row("time", "ms", &times, wanted), row("memory", "MiB", &memory, wanted_memory)])
}

fn config(count: usize, form: Form) -> String {
    let mut config = "[identities.bot]\nkind = \"pat\"\ntoken = { env = \"LARGE_PAT\" }\n\
                      [integrations.acme]\nprovider = \"vsts\"\ndomain_name = \"https://dev.azure.com/acme/\"\n\
                      identity = \"bot\"\n"
        .to_owned();
    for number in 0..count {
        config += &format!("[repositories.repository-{number}]\n{}", form(number % PROJECTS, number));
    }
    config
}

/// Runs a program to its end and watches it.
fn cost(command: &mut Command) -> Result<Cost, Box<dyn Error>> {
    let start = Instant::now();
    let mut process = command.stdout(Stdio::null()).spawn()?;
    let mebibytes = peak(&process);
    let status = process.wait()?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    if !status.success() {
        return Err(format!("{command:?} failed: {status}").into());
    }
    Ok(Cost { milliseconds, mebibytes })
}

/// Waits for the end of a process; the most memory that it had resident at once. 0 where the kernel does not tell.
fn peak(process: &Child) -> f64 {
    let path = format!("/proc/{}/status", process.id());
    let mut kibibytes = 0.0;
    // The line goes when the process ends.
    while let Some(now) = std::fs::read_to_string(&path).ok().and_then(|status| high_water(&status)) {
        kibibytes = now;
        std::thread::sleep(std::time::Duration::from_micros(500));
    }
    kibibytes / 1024.0
}

fn high_water(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The reference: parses a file.
pub(crate) fn run_parse(file: &Path) -> Result<(), Box<dyn Error>> {
    let table: toml::Table = toml::from_str(&std::fs::read_to_string(file)?)?;
    std::hint::black_box(&table);
    Ok(())
}
