//! The host asks providers and clients for extensions: one that has them, and an old one that has none.

use std::path::Path;
use std::time::Duration;

use forgewatch::plugins::{Room, SealedLibrary, WorkerSettings, open_in};
use forgewatch::services::for_plugin;
use forgewatch_plugin_api::Integration;
use forgewatch_tests::build;

/// Opens a library in both rooms, one after the other, and hands each provider to `look`.
async fn in_both_rooms(library: &Path, look: impl AsyncFn(&forgewatch::plugins::Provider)) {
    let program = build::workspace().forgewatch.clone();
    let settings = WorkerSettings { program, require_sandbox: false, stall: Duration::from_secs(5) };
    for room in [Room::InProcess, Room::Worker(settings)] {
        let library = SealedLibrary::of(library, None).expect("a plugin");
        let provider = open_in(room, library, None, for_plugin("test")).expect("it opens");
        look(&provider).await;
        provider.close().await;
    }
}

#[tokio::test]
async fn an_extension_that_is_there_is_called() {
    in_both_rooms(build::misbehaving(), async |provider| {
        assert_eq!(provider.query_extension("echo").await, Ok(Some(3)));
        assert_eq!(provider.query_extension("nothing").await, Ok(None));
        let answer = provider.call_extension(for_plugin("test"), "echo", b"to all ").await;
        assert_eq!(answer, Ok(b"to all \0".to_vec()));
        let failure = provider.call_extension(for_plugin("test"), "panic", b"").await.unwrap_err();
        assert!(failure.detail().contains("panic in call_extension"), "{failure}");
        let describe = || Integration::new("one", "https://misbehaving.example/");
        let client = provider.get_client(for_plugin("test"), describe).await.expect("a client");
        assert_eq!(client.query_extension("echo").await, Ok(Some(3)));
        let answer = client.call_extension(for_plugin("test"), "echo", b"to one ").await;
        assert_eq!(answer, Ok(b"to one \x01".to_vec()));
    })
    .await;
}

#[tokio::test]
async fn an_old_plugin_lacks_it_and_says_so() {
    in_both_rooms(&build::baseline().provider, async |provider| {
        assert_eq!(provider.query_extension("list_repositories").await, Ok(None));
        let answer = provider.call_extension(for_plugin("test"), "list_repositories", b"").await;
        assert!(answer.is_err_and(|failure| failure.is_unsupported()));
    })
    .await;
}
