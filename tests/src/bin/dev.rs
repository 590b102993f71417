//! Commands for developers, behind cargo's aliases.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(target_os = "linux")]
use forgewatch_tests::endurance::Options;
use forgewatch_tests::fake::{Answer, Fake, Match, Organisation, Project, Repository, World, contoso};
use forgewatch_tests::{abi, build};

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("quickstart") => quickstart(),
        Some("describe-abi") => described().map(|text| print!("{text}")),
        Some("renew-baseline") => renew_baseline(),
        #[cfg(target_os = "linux")]
        Some("soak") => soak(),
        #[cfg(target_os = "linux")]
        Some("endurance") => endurance(),
        #[cfg(target_os = "linux")]
        Some("contract") => contract(),
        #[cfg(target_os = "linux")]
        Some("screenshots") => screenshots(),
        _ => Err("usage: dev quickstart|describe-abi|renew-baseline|soak|endurance|contract|screenshots \
                  [OPTION…]"
            .into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A second organisation, whose token has expired.
fn fabrikam() -> Organisation {
    let factory = Project::new("c0470500-5e1f-4b0a-9c3d-0000000a0009", "Factory");
    let robots = Repository::new("c0470500-5e1f-4b0a-9c3d-0000000b0009", "robots");
    Organisation::cloud("c0470500-5e1f-4b0a-9c3d-00000000c009", "fabrikam")
        .project(factory.repository(robots))
}

/// Runs the real binary with the real plugin and `examples/quickstart` against a fake forge: one check or, if told to
/// `run`, the daemon.
fn quickstart() -> Result<(), Box<dyn Error>> {
    let command = match std::env::args().skip(2).collect::<Vec<_>>().as_slice() {
        [] => "check",
        [run] if run == "run" => "run",
        _ => return Err("usage: dev quickstart [run]".into()),
    };
    eprintln!("building forgewatch and its plugins …");
    let built = build::workspace();
    let fake = Fake::start_blocking(World::contoso().organisation(fabrikam()));
    fake.fault(Match::any().path_contains("repositories/Tools"), Answer::e20());
    let scratch = tempfile::tempdir()?;
    let ca_file = scratch.path().join("ca.pem");
    fake.write_ca(&ca_file)?;
    let plugins = built.plugin("vsts").parent().ok_or("the plugin lies in a folder")?;

    let shown = format!("forgewatch {command} --config examples/quickstart/forgewatch.toml");
    eprintln!("a fake Azure DevOps listens on {}\n\n$ {shown}", fake.address());
    // An interrupt is for the command, and whoever started it has something to put away after it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _interrupts = {
        let _guard = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?
    };
    let status = Command::new(&built.forgewatch)
        .args([command, "--config"])
        .arg(build::root().join("examples/quickstart/forgewatch.toml"))
        .args(["--set", &format!("plugins.dirs=[{plugins:?}]")])
        .args(["--set", &format!("http.ca_file={ca_file:?}")])
        .args(["--set", &format!("http.proxy={:?}", fake.proxy_url())])
        .args(["--set", &format!("state.path={:?}", scratch.path().join("state.db"))])
        .env("CONTOSO_PAT", contoso::PAT)
        .env("FABRIKAM_PAT", contoso::EXPIRED_PAT)
        .status()?;
    match (command, status.code()) {
        ("check", Some(1)) => {
            eprintln!(
                "\nThe exit status is 1, since access to some repositories is denied. That is as it should be."
            );
            Ok(())
        }
        ("check", _) => Err(format!("the check was expected to end with status 1: {status}").into()),
        _ if status.success() => Ok(()),
        _ => Err(format!("the daemon ended with {status}").into()),
    }
}

