use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use forgewatch_plugin_api::abi::LogRecord;
use forgewatch_plugin_api::{Attributes, Host, Reason, Request};
use tracing_subscriber::fmt::MakeWriter;

use super::server::{Server, answer};
use super::*;
use crate::services::call::{self, CallRecord, Seen};
use crate::services::for_plugin;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_plugins_requests_carry_the_identity_and_are_noted() {
    let server = Server::start(|request, _| {
        let authorization = request.lines().find(|line| line.starts_with("authorization: ")).unwrap();
        let echo = [format!("x-echo: {authorization}"), format!("x-{TOKEN}: 1")];
        answer(200, &echo.each_ref().map(String::as_str), format!("you sent {authorization}"))
    })
    .await;
    let fixture = Fixture::new();
    let integration = fixture.integration(&server.url(""), pat());
    let host = Host::new(integration.host_object());
    let record = Arc::new(CallRecord::default());
    let response =
        call::scope(Arc::clone(&record), host.http(authenticated(&server.url("x")))).await.unwrap();
    assert_eq!(response.text(), Some("you sent authorization: Bearer ***"));
    assert_eq!(response.header("x-echo"), Some("authorization: Bearer ***"));
    assert_eq!(response.header("x-***"), Some("1"));
    assert!(server.requests()[0].contains(&format!("authorization: Bearer {TOKEN}\r\n")));
    assert_eq!((record.seen().http_status, record.seen().requests), (Some(200), 1));

    host.http(authenticated(&server.url("x"))).await.unwrap();
    assert_eq!(record.seen().requests, 1);
    assert_eq!(host.query_extension("anything"), None);
    assert!(
        host.call_extension("anything", Vec::new()).await.unwrap_err().attribute("unsupported").is_some()
    );
}

#[tokio::test]
async fn a_plugin_sleeps_without_asking_anybody() {
    let host = Host::new(Fixture::new().integration("https://acme.example/", None).host_object());
    assert_eq!(host.query_extension("sleep"), Some(1));
    let record = Arc::new(CallRecord::default());
    let start = Instant::now();
    let time = Duration::from_millis(20);
    call::scope(Arc::clone(&record), host.sleep(time)).await.unwrap();
    assert!(start.elapsed() >= time);
    assert_eq!(record.seen(), Seen::default());

    let failure = host.call_extension("sleep", vec![1, 2, 3]).await.unwrap_err();
    assert_eq!((failure.reason(), failure.is_unsupported()), (Reason::PLUGIN_FAILED, false));
    // Dropped before its end, it is over.
    let sleep = host.sleep(Duration::from_secs(60));
    assert!(tokio::time::timeout(Duration::from_millis(1), sleep).await.is_err());
}

#[tokio::test]
async fn without_an_integration_there_is_only_the_log_and_the_time() {
    let host = Host::new(for_plugin("vsts"));
    assert!(host.http(Request::get("https://acme.example/")).await.unwrap_err().is_refused());
    assert!(host.save_metadata("name", "value").await.unwrap_err().is_refused());
    assert!(host.now().elapsed().unwrap().as_secs() < 60);
}

#[test]
fn a_plugins_log_comes_out_as_the_hosts() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        let _span = tracing::info_span!("check", repository = "web").entered();
        let host = for_plugin("vsts");
        host.log(LogRecord {
            level: 2,
            target: "forgewatch_vsts".into(),
            message: "odd\x1b[31m\nanswer".into(),
            fields: Attributes::from_iter([("status", "404"), ("code", "a\u{202e}b")]),
        });
    });
    let text = log.text();
    for part in [
        " WARN ",
        "check{repository=\"web\"}",
        " plugin: ",
        "odd\\u{1b}[31m\\nanswer",
        "plugin=\"vsts\"",
        "origin=forgewatch_vsts",
        "fields=status=404 code=a\\u{202e}b",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_panic_of_the_hosts_own_becomes_a_failure() {
    // Outside of a runtime with timers the client panics; inside the plugin's poll that must not unwind.
    let server = Server::start(|_, _| answer(200, &[], "")).await;
    let integration = Fixture::new().integration(&server.url(""), None);
    let host = Host::new(integration.host_object());
    let url = server.url("x");
    let answer =
        std::thread::spawn(move || futures_util::FutureExt::now_or_never(host.http(Request::get(url))));
    let failure = answer.join().unwrap().unwrap().unwrap_err();
    assert_eq!(failure.reason(), Reason::PLUGIN_FAILED);
}
