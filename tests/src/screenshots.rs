//! Pictures of every page over very many repositories, and how soon the first byte of the overview comes.
//!
//! Times are shown and never judged, since they are this machine's; the forge runs in this process.

use std::error::Error;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{COOKIE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::browser::{Browser, Look};
use crate::build;
use crate::figures::Series;
use crate::gallery::{Gallery, OPERATE};

/// How often the overview is asked for, over one connection and over new ones.
const REQUESTS: usize = 50;
/// Requests before those that count.
const WARM: usize = 5;
/// How long one of them may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What to look at.
pub struct Options {
    /// Repositories beside the special ones.
    pub repositories: usize,
    /// Where pictures go.
    pub out: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { repositories: 100_000, out: build::root().join("target/screenshots") }
    }
}

/// What came of it.
pub struct Report {
    repositories: usize,
    pictures: usize,
    out: PathBuf,
    kept: Series,
    new: Series,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} pictures in {}", self.pictures, self.out.display())?;
        let profile =
            if cfg!(debug_assertions) { "debug (`--release` is several times faster)" } else { "release" };
        writeln!(f, "first byte of `/` over {} repositories, in ms, {profile}:", self.repositories)?;
        for (connections, times) in [("one connection", &self.kept), ("new connections", &self.new)] {
            writeln!(f, "  {REQUESTS} over {connections}: {}", times.tail())?;
        }
        Ok(())
    }
}

/// Takes the pictures and the times.
///
/// # Errors
/// A file cannot be written, or the overview is not shown.
///
/// # Panics
/// If there is no browser, or the daemon never comes to what there is to see.
pub fn screenshots(options: &Options) -> Result<Report, Box<dyn Error>> {
    fs::create_dir_all(&options.out)?;
    let gallery = Gallery::open(options.repositories);
    gallery.until_stale();
    let browser = Browser::start();
    let mut pictures = 0;
    for look in Look::ALL {
        browser.look(look);
        browser.forget();
        for page in gallery.pages() {
            if page.is_for_members && browser.cookies().is_empty() {
                gallery.log_in(&browser, OPERATE);
            }
            if let Some(complaint) = page.complaint {
                browser.expect(complaint);
            }
            browser.open(&gallery.url(&page.path));
            let name = format!("{}-{}-{}.png", page.name, look.width, look.scheme());
            fs::write(options.out.join(name), browser.screenshot())?;
            pictures += 1;
        }
    }
    let cookies = browser.cookies();
    let (address, runtime) = (gallery.daemon().address(), Runtime::new()?);
    let kept = runtime.block_on(times(address, &cookies, true))?;
    let new = runtime.block_on(times(address, &cookies, false))?;
    let (repositories, out) = (options.repositories, options.out.clone());
    Ok(Report { repositories, pictures, out, kept, new })
}

/// Milliseconds until the first byte of the overview, opening the connection included where each has its own.
async fn times(address: SocketAddr, cookies: &str, keep: bool) -> Result<Series, Box<dyn Error>> {
    let mut kept = if keep { Some(connect(address).await?) } else { None };
    let mut times = Series::default();
    for nth in 0..WARM + REQUESTS {
        let start = Instant::now();
        let took = timeout(LIMIT, async {
            match &mut kept {
                Some(sender) => first_byte(sender, address, cookies, start).await,
                None => first_byte(&mut connect(address).await?, address, cookies, start).await,
            }
        });
        let took = took.await??;
        if nth >= WARM {
            times.push(took.as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, Box<dyn Error>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// When the answer began; all of it is read.
async fn first_byte(
    sender: &mut SendRequest<Empty<Bytes>>,
    address: SocketAddr,
    cookies: &str,
    start: Instant,
) -> Result<Duration, Box<dyn Error>> {
    sender.ready().await?;
    let request = Request::get("/").header(HOST, address.to_string()).header(COOKIE, cookies);
    let answer = sender.send_request(request.body(Empty::new())?).await?;
    let took = start.elapsed();
    if answer.status() != StatusCode::OK {
        return Err(format!("the overview is not shown: {}", answer.status()).into());
    }
    answer.into_body().collect().await?;
    Ok(took)
}
