//! When a plugin stays open under the next configuration, and when it is opened anew.

use std::fs;

use forgewatch::plugins::{Lock, Locked, read_plugin_file};

use super::{INTEGRATIONS, Place, install};

const LIBRARY: &str = "plugins/libforgewatch_vsts.so";

/// All that changes with the plugin itself.
fn plugin_anew() -> Vec<&'static str> {
    [&INTEGRATIONS[..], &["plugin vsts"]].concat()
}

fn in_worker() -> Place {
    let mut place = Place::new();
    place.replace("isolation = \"in_process\"", "isolation = \"process\"");
    place
        .replace("url = \"https://dev.azure.com/two/P/_git/page\"", "integration = \"two\", name = \"page\"");
    place
}

/// Locks the plugin as it is now, with one host approved or none.
fn lock(place: &Place, approved: Option<&str>) {
    let file = read_plugin_file(&place.path(LIBRARY)).expect("a plugin");
    let locked = Locked {
        sha256: file.sha256,
        version: file.manifest.version,
        file: "libforgewatch_vsts.so".to_owned(),
        approved_hosts: approved.map(|host| host.parse().expect("a host")).into_iter().collect(),
    };
    let lock = Lock { plugins: [("vsts".to_owned(), locked)].into() };
    lock.write(&place.path("forgewatch.lock")).expect("it can be written");
}

/// Has other bytes than before and works as before.
fn install_other_build(place: &Place) {
    let mut library = fs::read(place.path(LIBRARY)).expect("it is there");
    library.extend_from_slice(b"more");
    install(&place.path(LIBRARY), library);
}

#[tokio::test]
async fn another_room_needs_another_worker() {
    let mut place = in_worker();
    let mut former = place.world(None).await;
    assert!(place.anew(&former).await.1.is_empty());
    // A worker may be silent for a part of this time, and never for long.
    place.add("check_timeout = \"90s\"");
    assert!(place.anew(&former).await.1.is_empty());
    for (old, new) in [
        ("check_timeout = \"90s\"", "check_timeout = \"12s\""),
        ("isolation = \"process\"", "isolation = \"process\"\nplugins.require_sandbox = true"),
        ("isolation = \"process\"\nplugins.require_sandbox = true", "isolation = \"in_process\""),
    ] {
        place.replace(old, new);
        let (next, anew) = place.anew(&former).await;
        assert_eq!(anew, plugin_anew(), "{new}");
        former.retire(Some(&next)).await;
        former = next;
    }
    former.providers["vsts"].ready().await.expect("it runs here");
}

#[tokio::test]
async fn what_is_locked_counts_and_not_what_else_the_lock_file_says() {
    let mut place = in_worker();
    let former = place.world(None).await;
    place.add("plugins.lock_file = \"forgewatch.lock\"");
    assert!(place.prepare(Some(&former)).await.is_err());
    lock(&place, None);
    let (former, anew) = place.anew(&former).await;
    assert_eq!(anew, plugin_anew());
    assert!(place.anew(&former).await.1.is_empty());

    lock(&place, Some("app.vssps.visualstudio.com"));
    let (former, anew) = place.anew(&former).await;
    assert_eq!(anew, INTEGRATIONS);

    install_other_build(&place);
    assert!(place.anew(&former).await.1.is_empty(), "it is not the locked build");
    lock(&place, None);
    assert_eq!(place.anew(&former).await.1, plugin_anew());
}

#[tokio::test]
async fn new_bytes_are_the_business_of_whoever_runs_the_plugin() {
    for place in [in_worker(), Place::new()] {
        let former = place.world(None).await;
        install_other_build(&place);
        let (former, anew) = place.anew(&former).await;
        assert!(anew.is_empty());
        // Half of an installation.
        install(&place.path(LIBRARY), "");
        let (former, anew) = place.anew(&former).await;
        assert!(anew.is_empty());
        fs::remove_file(place.path(LIBRARY)).expect("it is there");
        let problems = place.prepare(Some(&former)).await.err().expect("there is no such plugin");
        assert!(problems.contains(&"integrations.one.provider".to_owned()), "{problems:?}");
    }
}

#[tokio::test]
async fn a_library_in_this_process_stays_whatever_is_locked_unless_its_file_is_refused() {
    let mut place = Place::new();
    let former = place.world(None).await;
    lock(&place, None);
    place.add("plugins.lock_file = \"forgewatch.lock\"");
    let (former, anew) = place.anew(&former).await;
    assert!(!anew.contains(&"plugin vsts".to_owned()), "{anew:?}");
    Lock::default().write(&place.path("forgewatch.lock")).expect("it can be written");
    place
        .replace("url = \"https://dev.azure.com/two/P/_git/page\"", "integration = \"two\", name = \"page\"");
    let (next, anew) = place.anew(&former).await;
    assert_eq!(anew, plugin_anew());
    let failure = next.providers["vsts"].ready().await.err().expect("it is refused");
    assert!(failure.detail().contains("is not locked"), "{failure}");
}

#[tokio::test]
async fn a_plugin_that_cannot_be_used_is_tried_anew() {
    let place = Place::new();
    let library = fs::read(place.path(LIBRARY)).expect("it is there");
    install(&place.path(LIBRARY), "");
    let former = place.world(None).await;
    let failure = former.providers["vsts"].ready().await.err().expect("it is refused");
    assert!(failure.detail().contains("no intact library"), "{failure}");
    install(&place.path(LIBRARY), library);
    let (next, anew) = place.anew(&former).await;
    assert_eq!(anew, plugin_anew());
    next.providers["vsts"].ready().await.expect("it opens");
}

#[tokio::test]
async fn a_world_ends_the_workers_that_the_next_does_not_go_on_with() {
    let mut place = in_worker();
    let former = place.world(None).await;
    let (same, _) = place.anew(&former).await;
    let state = |world: &forgewatch::prepare::World| {
        world.providers["vsts"].status().expect("it has a worker").state()
    };
    former.retire(Some(&same)).await;
    assert_ne!(state(&former), "refused");
    place.add("check_timeout = \"12s\"");
    let (next, _) = place.anew(&same).await;
    same.retire(Some(&next)).await;
    assert_eq!(state(&same), "refused");
    assert_ne!(state(&next), "refused");
    next.retire(None).await;
    assert_eq!(state(&next), "refused");
    // What was closed is no use to anybody.
    assert_eq!(place.anew(&next).await.1, plugin_anew());
}
