//! A sweep over 100,000 repositories in 100 projects, asked for by project, beside the same sweep one by one: the real
//! binary and the real plugin, plain HTTP on loopback. The verdicts of both have to be the same.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::sandbox::Sandbox;

use crate::end_to_end::sandbox;
use crate::report::{Row, median, ratio};

const PROJECTS: usize = 100;
const EACH: usize = 1_000;
const RUNS: usize = 3;
/// Of every hundred repositories one is switched off and one hidden.
const ODD: usize = 100;

type Verdicts = BTreeMap<String, String>;

struct Swept {
    milliseconds: f64,
    requests: u64,
    verdicts: Verdicts,
}

pub(crate) fn measure() -> Result<Vec<Row>, Box<dyn Error>> {
    let mut world = World::large(PROJECTS, EACH);
    for repository in
        world.organisations.iter_mut().flat_map(|it| &mut it.projects).flat_map(|it| &mut it.repositories)
    {
        let number: usize = repository.name.trim_start_matches("repository-").parse()?;
        repository.disabled = number % ODD == 1;
        repository.readers = (number % ODD == 2).then(Vec::new);
    }
    let fake = Fake::start_blocking(world);
    fake.record(false);
    let together = sandbox(&fake, "process", PROJECTS, EACH);
    let mut one_by_one = sandbox(&fake, "process", PROJECTS, EACH);
    one_by_one.ask_one_by_one();
    let (mut times, mut requests, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..=RUNS {
        let start = Instant::now();
        let fast = sweep(&together, &fake)?;
        let whole = start.elapsed().as_secs_f64() * 1e3;
        let slow = sweep(&one_by_one, &fake)?;
        if fast.verdicts != slow.verdicts {
            return Err("a batch gave another verdict than a check did".into());
        }
        if run > 0 {
            times.push((fast.milliseconds, slow.milliseconds));
            requests.push((fast.requests as f64, slow.requests as f64));
            wholes.push((whole, fast.milliseconds));
        }
    }
    let row = |work: &str, unit, reference_name, pairs: &[(f64, f64)], wanted| Row {
        work: format!("{} repositories in {PROJECTS} projects, {work}", PROJECTS * EACH),
        unit,
        measured: median(pairs.iter().map(|pair| pair.0).collect()),
        reference_name,
        reference: median(pairs.iter().map(|pair| pair.1).collect()),
        ratio: ratio(pairs),
        wanted,
    };
    let saved = [(daemon(&together)?, median(times.iter().map(|pair| pair.0).collect()))];
    Ok(vec![
        row("sweep", "ms", "one by one", &times, "<= 1500 ms"),
        row("requests", "requests", "one by one", &requests, "<= 0.01"),
        row("whole process", "ms", "its sweep alone", &wholes, "report"),
        row("daemon until all are saved", "ms", "a sweep alone", &saved, "report"),
    ])
}

/// One sweep, by its own account; reading the configuration is not counted.
fn sweep(sandbox: &Sandbox, fake: &Fake) -> Result<Swept, Box<dyn Error>> {
    let before = fake.counters().requests();
    let document = sandbox.run(&["check", "--format", "json"]).exits(1).json();
    let results = document["results"].as_array().ok_or("the document has results")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let verdicts = results.iter().map(|result| (text(&result["repository"]), text(&result["reason"])));
    Ok(Swept {
        milliseconds: document["duration_ms"].as_f64().ok_or("the document has a duration")?,
        requests: fake.counters().requests() - before,
        verdicts: verdicts.collect(),
    })
}

/// Milliseconds from a daemon's readiness until the verdicts of all have been written down.
fn daemon(sandbox: &Sandbox) -> Result<f64, Box<dyn Error>> {
    let config = std::fs::read_to_string(sandbox.path("forgewatch.toml"))?;
    sandbox.write(
        "forgewatch.toml",
        format!("api.listen = \"127.0.0.1:0\"\ndefaults.interval = \"1h\"\n{config}"),
    );
    let daemon = Daemon::start(sandbox);
    let start = Instant::now();
    let granted = PROJECTS * EACH / ODD * (ODD - 2);
    daemon.until_confirmed(granted, "granted");
    let took = start.elapsed().as_secs_f64() * 1e3;
    daemon.stop();
    Ok(took)
}
