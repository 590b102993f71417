//! Work on a thread and a runtime of its own, with which everything ends that it has begun.
//!
//! The libraries that talk to targets leave tasks behind that nobody can stop, and that go on for as long as the other
//! side likes. They must not take the time of what else the process does.

use std::io;
use std::panic::resume_unwind;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::Span;

/// How much later than work that minds its time its end may be seen.
const GRACE: Duration = Duration::from_secs(2);

/// Why work came to nothing.
pub(super) enum Failure {
    /// It could not begin.
    NoRuntime(io::Error),
    /// It did not end in time.
    TimedOut,
}

/// Does work that minds a time limit by itself, and waits for it little longer than that. Cancelling this ends the work
/// as soon as it waits for something; a panic in it goes on here.
pub(super) async fn apart<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Failure> {
    let (waiting, mut gone) = oneshot::channel::<()>();
    let span = Span::current();
    let thread = spawn_blocking(move || {
        let _entered = span.entered();
        // Clocks are looked at after each step of a task: those that are kept busy have long ones.
        let runtime = Builder::new_current_thread().event_interval(1).enable_all().build();
        let runtime = runtime.map_err(Failure::NoRuntime)?;
        let done = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = &mut gone => Err(Failure::TimedOut),
                done = work => Ok(done),
            }
        });
        // A name that is being looked up is not waited for.
        runtime.shutdown_background();
        done
    });
    let ended = timeout(limit + GRACE, thread).await;
    drop(waiting);
    match ended {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only a process that ends gives up a thread.
            Err(_) => Err(Failure::TimedOut),
        },
        Err(_) => Err(Failure::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::mpsc;

    use super::*;

    /// Says that it was dropped.
    struct Held(mpsc::Sender<()>);

    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_work_leaves_behind_ends_with_it() {
        let (held, dropped) = mpsc::channel();
        let done = apart(LONG, async move {
            let held = Held(held);
            tokio::spawn(async move {
                let _held = held;
                loop {
                    tokio::task::yield_now().await;
                }
            });
            7
        });
        assert!(matches!(done.await, Ok(7)));
        dropped.recv_timeout(LONG).unwrap();
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (held, dropped) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let work = apart(LONG, async move {
            let _held = Held(held);
            let _ = begun.send(());
            pending::<()>().await;
        });
        tokio::select! {
            _ = work => panic!("it cannot end"),
            begun = begins => begun.unwrap(),
        }
        dropped.recv_timeout(LONG).unwrap();
    }

    #[tokio::test]
    async fn work_that_never_yields_is_not_waited_for() {
        let (go, goes) = mpsc::channel::<()>();
        let done = apart(Duration::ZERO, async move { goes.recv_timeout(LONG) }).await;
        assert!(matches!(done, Err(Failure::TimedOut)));
        drop(go);
    }

    #[tokio::test]
    async fn a_panic_goes_on() {
        let work = tokio::spawn(async { apart(LONG, async { panic!("planted") }).await.is_ok() });
        assert!(work.await.unwrap_err().is_panic());
    }
}
