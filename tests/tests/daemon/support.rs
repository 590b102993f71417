//! What the stories share: what happens to the fake forge, and what is looked for in requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Fake, Match, Recorded, World, contoso};
use forgewatch_tests::process::wait_for;
use tokio_util::sync::CancellationToken;

/// A fake with the world `large`.
pub(crate) fn large(projects: usize, repositories_per_project: usize) -> Fake {
    Fake::start_blocking(World::large(projects, repositories_per_project))
}

/// Deletes a repository of the world `large`, as far as anybody can tell.
pub(crate) fn delete(fake: &Fake, project: usize, repository: usize) {
    fake.world(|world| readers(world, project, repository, Some(Vec::new())));
}

/// Brings it back.
pub(crate) fn restore(fake: &Fake, project: usize, repository: usize) {
    fake.world(|world| readers(world, project, repository, None));
}

fn readers(world: &mut World, project: usize, repository: usize, readers: Option<Vec<String>>) {
    let id = contoso::large_repository_id(project, repository);
    let repositories = &mut world.project_mut(&format!("project-{project}")).repositories;
    repositories.iter_mut().find(|it| it.id == id).expect("it exists").readers = readers;
}

/// Hides or shows a whole project of the world `large`.
pub(crate) fn hide_project(fake: &Fake, project: usize, hidden: bool) {
    fake.world(|world| hide_project_in(world, project, hidden));
}

/// The same for who is at the world already.
pub(crate) fn hide_project_in(world: &mut World, project: usize, hidden: bool) {
    world.project_mut(&format!("project-{project}")).readers = hidden.then(Vec::new);
}

/// The path of a repository of the world `large`, as `dev.azure.com` has it.
pub(crate) fn path(project: usize, repository: usize) -> String {
    format!("/large/project-{project}/_apis/git/repositories/repository-{repository}")
}

/// Requests for a repository of the world `large`.
pub(crate) fn asked_for(fake: &Fake, project: usize, repository: usize) -> Vec<Recorded> {
    let path = path(project, repository);
    fake.requests_to(|request| request.path == path)
}

/// Requests for single repositories, whichever.
pub(crate) fn checks(fake: &Fake) -> Vec<Recorded> {
    fake.requests_to(|request| request.method == "GET" && request.path.contains("/repositories/"))
}

/// Waits until so many more of them have come.
#[track_caller]
pub(crate) fn wait_for_checks(fake: &Fake, count: usize) {
    let before = checks(fake).len();
    wait_for("so many checks", || (checks(fake).len() >= before + count).then_some(()));
}

/// Lets the next so many requests for a repository of the world `large` pass, and holds the one after them until the
/// token is cancelled.
pub(crate) fn hold_after(fake: &Fake, passing: u32, project: usize, repository: usize) -> CancellationToken {
    let released = CancellationToken::new();
    let path = path(project, repository);
    if passing > 0 {
        fake.fault(Match::any().path_prefix(&path).times(passing), Answer::from_world());
    }
    let held = Answer::from_world().held_until(released.clone());
    fake.fault(Match::any().path_prefix(&path).once(), held);
    released
}

/// Holds the next request for a repository of the world `large` until the token is cancelled, and waits until it has come:
/// until then there is no other one.
#[track_caller]
pub(crate) fn hold_next(fake: &Fake, project: usize, repository: usize) -> CancellationToken {
    let before = fake.counters().faulted();
    let released = hold_after(fake, 0, project, repository);
    wait_for("a request that is held", || (fake.counters().faulted() > before).then_some(()));
    released
}

/// Waits until every repository of the list has been granted.
#[track_caller]
pub(crate) fn until_granted(daemon: &Daemon, count: usize) {
    daemon.until_confirmed(count, "granted");
}

/// The most requests that were certainly under way at once, as none of them was answered before `delay` was over.
pub(crate) fn most_at_once(moments: &[Instant], delay: Duration) -> usize {
    let within =
        |start: usize| moments[start..].iter().take_while(|at| **at - moments[start] < delay).count();
    (0..moments.len()).map(within).max().unwrap_or(0)
}

/// When checks came, by what `key` says of them.
pub(crate) fn moments(fake: &Fake, key: impl Fn(&Recorded) -> String) -> BTreeMap<String, Vec<Instant>> {
    let mut moments: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
    for request in checks(fake) {
        moments.entry(key(&request)).or_default().push(request.at);
    }
    moments
}
