//! A mail server: aiosmtpd with a script of ours around it, `tests/python/mail_server.py`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Certified;
use super::python::script;
use crate::process::wait_for;

/// How a mail server is to be.
#[derive(Default)]
pub struct MailSettings<'a> {
    /// `starttls`, `implicit`, or `none` if it is empty.
    pub tls: &'a str,
    /// Its certificate, where it has TLS.
    pub certified: Option<&'a Certified>,
    /// Who has to sign in, and the password.
    pub account: Option<(&'a str, &'a str)>,
    /// Recipients that it refuses, and the answers.
    pub refused: &'a [(&'a str, &'a str)],
    /// What becomes of the first connections.
    pub steps: &'a [Option<Step>],
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    /// `connect`, `mail` or `data`.
    pub at: &'static str,
    /// A line, `hang up` or `silence`.
    pub answer: &'static str,
}

/// A mail as it came, taken apart by Python's parser.
#[derive(Clone, Debug, Deserialize)]
pub struct Mail {
    /// The sender in the envelope.
    pub from: String,
    /// The recipients in the envelope.
    pub to: Vec<String>,
    /// Who had signed in.
    pub user: Option<String>,
    /// Whether the connection had TLS.
    pub encrypted: bool,
    /// Every header, decoded.
    pub headers: Vec<(String, String)>,
    /// What the parser finds wrong with it.
    pub defects: Vec<String>,
    /// The type of its content.
    #[serde(rename = "type")]
    pub content_type: String,
    /// Whether it has several parts.
    pub multipart: bool,
    /// The text, decoded.
    pub body: String,
    /// All of it as it came.
    pub raw: String,
}

impl Mail {
    /// The only header of this name.
    ///
    /// # Panics
    /// If there are several.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found: Vec<_> =
            self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).collect();
        assert!(found.len() < 2, "{found:?}");
        found.first().map(|(_, value)| value.as_str())
    }
}

/// A running mail server.
pub struct MailServer {
    child: Child,
    port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl MailServer {
    /// Starts one.
    ///
    /// # Panics
    /// If it cannot be started, as everywhere in here.
    #[track_caller]
    pub fn start(settings: &MailSettings<'_>) -> Self {
        let refused: BTreeMap<_, _> = settings.refused.iter().copied().collect();
        let file = |path: fn(&Certified) -> std::path::PathBuf| settings.certified.map(path);
        let argument = json!({
            "tls": if settings.tls.is_empty() { "none" } else { settings.tls },
            "certificate": file(Certified::certificate_file),
            "key": file(Certified::key_file),
            "username": settings.account.map(|(username, _)| username),
            "password": settings.account.map(|(_, password)| password),
            "refused": refused,
            "steps": settings.steps,
        });
        let mut command = script("mail_server.py");
        command.arg(argument.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let first = lines.next().and_then(Result::ok).expect("it says where it is");
        let first: Value = serde_json::from_str(&first).expect("it speaks JSON");
        let port = first["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        let mails = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&mails);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mail = serde_json::from_str(&line).expect("it speaks JSON");
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
            }
        });
        Self { child, port, mails }
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What came so far, in order.
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for so many mails, and gives all of them.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Mail> {
        wait_for(&format!("{count} mails"), || Some(self.mails()).filter(|it| it.len() >= count))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
