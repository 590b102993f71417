//! A worker that ends while it writes.

use std::time::Duration;

use forgewatch_plugin_api::{NewIssue, Reason};
use forgewatch_tests::fake::{Answer, Fake, Match, World};
use forgewatch_tests::process::{Process, wait_for};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::{ALLOWED, OTHER_KEY, assert_fails, in_worker_of};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_twice_when_a_worker_ends() {
    let desk = in_worker_of(OTHER_KEY, Fake::start(World::contoso()).await, ALLOWED).await;
    let released = CancellationToken::new();
    let held = Answer::from_world().held_until(released.clone());
    desk.fake.fault(Match::any().path_contains("/wit/workitems"), held);
    let killing = async {
        let is_asked = || {
            let asked = |request: &forgewatch_tests::fake::Recorded| request.method == "POST";
            (!desk.fake.requests_to(asked).is_empty()).then_some(())
        };
        tokio::task::block_in_place(|| wait_for("the request", is_asked));
        let workers = Process::own().workers(OTHER_KEY);
        assert_eq!(workers.len(), 1);
        assert!(workers[0].signal(Signal::KILL));
    };
    let new = NewIssue::new("Web Shop", "Bug", "x");
    let creating = desk.client.create_issue(desk.host(), &new);
    let limited = tokio::time::timeout(Duration::from_secs(30), creating);
    let (created, ()) = tokio::join!(limited, killing);
    let parts = ["ended while it changed something", "it is not repeated"];
    assert_fails(created.expect("it ends"), Reason::PLUGIN_FAILED, &parts);
    released.cancel();
    desk.provider().ready().await.expect("another worker");
    let posts = desk.asked().iter().filter(|asked| asked.starts_with("POST")).count();
    assert_eq!(posts, 1);
    // What only reads goes on.
    desk.fake.clear_faults();
    assert!(desk.client.issue_states(desk.host(), "Web Shop", "Bug").await.is_ok());
    desk.provider().close().await;
}
