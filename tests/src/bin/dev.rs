//! Commands for developers, behind cargo's aliases.

use std::error::Error;
use std::process::{Command, ExitCode};

use forgewatch_tests::build;
use forgewatch_tests::fake::{Answer, Fake, Match, Organisation, Project, Repository, World, contoso};

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("quickstart") => quickstart(),
        _ => Err("usage: dev quickstart".into()),
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

/// Runs the real binary with the real plugin and `examples/quickstart` against a fake forge.
fn quickstart() -> Result<(), Box<dyn Error>> {
    eprintln!("building forgewatch and its plugins …");
    let built = build::workspace();
    let fake = Fake::start_blocking(World::contoso().organisation(fabrikam()));
    fake.fault(Match::any().path_contains("repositories/Tools"), Answer::e20());
    let scratch = tempfile::tempdir()?;
    let ca_file = scratch.path().join("ca.pem");
    fake.write_ca(&ca_file)?;
    let plugins = built.plugin("vsts").parent().ok_or("the plugin lies in a folder")?;

    let shown = "forgewatch check --config examples/quickstart/forgewatch.toml";
    eprintln!("a fake Azure DevOps listens on {}\n\n$ {shown}", fake.address());
    let status = Command::new(&built.forgewatch)
        .args(["check", "--config"])
        .arg(build::root().join("examples/quickstart/forgewatch.toml"))
        .args(["--set", &format!("plugins.dirs=[{plugins:?}]")])
        .args(["--set", &format!("http.ca_file={ca_file:?}")])
        .args(["--set", &format!("http.proxy={:?}", fake.proxy_url())])
        .args(["--set", &format!("state.path={:?}", scratch.path().join("state.db"))])
        .env("CONTOSO_PAT", contoso::PAT)
        .env("FABRIKAM_PAT", contoso::EXPIRED_PAT)
        .status()?;
    match status.code() {
        Some(1) => {
            eprintln!(
                "\nThe exit status is 1, since access to some repositories is denied. That is as it should be."
            );
            Ok(())
        }
        _ => Err(format!("the check was expected to end with status 1: {status}").into()),
    }
}
