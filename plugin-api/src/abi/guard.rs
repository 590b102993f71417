//! Panic containment. A panic that reached the ABI's shims would end the process, so each is turned into a
//! [`Failure`] in the library in which it started: at the call, at a poll, and at a drop.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use abi_stable::std_types::RResult;

use crate::types::{Failure, Reason};

thread_local! {
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Replaces the library's own panic hook, which would write into the middle of the host's output: the place is
/// kept for the failure's detail, and the panic goes to the host's log.
pub(super) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string);
        tracing::error!(
            location = location.as_deref().unwrap_or("unknown"),
            "plugin panicked: {}",
            message(info.payload())
        );
        LOCATION.with(|slot| *slot.borrow_mut() = location);
    }));
}

/// Runs `f`, turning a panic into a failure that names `what`.
///
/// # Errors
///
/// The panic's message and place, as [`Reason::PLUGIN_FAILED`].
pub fn contain<T>(what: &str, f: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| panicked(what, payload))
}

fn panicked(what: &str, payload: Box<dyn Any + Send>) -> Failure {
    let location = LOCATION.with(|slot| slot.borrow_mut().take());
    let place = location.map(|location| format!(" at {location}")).unwrap_or_default();
    let detail = format!("the plugin panicked in {what}{place}: {}", message(&*payload));
    discard(payload);
    Failure::new(Reason::PLUGIN_FAILED, detail)
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Drops a panic's payload, which may itself panic while it is dropped; the last one is let go.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

/// A value of the author's whose drop cannot unwind into the host.
pub(super) struct Guarded<T>(ManuallyDrop<T>);

impl<T> Guarded<T> {
    pub(super) fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the value is never touched again, since this is the drop of its only owner.
        let drop_value = AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(&mut self.0) });
        if let Err(payload) = catch_unwind(drop_value) {
            discard(payload);
        }
    }
}

/// A future of the author's whose polls and drop cannot unwind into the host, and whose output is turned into
/// what crosses.
pub(super) struct GuardedFuture<F, C> {
    what: &'static str,
    future: Option<F>,
    convert: Option<C>,
}

impl<F, C> GuardedFuture<F, C> {
    pub(super) fn new(what: &'static str, future: F, convert: C) -> Self {
        Self { what, future: Some(future), convert: Some(convert) }
    }

    fn future(self: Pin<&mut Self>) -> Pin<&mut Option<F>> {
        // SAFETY: structural pinning of `future`: it is only ever reached through here, and `Option::set` drops
        // it in its place.
        unsafe { self.map_unchecked_mut(|this| &mut this.future) }
    }

    fn release(mut self: Pin<&mut Self>) -> Result<(), Failure> {
        contain(self.what, || self.as_mut().future().set(None))
    }

    fn converter(self: Pin<&mut Self>) -> Option<C> {
        // SAFETY: `convert` is not pinned structurally, so it may be moved out.
        unsafe { self.get_unchecked_mut() }.convert.take()
    }
}

impl<T, R, F, C> Future for GuardedFuture<F, C>
where
    F: Future<Output = Result<T, Failure>>,
    C: FnOnce(T) -> R,
{
    type Output = RResult<R, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let what = self.what;
        let polled = match self.as_mut().future().as_pin_mut() {
            Some(future) => contain(what, || future.poll(context)),
            None => Err(Failure::new(Reason::PLUGIN_FAILED, format!("{what} was polled after its end"))),
        };
        let answer = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answer)) => answer,
            Err(failure) => Err(failure),
        };
        // What the future still owns is dropped here, while a panic in it can be reported.
        let released = self.as_mut().release();
        Poll::Ready(match (answer, released, self.converter()) {
            (Ok(value), Ok(()), Some(convert)) => RResult::ROk(convert(value)),
            (Err(failure), _, _) | (_, Err(failure), _) => RResult::RErr(failure),
            (Ok(_), Ok(()), None) => {
                RResult::RErr(Failure::new(Reason::PLUGIN_FAILED, format!("{what} ended twice")))
            }
        })
    }
}

impl<F, C> Drop for GuardedFuture<F, C> {
    fn drop(&mut self) {
        // SAFETY: the value is at its end and is not moved any more. A failure has nobody to go to: the panic
        // hook has logged it.
        let _ = unsafe { Pin::new_unchecked(self) }.release();
    }
}
