//! Having a tracker deliver what becomes of its issues, and ending that.
//!
//! - The secret is in the state before the tracker is asked, the tracker's id of it after. Whatever ends the process in
//!   between leaves a row without an id: it is shown as unfinished, and goes when somebody subscribes again.
//! - A subscription that another takes the place of ends once the other is there, so no delivery is missed.
//! - The secret goes nowhere but into the state and, past the plugin, to the tracker.
//!
//! Each call reads and writes the state, so it blocks for a moment here and there. What is dropped before its end is
//! unfinished.

use std::sync::Arc;
use std::time::SystemTime;

use forgewatch_plugin_api::{Subscription, SubscriptionStatus};

use super::desk::{Desk, Refusal, RefusalKind};
use crate::services::HookSecret;
use crate::state::{State, StateError, SubscriptionRow};
use crate::text::printable;
use crate::verdict::Verdict;

/// Characters of a name in a command.
const LONGEST_WORD: usize = 200;

/// A subscription that is there now.
#[derive(Debug)]
pub struct Subscribed {
    /// As the tracker has it.
    pub subscription: Subscription,
    /// Whether it was there before, so that nothing was done.
    pub was_there: bool,
    /// The former ones that the tracker would not end, by its ids. They are forgotten here, so nothing that they deliver
    /// is believed.
    pub left: Vec<(String, Refusal)>,
}

/// Why there is no new subscription, or none less.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system has no random numbers to make a secret of.
    #[error("the system has no random numbers, so there can be no secret")]
    Random,
    /// The tracker or its plugin refuses.
    #[error("{0}")]
    Refused(Refusal),
    /// The tracker may have made it, and did not say so.
    #[error("{0}; whether the tracker has made the subscription nobody knows")]
    Unsure(Refusal),
    /// Somebody else has removed the subscription while it was made.
    #[error("another `forgewatch tracker` has removed the subscription while it was made")]
    Overtaken,
}

/// Has a tracker deliver to `url` what becomes of the issues of a project, or of all. Where it does so already, nothing is
/// done; whatever else there was for the same issues is ended.
///
/// # Errors
///
/// There is none then that was not there before, or nobody knows.
pub async fn subscribe(
    desk: &Desk,
    state: &State,
    project: Option<&str>,
    url: &str,
) -> Result<Subscribed, Trouble> {
    let known = of(state, desk.integration(), project)?;
    let there = still_there(desk, &known, url).await?;
    let was_there = there.is_some();
    let (number, subscription) = match there {
        Some(there) => there,
        None => make(desk, state, project, url).await?,
    };
    let mut left = Vec::new();
    for row in known.iter().filter(|row| row.number != number) {
        // A tracker may give what it had before in the place of another.
        let is_it = row.id.as_deref() == Some(subscription.id());
        if !is_it && let Err(refusal) = end(desk, row).await {
            left.push((row.id.clone().unwrap_or_default(), refusal));
        }
        state.forget_subscription(row.number)?;
    }
    Ok(Subscribed { subscription, was_there, left })
}

/// The subscriptions to the issues of a project, or of all, in the order in which they were made.
///
/// # Errors
///
/// The state cannot be read.
pub fn of(
    state: &State,
    integration: &str,
    project: Option<&str>,
) -> Result<Vec<SubscriptionRow>, StateError> {
    let mut rows = state.subscriptions()?;
    rows.retain(|row| row.integration == integration && row.project.as_deref() == project);
    Ok(rows)
}

/// The command that subscribes, as it is typed.
pub fn command(integration: &str, project: Option<&str>) -> String {
    let integration = quoted(integration);
    match project {
        Some(project) => format!("forgewatch tracker subscribe {integration} --project {}", quoted(project)),
        None => format!("forgewatch tracker subscribe {integration}"),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let shown = printable(word, LONGEST_WORD);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/');
    let goes_on = |byte: u8| is_plain(byte) || byte == b'-';
    match shown.as_bytes() {
        [first, rest @ ..] if is_plain(*first) && rest.iter().copied().all(goes_on) => shown.into_owned(),
        _ => format!("'{}'", shown.replace('\'', "'\\''")),
    }
}

/// Ends a subscription at its tracker, if that has it. The state has it still.
///
/// # Errors
///
/// The tracker or its plugin refuses, and it delivers on.
pub async fn end(desk: &Desk, row: &SubscriptionRow) -> Result<(), Refusal> {
    let Some(id) = &row.id else { return Ok(()) };
    match desk.unsubscribe(id).await {
        Err(refusal) if refusal.kind != RefusalKind::Missing => Err(refusal),
        _ => Ok(()),
    }
}

/// The one that delivers there already.
async fn still_there(
    desk: &Desk,
    known: &[SubscriptionRow],
    url: &str,
) -> Result<Option<(i64, Subscription)>, Trouble> {
    for row in known.iter().filter(|row| row.url == url) {
        let Some(id) = &row.id else { continue };
        match desk.subscription(id).await {
            Ok(found) if found.status() != SubscriptionStatus::Disabled => {
                return Ok(Some((row.number, found)));
            }
            Err(refusal) if refusal.kind != RefusalKind::Missing => return Err(Trouble::Refused(refusal)),
            _ => {}
        }
    }
    Ok(None)
}

async fn make(
    desk: &Desk,
    state: &State,
    project: Option<&str>,
    url: &str,
) -> Result<(i64, Subscription), Trouble> {
    let secret = HookSecret::generate().map_err(|_| Trouble::Random)?;
    let number = state.add_subscription(&SubscriptionRow {
        number: 0,
        integration: desk.integration().to_owned(),
        project: project.map(ToOwned::to_owned),
        url: url.to_owned(),
        secret: secret.value().clone(),
        id: None,
        made_at: SystemTime::now(),
    })?;
    let made = match desk.subscribe(url, project, Arc::new(secret)).await {
        Ok(made) => made,
        Err(refusal) if may_be_there(&refusal) => return Err(Trouble::Unsure(refusal)),
        Err(refusal) => {
            state.forget_subscription(number)?;
            return Err(Trouble::Refused(refusal));
        }
    };
    let trouble = match state.confirm_subscription(number, made.id()) {
        Ok(true) => return Ok((number, made)),
        Ok(false) => Trouble::Overtaken,
        Err(error) => Trouble::State(error),
    };
    // Nobody would know of it any more. If that fails, too, what it delivers is not believed.
    let _ = desk.unsubscribe(made.id()).await;
    Err(trouble)
}

/// Whether the tracker may have done what it did not say it has done.
fn may_be_there(refusal: &Refusal) -> bool {
    refusal.has_written
        && refusal.kind == RefusalKind::Failed
        && refusal.outcome.reason.verdict() == Verdict::Indeterminate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_is_shown() {
        assert_eq!(command("acme", None), "forgewatch tracker subscribe acme");
        for (project, shown) in [
            ("c0470500-5e1f", "c0470500-5e1f"),
            ("Web Shop", "'Web Shop'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("-x", "'-x'"),
            ("a\u{1b}", r"'a\u{1b}'"),
            ("", "''"),
        ] {
            let expected = format!("forgewatch tracker subscribe acme --project {shown}");
            assert_eq!(command("acme", Some(project)), expected);
        }
    }
}
