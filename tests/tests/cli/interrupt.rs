//! Interrupted sweeps: what is known is printed, at once, and the exit status says so.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use forgewatch_tests::fake::{Answer, Fake, Match, World, contoso};
use forgewatch_tests::sandbox::Sandbox;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{CONTOSO, assert_has, contoso_sandbox};

/// Far less than what is being waited for would take.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Checked in this order; the third one's answer never comes.
const REPOSITORIES: &str = r#"
check_timeout = "2m"
http.timeout = "1m"
http.concurrency = 1

[repositories]
a = { integration = "contoso", project = "Web Shop", name = "storefront" }
b = { integration = "contoso", project = "Web Shop", name = "vault" }
c = { integration = "contoso", project = "Tools", name = "Tools" }
d = { integration = "contoso", project = "Web Shop", name = "storefront" }
"#;

struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be started");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, output }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("an id");
        kill_process(Pid::from_raw(id).expect("an id"), signal).expect("it runs");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("output is text");
        line
    }

    /// Exit status, the rest of standard output, standard error, and how long that took.
    fn end(mut self) -> (Option<i32>, String, String, Duration) {
        let start = Instant::now();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.output.read_to_string(&mut stdout).expect("output is text");
        let errors = self.child.stderr.as_mut().expect("it is piped");
        errors.read_to_string(&mut stderr).expect("errors are text");
        let status = self.child.wait().expect("it ends");
        (status.code(), stdout, stderr, start.elapsed())
    }
}

fn hanging() -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::any().path_contains("repositories/Tools"), Answer::hang());
    let sandbox = contoso_sandbox(&fake);
    sandbox.write("forgewatch.toml", format!("{REPOSITORIES}{CONTOSO}"));
    (fake, sandbox)
}

#[test]
fn what_is_known_is_printed_in_every_format() {
    for (format, signal) in
        [("table", Signal::INT), ("json", Signal::TERM), ("junit", Signal::INT), ("ndjson", Signal::TERM)]
    {
        let (fake, sandbox) = hanging();
        let running = Running::start(sandbox.command(&["check", "--format", format]));
        fake.wait_for(|request| request.path.contains("repositories/Tools"));
        running.signal(signal);
        let (status, stdout, stderr, took) = running.end();
        assert_eq!(status, Some(130), "{format}: {stderr}");
        assert!(took < AT_ONCE, "{format}: {took:?}");
        assert_eq!(stderr, "interrupted: 2 of 4 repositories were checked\n", "{format}");
        match format {
            "table" => assert_has(&stdout, &["2 repositories: 1 granted, 1 denied, 0 indeterminate"]),
            "json" => {
                let report: Value = serde_json::from_str(&stdout).expect("a whole document");
                assert_eq!(report["summary"]["total"], 2);
                assert_eq!(report["results"][1]["repository"], "b");
            }
            "junit" => {
                let report = quick_junit::Report::deserialize_from_str(&stdout).expect("a whole document");
                assert_eq!((report.tests, report.failures, report.errors), (2, 1, 0));
            }
            _ => assert_eq!(stdout.lines().count(), 2, "{stdout}"),
        }
    }
}

#[test]
fn lines_come_as_each_check_ends() {
    let (_fake, sandbox) = hanging();
    let mut running = Running::start(sandbox.command(&["check", "--format", "ndjson"]));
    for name in ["a", "b"] {
        let line: Value = serde_json::from_str(&running.line()).expect("a whole line");
        assert_eq!(line["repository"], name);
    }
    running.signal(Signal::INT);
    let (status, rest, _, took) = running.end();
    assert_eq!((status, rest.as_str()), (Some(130), ""));
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn a_second_signal_ends_the_wait_for_a_refresh() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::token_endpoint(), Answer::hang());
    let mut sandbox = contoso_sandbox(&fake);
    sandbox.set_variable("REFRESH", contoso::REFRESH_TOKEN);
    sandbox.set_variable("SECRET", contoso::CLIENT_SECRET);
    let refreshed = format!(
        "[identities.app]\nkind = \"oauth2\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"SECRET\" }}\n\
         token_url = \"https://login.microsoftonline.com/common/oauth2/v2.0/token\"\n\
         refresh_token = {{ env = \"REFRESH\" }}\n\
         [integrations.app]\nprovider = \"vsts\"\ndomain_name = \"https://dev.azure.com/contoso/\"\nidentity = \"app\"\n",
        contoso::CLIENT_ID
    );
    let repositories = REPOSITORIES.replace("b = { integration = \"contoso\"", "b = { integration = \"app\"");
    sandbox.write("forgewatch.toml", format!("{repositories}{CONTOSO}{refreshed}"));
    for signals in [[Signal::INT, Signal::INT], [Signal::TERM, Signal::INT]] {
        let mut running = Running::start(sandbox.command(&["check"]));
        fake.wait_for(|request| request.path.contains("/token"));
        running.signal(signals[0]);
        // The results are out; what remains is the wait for the refresh.
        loop {
            let line = running.line();
            assert!(!line.is_empty(), "the results never came");
            if line.starts_with("1 repository: 1 granted") {
                break;
            }
        }
        running.signal(signals[1]);
        let (status, _, _, took) = running.end();
        assert_eq!(status, Some(130));
        assert!(took < AT_ONCE, "{took:?}");
        fake.take_requests();
    }
}
