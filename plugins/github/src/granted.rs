//! What is granted to the identity, read from its list when a repository alone does not tell.
//!
//! Concurrent checks share one reading, and later ones what it brought, for a moment: a check whose time is up leaves
//! the reading to the next. A list that was not read to its end proves what it shows and nothing else.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{Failure, Reason};
use futures_util::lock::Mutex;

use crate::client::Client;
use crate::listing;

/// How long a list is believed: short enough that a grant is seen by the check that follows up on a denial.
const KEPT: Duration = Duration::from_secs(120);
/// How long a failure stands for those who asked meanwhile.
const FAILURE_KEPT: Duration = Duration::from_secs(10);
/// Ten thousand repositories. Whoever has more is told that the list was not read to its end.
const MOST_PAGES: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Granted {
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    at: SystemTime,
    list: Result<List, Failure>,
}

#[derive(Debug, Default)]
struct List {
    ids: HashSet<u64>,
    /// Why something may be missing.
    incomplete: Option<String>,
}

impl Granted {
    /// Whether the list has a repository.
    pub(crate) async fn has(&self, client: &Client, id: u64) -> Result<bool, Failure> {
        let mut kept = self.kept.lock().await;
        let list = match kept.take().filter(|kept| kept.is_fresh(client.host.now())) {
            Some(fresh) => kept.insert(fresh),
            None => {
                let list = read(client).await.map_err(never_a_denial);
                kept.insert(Kept { at: client.host.now(), list })
            }
        };
        let list = list.list.as_ref().map_err(Clone::clone)?;
        match &list.incomplete {
            _ if list.ids.contains(&id) => Ok(true),
            None => Ok(false),
            Some(why) => Err(Failure::new(Reason::PROVIDER_ERROR, why.as_str())),
        }
    }
}

impl Kept {
    fn is_fresh(&self, now: SystemTime) -> bool {
        let most = if self.list.is_ok() { KEPT } else { FAILURE_KEPT };
        // A clock that was set back says nothing.
        now.duration_since(self.at).is_ok_and(|age| age < most)
    }
}

async fn read(client: &Client) -> Result<List, Failure> {
    let mut list = List::default();
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let page = listing::page(client, cursor).await?;
        list.ids.extend(page.granted.iter().map(|found| found.id));
        list.incomplete = list.incomplete.or(page.incomplete);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(list);
        }
    }
    list.incomplete = Some(format!("the list has more than {MOST_PAGES} pages, and no more are read"));
    Ok(list)
}

/// The repository was there to be seen, so what becomes of the list is no verdict on it.
fn never_a_denial(failure: Failure) -> Failure {
    match failure.reason() {
        Reason::RATE_LIMITED | Reason::UNREACHABLE | Reason::PROVIDER_ERROR | Reason::INVALID_RESPONSE => {
            failure
        }
        _ => failure.with_reason(Reason::PROVIDER_ERROR),
    }
}
