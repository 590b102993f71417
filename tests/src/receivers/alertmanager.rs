//! Prometheus' Alertmanager itself, with a folder and a port of its own and no peers.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::ask;
use crate::process::wait_for;
use crate::running::Running;

/// The program, as Debian and as Prometheus name it.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// A running Alertmanager.
pub struct Alertmanager {
    address: SocketAddr,
    _running: Running,
    _dir: TempDir,
}

impl Alertmanager {
    /// Starts one that tells nobody.
    ///
    /// # Panics
    /// If it is not installed, as everywhere in here when something is wrong.
    #[track_caller]
    pub fn start() -> Self {
        Self::launch("{ name: nobody }", &[])
    }

    /// Starts one that tells a receiver of webhooks at this URL at once.
    #[track_caller]
    pub fn telling(url: &str) -> Self {
        let webhook =
            format!("{{ name: nobody, webhook_configs: [{{ url: {url:?}, send_resolved: true }}] }}");
        Self::launch(&webhook, &[])
    }

    /// Starts one whose API is below a path.
    #[track_caller]
    pub fn below(path: &str) -> Self {
        Self::launch("{ name: nobody }", &[format!("--web.route-prefix={path}")])
    }

    fn launch(receiver: &str, arguments: &[String]) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let config = dir.path().join("alertmanager.yml");
        let route = "{ receiver: nobody, group_by: ['...'], group_wait: 1ms, group_interval: 1s }";
        fs::write(&config, format!("route: {route}\nreceivers: [{receiver}]\n")).expect("a file");
        let mut command = Command::new(installed());
        command.arg("--config.file").arg(&config).arg("--storage.path").arg(dir.path());
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]).args(arguments);
        let running = Running::start(command);
        let address = wait_for("an address", || {
            let line = running.told_since("Listening on", 0)?;
            line.split_once("address=")?.1.trim().parse().ok()
        });
        Self { address, _running: running, _dir: dir }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The alerts that it shows at a path such as `/api/v2/alerts`.
    #[track_caller]
    pub fn alerts(&self, path: &str) -> Vec<Value> {
        match self.ask("GET", path, "") {
            Value::Array(alerts) => alerts,
            other => panic!("{other}"),
        }
    }

    /// Waits until it shows so many.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Value> {
        let shown = || Some(self.alerts("/api/v2/alerts")).filter(|alerts| alerts.len() == count);
        wait_for(&format!("{count} alerts"), shown)
    }

    /// Asks its API for something.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        // In this version answers come in one piece.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n",
            self.address
        );
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let answer = ask::talk(self.address, request.as_bytes()).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it speaks HTTP");
        assert!(head.contains(" 200 "), "{answer}");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("no JSON ({error}): {answer}"))
    }
}

#[track_caller]
fn installed() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = found.into_iter().find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("these tests run a real Alertmanager: install the Debian package prometheus-alertmanager")
    })
}
