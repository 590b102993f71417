use forgewatch_plugin_api::Issue;

use super::*;
use crate::alerts::Labels;
use crate::journal::{Cause, Fingerprint, Incidents};
use crate::tracker::record::{Link, Owed};
use crate::verdict::Reason;

const HOUR: Duration = Duration::from_secs(3600);

fn record() -> Record {
    let print = Fingerprint::new("acme", Reason::NotFound, Cause::Repository, "a");
    let incident = Incidents::default().failed(&print, "gone", Moment::now()).1.clone();
    Record::new(incident, Labels::new())
}

fn linked() -> Record {
    let issue = Issue::new("31", "x", "Bug", "New").with_revision(1);
    Record { issue: Some(Link::new("acme", &issue)), ..record() }
}

fn over(record: Record) -> Record {
    let incident = crate::journal::Incident { resolved_at: Some(Moment::now()), ..record.incident.clone() };
    Record { incident, ..record }
}

fn step(record: &Record) -> Option<Step> {
    record.next(Moment::now()).filter(|(_, wait)| wait.is_zero()).map(|(step, _)| step)
}

#[test]
fn an_issue_is_looked_for_as_long_as_one_is_wanted() {
    assert_eq!(step(&record()), None);
    let ruled = || Record { rule: Some("ops".to_owned()), ..record() };
    assert_eq!(step(&ruled()), Some(Step::Find));
    assert_eq!(step(&Record { by_hand: true, ..ruled() }), None);
    assert_eq!(step(&over(ruled())), None);
    // What may have been made is looked for in any case.
    let unsure = || Record { making_since: Some(Moment::now()), ..ruled() };
    assert_eq!(step(&unsure()), Some(Step::Recover));
    assert_eq!(step(&over(unsure())), Some(Step::Recover));
}

#[test]
fn what_may_have_been_made_is_made_again_once_a_search_would_show_it() {
    let now = Moment::now();
    let since =
        |time: Duration| Record { making_since: Some(now), ..record() }.is_surely_unmade(now.after(time));
    assert!(!since(Duration::ZERO));
    assert!(!since(INDEX_LAG - Duration::from_secs(1)));
    assert!(since(INDEX_LAG));
    assert!(!record().is_surely_unmade(now));
    let often = |unmade| Record { making_since: Some(now), unmade, ..record() };
    assert!(
        !often(1).is_surely_unmade(now.after(INDEX_LAG))
            && often(1).is_surely_unmade(now.after(INDEX_LAG * 2))
    );
    assert!(
        !often(90).is_surely_unmade(now.after(HOUR * 23)) && often(90).is_surely_unmade(now.after(HOUR * 24))
    );
}

#[test]
fn what_is_owed_comes_in_order_and_reading_after_an_hour() {
    let mut record = linked();
    record.owed = Owed { greeting: true, assignee: true, end: false };
    assert_eq!(step(&record), Some(Step::Greet));
    record.owed.greeting = false;
    assert_eq!(step(&record), Some(Step::Assign));
    record.owed.assignee = false;
    let read_at = record.issue.as_ref().expect("a link").read_at;
    assert_eq!(record.next(read_at), Some((Step::Read, HOUR)));
    assert_eq!(record.next(read_at.after(HOUR)), Some((Step::Read, Duration::ZERO)));
    // The clock was set back.
    assert_eq!(record.next(read_at.shifted(-1)), Some((Step::Read, Duration::ZERO)));
    record.issue.as_mut().expect("a link").is_stale = true;
    assert_eq!(record.next(read_at), Some((Step::Read, Duration::ZERO)));
    let mut record = over(record);
    assert_eq!(step(&record), None);
    record.owed.end = true;
    assert_eq!(step(&record), Some(Step::End));
}

#[test]
fn what_is_gone_is_told_nothing_but_the_end() {
    let mut record = linked();
    record.owed = Owed { greeting: true, assignee: true, end: false };
    let link = record.issue.as_mut().expect("a link");
    link.gone_since = Some(Moment::now());
    let read_at = link.read_at;
    assert_eq!(record.next(read_at), Some((Step::Read, HOUR)));
    let mut record = over(record);
    assert_eq!(step(&record), None);
    record.owed.end = true;
    assert_eq!(step(&record), Some(Step::End));
}