/// Kills the worker of a long sweep again and again, for ten minutes unless told otherwise.
#[cfg(target_os = "linux")]
fn soak() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(2).collect();
    let seconds = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => 600,
        ["--minutes", minutes] => minutes.parse::<u64>()?.saturating_mul(60),
        ["--seconds", seconds] => seconds.parse()?,
        _ => return Err("usage: dev soak [--minutes N|--seconds N]".into()),
    };
    let report = forgewatch_tests::soak::soak(Duration::from_secs(seconds));
    print!("{report}");
    if report.missing() > 0 || report.left > 0 || report.zombies {
        return Err("checks without a verdict, or processes that nobody looked after: see above".into());
    }
    Ok(())
}

/// Watches the daemon over very many repositories, in good times and bad.
#[cfg(target_os = "linux")]
fn endurance() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(2);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{option}` needs a value"))?;
        match option.as_str() {
            "--repositories" => options.repositories = value.parse()?,
            "--minutes" => options.duration = Duration::from_secs(value.parse::<u64>()?.saturating_mul(60)),
            "--seconds" => options.duration = Duration::from_secs(value.parse()?),
            "--interval" => options.interval = value,
            "--phases" => options.phases = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            _ => {
                let usage = "usage: dev endurance [--repositories N] [--minutes N|--seconds N] [--interval 5m] \
                             [--phases start,steady,revoke,reload,kill,stop]";
                return Err(usage.into());
            }
        }
    }
    let report = forgewatch_tests::endurance::endurance(&options);
    print!("{report}");
    if report.wrong.is_empty() {
        Ok(())
    } else {
        Err("something was lost, repeated or not told: see above".into())
    }
}

/// Has other people's tools judge what the daemon answers.
#[cfg(target_os = "linux")]
fn contract() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(2).collect();
    let examples = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => 100,
        ["--examples", examples] => examples.parse()?,
        _ => return Err("usage: dev contract [--examples N]".into()),
    };
    let findings = forgewatch_tests::contract::contract(examples, |finding| println!("{finding}"))?;
    if findings.iter().all(|finding| finding.passed) {
        Ok(())
    } else {
        Err("what the daemon answers is not what it says: see above".into())
    }
}

/// Has a browser take pictures of all pages, and tells how soon the overview comes.
#[cfg(target_os = "linux")]
fn screenshots() -> Result<(), Box<dyn Error>> {
    let mut options = forgewatch_tests::screenshots::Options::default();
    let mut arguments = std::env::args().skip(2);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{option}` needs a value"))?;
        match option.as_str() {
            "--repositories" => options.repositories = value.parse()?,
            "--out" => options.out = value.into(),
            _ => return Err("usage: dev screenshots [--repositories N] [--out DIR]".into()),
        }
    }
    print!("{}", forgewatch_tests::screenshots::screenshots(&options)?);
    Ok(())
}

/// Freezes ABI 1 as it is now: plugin-api's sources for the old provider and the old host, and the description that
/// today's types are compared with. Never again after the first release.
fn renew_baseline() -> Result<(), Box<dyn Error>> {
    let (current, workspace) = (build::root().join("plugin-api"), build::root().join("tests/fixtures/abi-1"));
    let frozen = workspace.join("plugin-api");
    if frozen.exists() {
        fs::remove_dir_all(&frozen)?;
    }
    copy_folder(&current.join("src"), &frozen.join("src"))?;
    for name in ["Cargo.toml", "README.md"] {
        fs::copy(current.join(name), frozen.join(name))?;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = workspace.join("Cargo.toml");
    let locked =
        Command::new(cargo).args(["update", "--workspace", "--manifest-path"]).arg(&manifest).status()?;
    if !locked.success() {
        let manifest = manifest.display();
        return Err(
            format!("cargo cannot resolve {manifest}: a dependency may be missing in its table").into()
        );
    }
    fs::write(abi::golden_file(), described()?)?;
    eprintln!("the baseline of ABI 1 is what `git diff` shows: say in CHANGELOG.md why it was renewed");
    Ok(())
}

/// ABI 1 as this workspace has it.
fn described() -> Result<String, Box<dyn Error>> {
    Ok(abi::describe(&fs::read(build::workspace().plugin("vsts"))?))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
