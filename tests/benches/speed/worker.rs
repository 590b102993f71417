//! What crossing into a worker process costs: a check with one host call that answers at once, beside as many bare
//! round trips over a socket pair with a process that does nothing but echo.
//!
//! Both processes are pinned: to one core, or each to its own. The thread that measures begins on the worker's core,
//! where everything that it starts stays when it moves.

use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use forgewatch::plugins::{Client, Provider, Room, SealedLibrary, WorkerSettings, open_in};
use forgewatch_plugin_api::{Integration, Repository};
use forgewatch_tests::build;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::boundary::stub;
use crate::report::{Row, median, ratio};

/// Argument that makes this program the echoing process.
pub(crate) const ECHO: &str = "--echo";
/// About what a call and its answers take.
const FRAME_BYTES: usize = 48;
const CALLS: usize = 8192;
const RUNS: usize = 9;
const STARTS: usize = 9;
/// How many calls are under way at once, and what is wanted of their median and of the slowest in a hundred.
const BATCHES: [(usize, &str, &str); 4] = [
    (1, "<= 1.3 of it", "report"),
    (8, "report", "report"),
    (64, "<= 2500 ns", "report"),
    (256, "<= 2500 ns", "report"),
];

/// Nanoseconds for each call of a batch, batch by batch.
type Batches = Vec<f64>;

pub(crate) fn measure() -> Result<Vec<Row>, Box<dyn Error>> {
    let allowed = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let near = cores.next().ok_or("there is no core to run on")?;
    let far = cores.next();
    pin(near)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let mut rows = vec![starts().await?];
        let (_provider, client) = worker().await?;
        let mut echo = Echo::start()?;
        rows.extend(on("one core", &client, &mut echo).await?);
        match far {
            Some(far) => {
                pin(far)?;
                rows.extend(on("two cores", &client, &mut echo).await?);
            }
            None => println!("there is one core: the rows for two are skipped"),
        }
        Ok::<_, Box<dyn Error>>(rows)
    });
    sched_setaffinity(None, &allowed)?;
    rows
}

fn pin(core: usize) -> rustix::io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)
}

/// A provider in a worker, and a client that it has answered for once.
async fn worker() -> Result<(Provider, Client), Box<dyn Error>> {
    let settings = WorkerSettings {
        program: build::workspace().forgewatch.clone(),
        require_sandbox: false,
        stall: Duration::from_secs(10),
    };
    let library = SealedLibrary::of(build::misbehaving(), None)?;
    let provider = open_in(Room::Worker(settings), library, None, stub())?;
    let integration = || Integration::new("acme", "https://misbehaving.example/");
    let client = provider.get_client(stub(), integration).await?;
    client.has_repo_access(&Repository::new("well-behaved")).await?;
    Ok((provider, client))
}

/// How long it takes until a new worker has answered, beside a bare process.
async fn starts() -> Result<Row, Box<dyn Error>> {
    // The first one builds what it needs.
    worker().await?;
    let mut pairs = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let worker = worker().await?;
        let measured = microseconds(start);
        drop(worker);
        let start = Instant::now();
        Echo::start()?.batches(1, 1).await?;
        pairs.push((measured, microseconds(start)));
    }
    Ok(Row {
        work: "worker, start to first answer".to_owned(),
        unit: "us",
        measured: median(pairs.iter().map(|pair| pair.0).collect()),
        reference_name: "a process that echoes",
        reference: median(pairs.iter().map(|pair| pair.1).collect()),
        ratio: ratio(&pairs),
        wanted: "report",
    })
}

fn microseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

async fn on(cores: &str, client: &Client, echo: &mut Echo) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for (in_flight, wanted, wanted_p99) in BATCHES {
        let (mut medians, mut tails) = (Vec::new(), Vec::new());
        // The first pair warms both up.
        for run in 0..=RUNS {
            let calls = batches(client, in_flight).await?;
            let trips = echo.batches(in_flight, CALLS / in_flight).await?;
            if run > 0 {
                medians.push((quantile(&calls, 0.5), quantile(&trips, 0.5)));
                tails.push((quantile(&calls, 0.99), quantile(&trips, 0.99)));
            }
        }
        for (name, pairs, wanted) in [("p50", medians, wanted), ("p99", tails, wanted_p99)] {
            rows.push(Row {
                work: format!("has_repo_access in a worker, {cores}, {in_flight:3} at once, {name}"),
                unit: "ns",
                measured: median(pairs.iter().map(|pair| pair.0).collect()),
                reference_name: "two socket-pair round trips",
                reference: median(pairs.iter().map(|pair| pair.1).collect()),
                ratio: ratio(&pairs),
                wanted,
            });
        }
    }
    Ok(rows)
}

async fn batches(client: &Client, in_flight: usize) -> Result<Batches, Box<dyn Error>> {
    let repository = Repository::new("well-behaved");
    let mut batches = Vec::new();
    for _ in 0..CALLS / in_flight {
        let start = Instant::now();
        if in_flight == 1 {
            client.has_repo_access(&repository).await?;
        } else {
            let calls = (0..in_flight).map(|_| client.has_repo_access(&repository));
            calls.collect::<FuturesUnordered<_>>().try_for_each(async |_| Ok(())).await?;
        }
        batches.push(start.elapsed().as_nanos() as f64 / in_flight as f64);
    }
    Ok(batches)
}

fn quantile(batches: &Batches, part: f64) -> f64 {
    let mut sorted = batches.clone();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// A process that sends back what it gets. Ends when it is dropped.
struct Echo {
    process: Child,
    socket: UnixStream,
}

impl Echo {
    fn start() -> Result<Self, Box<dyn Error>> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let process =
            Command::new(std::env::current_exe()?).arg(ECHO).stdin(OwnedFd::from(theirs)).spawn()?;
        Ok(Self { process, socket: UnixStream::from_std(ours)? })
    }

    /// Sends the frames of `in_flight` calls at once and takes them back, twice, as a call and its host call do.
    async fn batches(&mut self, in_flight: usize, count: usize) -> Result<Batches, Box<dyn Error>> {
        let mut frames = vec![7; FRAME_BYTES * in_flight];
        let mut batches = Vec::new();
        for _ in 0..count {
            let start = Instant::now();
            for _ in 0..2 {
                self.socket.write_all(&frames).await?;
                self.socket.read_exact(&mut frames).await?;
            }
            batches.push(start.elapsed().as_nanos() as f64 / in_flight as f64);
        }
        Ok(batches)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The echoing process.
pub(crate) fn run_echo() -> Result<(), Box<dyn Error>> {
    let mut socket = std::os::unix::net::UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut frames = vec![0; 64 << 10];
    loop {
        match socket.read(&mut frames)? {
            0 => return Ok(()),
            length => socket.write_all(&frames[..length])?,
        }
    }
}
