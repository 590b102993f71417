//! Checks of single repositories from end to end, over plain HTTP on loopback: the real binary and the real plugin,
//! beside a bare reqwest loop that sends the same requests, and beside prometheus-blackbox-exporter.

use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use forgewatch_tests::fake::{Fake, World, contoso};
use forgewatch_tests::sandbox::Sandbox;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::report::{Row, median, ratio};

/// Argument that makes this program a reference load.
pub(crate) const LOAD: &str = "--load";
const PROJECTS: usize = 100;
const REPOSITORIES: usize = 20_000;
const PROBES: usize = 2_000;
const CONCURRENCY: usize = 64;
const RUNS: usize = 5;
/// What the plugin sends, so that the server has the same to do.
const HEADERS: [(&str, &str); 5] = [
    ("Accept", "application/json;api-version=7.1"),
    ("Content-Type", "application/json"),
    ("X-HTTP-Method-Override", "GET"),
    ("X-TFS-FedAuthRedirect", "Suppress"),
    ("X-VSS-ForceMsaPassThrough", "true"),
];

/// Where plugins run, as the configuration names it and in words, and what is wanted beside the loop and the exporter.
const ROOMS: [(&str, &str, &str, &str); 2] =
    [("in_process", "in process", ">= 0.75", ">= 8"), ("process", "in a worker", ">= 0.45", "report")];

pub(crate) fn measure() -> Result<Vec<Row>, Box<dyn Error>> {
    let fake = Fake::start_blocking(World::large(PROJECTS, REPOSITORIES / PROJECTS));
    fake.record(false);
    let sandboxes = ROOMS.map(|(isolation, ..)| {
        let mut sandbox = sandbox(&fake, isolation, PROJECTS, REPOSITORIES / PROJECTS);
        sandbox.ask_one_by_one();
        sandbox
    });
    let urls = sandboxes[0].write("urls", urls(&fake).join("\n"));
    let mut pairs = [const { Vec::new() }; ROOMS.len()];
    // The first pairs warm everything up.
    for run in 0..=RUNS {
        for (sandbox, pairs) in sandboxes.iter().zip(&mut pairs) {
            let pair = (check(sandbox)?, load(&urls)?);
            if run > 0 {
                pairs.push(pair);
            }
        }
    }
    let probed = blackbox(&fake, &sandboxes[0])?;
    if probed.is_none() {
        println!("prometheus-blackbox-exporter is not installed: its rows are skipped");
    }
    let mut rows = Vec::new();
    for ((_, room, wanted, wanted_of_probes), pairs) in ROOMS.into_iter().zip(pairs) {
        let row = Row {
            work: format!("checks end to end, {room}"),
            unit: "per second",
            measured: median(pairs.iter().map(|pair| pair.0).collect()),
            reference_name: "bare reqwest loop",
            reference: median(pairs.iter().map(|pair| pair.1).collect()),
            ratio: ratio(&pairs),
            wanted,
        };
        let beside_probes = probed.map(|reference| Row {
            reference_name: "blackbox_exporter",
            reference,
            ratio: row.measured / reference,
            wanted: wanted_of_probes,
            work: row.work.clone(),
            ..row
        });
        rows.push(row);
        rows.extend(beside_probes);
    }
    Ok(rows)
}

/// A sandbox that watches every repository of the world `large` over plain HTTP.
pub(crate) fn sandbox(fake: &Fake, isolation: &str, projects: usize, each: usize) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set_variable("LARGE_PAT", contoso::PAT);
    let base = fake.http_base();
    let mut config = format!(
        "[plugins]\nisolation = \"{isolation}\"\n\
         [http]\nconcurrency = {CONCURRENCY}\n\
         [providers.vsts.options]\nserver_roots = [\"{base}tfs/\"]\n\
         [identities.bot]\nkind = \"pat\"\ntoken = {{ env = \"LARGE_PAT\" }}\n\
         [integrations.large]\nprovider = \"vsts\"\ndomain_name = \"{base}tfs/large/\"\n\
         identity = \"bot\"\nallow_insecure_http = true\n"
    );
    for (project, repository) in repositories(projects, each) {
        config += &format!(
            "[repositories.r-{project}-{repository}]\nintegration = \"large\"\nproject = \"project-{project}\"\n\
             name = \"repository-{repository}\"\n"
        );
    }
    sandbox.write("forgewatch.toml", config);
    sandbox
}

fn repositories(projects: usize, each: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..projects).flat_map(move |project| (0..each).map(move |repository| (project, repository)))
}

fn urls(fake: &Fake) -> Vec<String> {
    let base = fake.http_base();
    let url = |(project, repository)| {
        format!(
            "{base}tfs/large/project-{project}/_apis/git/repositories/repository-{repository}?api-version=7.1"
        )
    };
    repositories(PROJECTS, REPOSITORIES / PROJECTS).map(url).collect()
}

/// Checks per second of one sweep, by its own account (reading the configuration is not counted).
fn check(sandbox: &Sandbox) -> Result<f64, Box<dyn Error>> {
    let document = sandbox.run(&["check", "--format", "json"]).exits(0).json();
    let milliseconds = document["duration_ms"].as_f64().ok_or("the document has a duration")?;
    Ok(REPOSITORIES as f64 / milliseconds * 1000.0)
}

/// Requests per second of the reference load over the URLs in `file`.
fn load(file: &Path) -> Result<f64, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args([LOAD, &CONCURRENCY.to_string()]).arg(file).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The reference load: sends a GET to each URL in `file`, expects 200, and prints the requests per second.
pub(crate) fn run_load(concurrency: usize, file: &Path) -> Result<(), Box<dyn Error>> {
    let urls: Arc<[String]> = std::fs::read_to_string(file)?.lines().map(ToOwned::to_owned).collect();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let total = urls.len();
    let start = Instant::now();
    runtime.block_on(async {
        let next = Arc::new(AtomicUsize::new(0));
        let workers = (0..concurrency).map(|_| {
            let (client, urls, next) = (client.clone(), Arc::clone(&urls), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request =
                        HEADERS.iter().fold(client.get(url), |it, (name, value)| it.header(*name, *value));
                    let answer = request.basic_auth("", Some(contoso::PAT)).send().await?;
                    answer.error_for_status()?.bytes().await?;
                }
                Ok::<_, reqwest::Error>(())
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await??;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    println!("{}", total as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

/// Ends a process when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Probes per second through prometheus-blackbox-exporter, where it is installed.
fn blackbox(fake: &Fake, sandbox: &Sandbox) -> Result<Option<f64>, Box<dyn Error>> {
    let config = sandbox.write(
        "blackbox.yml",
        format!(
            "modules:\n  repository:\n    prober: http\n    timeout: 10s\n    http:\n      \
             basic_auth:\n        username: bot\n        password: {}\n",
            contoso::PAT
        ),
    );
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let started = Command::new("prometheus-blackbox-exporter")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.listen-address={address}"))
        .args(["--log.level=error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(process) = started else { return Ok(None) };
    let _process = Ended(process);
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err("prometheus-blackbox-exporter does not listen".into());
        }
        std::thread::yield_now();
    }
    let probe = |url: &String| {
        let target = utf8_percent_encode(url, NON_ALPHANUMERIC);
        format!("http://{address}/probe?module=repository&target={target}")
    };
    let probes: Vec<String> = urls(fake).iter().take(PROBES).map(probe).collect();
    let file = sandbox.write("probes", probes.join("\n"));
    let rates = (0..RUNS).map(|_| load(&file)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(median(rates)))
}
