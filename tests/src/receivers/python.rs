//! What is written in Python, since there it has the libraries that judge our work: `tests/requirements.txt`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use super::Received;
use crate::build;

/// A script of `tests/python`, not started yet.
///
/// # Panics
/// If what it needs is not installed.
#[track_caller]
pub(super) fn script(name: &str) -> Command {
    let root = build::root();
    let python: PathBuf = root.join("target/python/bin/python3");
    let mut command = Command::new(&python);
    command.arg(root.join("tests/python").join(name));
    assert!(
        python.is_file(),
        "there is no {}: install python3 and its venv module, then run `python3 -m venv target/python && \
         target/python/bin/pip install --require-hashes -r tests/requirements.txt` in the repository",
        python.display()
    );
    command
}

/// Whether a request carries a signature with this secret that Standard Webhooks' own library accepts.
///
/// # Panics
/// If that cannot be asked.
#[track_caller]
pub fn is_well_signed(request: &Received, secret: &str) -> bool {
    let headers: serde_json::Map<_, _> =
        request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let sent = json!({ "secret": secret, "headers": headers, "body": request.body }).to_string();
    let mut command = script("verify_webhook.py");
    let mut child =
        command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("python can be started");
    child.stdin.take().expect("it is piped").write_all(sent.as_bytes()).expect("it reads");
    child.wait().expect("it ends").success()
}
