//! Long lists: filters that the server applies, parts that follow each other, very many incidents.

use super::support::{get, open, page};
use crate::daemon::{Entry, Seen};
use crate::journal::{Cause, Fingerprint};
use crate::verdict::{Confirmed, Reason};

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("repository-{number:05}")).collect()
}

/// Where the link with this text leads.
fn link(page: &str, text: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!(">{text}</a>"))?;
    let href = before.rsplit_once("href=\"")?.1;
    href.split('"').next().map(|href| href.replace("&amp;", "&"))
}

fn shown(page: &str) -> Vec<String> {
    let rows = page.split("<tr role=\"row\" data-key=\"").skip(1);
    rows.filter_map(|row| row.split('"').next().map(str::to_owned)).collect()
}

#[tokio::test]
async fn parts_of_a_filtered_list_follow_each_other_without_gaps() {
    let names = numbered(230);
    let web = open(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names[..120] {
        web.confirm(name, Reason::NotFound, 1);
    }
    let mut next = Some("/repositories?q=&verdict=denied&reason=&label=&sort=-name".to_owned());
    let mut seen = Vec::new();
    while let Some(path) = next {
        let page = page(&web, &path).await;
        assert!(page.contains("120 repositories fit"), "{page}");
        assert!(page.contains("<option value=\"denied\" selected>"), "{page}");
        assert!(page.contains("<option value=\"-name\" selected>"), "{page}");
        seen.extend(shown(&page));
        next = link(&page, "Next");
    }
    let mut expected = names[..120].to_vec();
    expected.reverse();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_search_stays_in_its_field_and_a_label_in_its_own() {
    let web = open(&["alpha", "beta"]);
    let page = page(&web, "/repositories?q=%3CALP%3E&label=team%3Apayments&integration=no-such").await;
    assert!(page.contains("value=\"&lt;ALP&gt;\""), "{page}");
    assert!(page.contains("name=\"label\" value=\"team:payments\""), "{page}");
    assert!(page.contains("<option value=\"no-such\" selected>no-such</option>"), "{page}");
    assert!(page.contains("No repository fits."), "{page}");
}

#[tokio::test]
async fn a_filter_that_makes_no_sense_is_told() {
    let web = open(&["alpha"]);
    for query in ["verdict=good", "cursor=zz", "nonsense=1", "label=without-colon", "sort=loudest"] {
        let answer = get(&web, &format!("/repositories?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.as_str().unwrap().contains("<h1>Not understood</h1>"), "{}", answer.body);
    }
}

#[tokio::test]
async fn ten_thousand_incidents_are_a_few_groups_and_a_list_in_parts() {
    let names = numbered(10_000);
    let web = open(&names.iter().map(String::as_str).collect::<Vec<_>>());
    web.daemon.change(|ledger| {
        for (index, name) in names.iter().enumerate() {
            let reason = if index % 4 == 0 { Reason::Forbidden } else { Reason::NotFound };
            let print = Fingerprint::new("acme", reason, Cause::Repository, name);
            let moment = crate::api::tests::fixture::at(1_000 + index as u64);
            ledger.incidents.failed(&print, "it is so", moment);
            ledger.incidents.hold(&print.digest());
            let confirmed = Some(Confirmed { reason, since: moment });
            let seen = Seen {
                reason,
                detail: "as seen".into(),
                http_status: None,
                retry_after_s: None,
                at: moment,
                took_us: 1,
            };
            let entry: &mut Entry = &mut ledger.entries[index];
            entry.standing.confirmed = confirmed;
            entry.seen = Some(seen);
            entry.incident = Some(print.digest().into());
        }
    });
    let overview = page(&web, "/").await;
    assert!(overview.contains("<b>7,500 repositories</b>"), "{overview}");
    assert!(overview.contains("in 7,500 incidents"), "{overview}");
    assert!(overview.contains("<b>2,500 repositories</b>"), "{overview}");
    assert!(overview.len() < 60_000, "{}", overview.len());
    assert_eq!(overview.matches("class=\"card cause\"").count(), 2);

    let mut next = Some("/incidents".to_owned());
    let (mut seen, mut parts) = (std::collections::BTreeSet::new(), 0);
    while let Some(path) = next {
        let page = page(&web, &path).await;
        assert!(page.len() < 200_000, "{}", page.len());
        seen.extend(shown(&page));
        parts += 1;
        next = link(&page, "Next");
    }
    assert_eq!((seen.len(), parts), (10_000, 100));
}
