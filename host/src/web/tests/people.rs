//! The page of an incident: who has it, its issue, and the forms for both.

use axum::http::StatusCode;
use serde_json::json;

use super::support::{
    OPERATOR, ORIGIN, READER, form_token, get_with, open, page, post, send, sign_in, text, with, world,
};
use crate::api::tests::fixture::{Fixture, at, link};
use crate::verdict::Reason;

const PEOPLE: &str = "[people.ada]\nemails = [\"ada@example.org\"]\nteams = [\"payments\"]\n\
                      [people.\"<b>eve</b>\"]\nemails = [\"eve@example.org\"]\nteams = [\"payments\"]\n\
                      [people.ben]\nemails = [\"ben@example.org\"]\nteams = [\"web\"]\n";

/// An open incident of the team `payments`: its fingerprint, and where its page is.
fn opened(web: &Fixture) -> (String, String) {
    web.know(PEOPLE);
    let print = web.open_incident(Reason::NotFound, &["alpha"], 1_000_000);
    let path = format!("/incidents/{}", web.incident_id(&print));
    (print, path)
}

#[tokio::test]
async fn an_issue_is_shown_with_what_its_tracker_says_as_text() {
    let web = open(&["alpha"]);
    let (print, path) = opened(&web);
    web.follow(&print, |record| {
        record.assignee = Some("ada".to_owned());
        record.handled_at = Some(at(2_000_000));
        record.issue = Some(link(json!({
            "title": "<script>alert(1)</script> \u{202e}gnp", "state": "\"><img src=x>", "kind": "<b>Bug</b>",
            "gone_since": at(3_000_000), "url": "https://x.example/?a=1&b=\"'<>",
        })));
    });
    let page = page(&web, &path).await;
    for expected in [
        "&lt;script&gt;alert(1)&lt;/script&gt; \\u{202e}gnp",
        "&quot;&gt;&lt;img src=x&gt;",
        "href=\"https://x.example/?a=1&amp;b=&quot;&#x27;&lt;&gt;\" rel=\"noopener noreferrer\"><bdi>31</bdi>",
        "Handled by people <span class=\"since\">",
        "though access is still missing",
        "The tracker has not shown the issue <span class=\"since\">",
        "<dt>Assigned to</dt><dd><bdi class=\"name\">ada</bdi>",
        "Unlink the issue",
    ] {
        assert!(page.contains(expected), "{expected} is not on {page}");
    }
    assert!(!page.contains("\u{202e}") && !page.contains("Look for an issue"), "{page}");
    let list = self::page(&web, "/incidents").await;
    assert!(
        list.contains(
            "<bdi class=\"name\">ada</bdi><span class=\"quiet\">issue <a class=\"name\" href=\"https://x"
        ),
        "{list}"
    );
    assert!(list.contains("</span><span class=\"quiet\">handled</span></td>"), "{list}");
}

#[tokio::test]
async fn an_issue_that_is_still_to_come_is_not_shown_as_none() {
    let web = open(&["alpha"]);
    let (print, path) = opened(&web);
    web.follow(&print, |record| record.rule = Some("<ops>".to_owned()));
    let page = page(&web, &path).await;
    assert!(page.contains("none yet: <bdi class=\"name\">&lt;ops&gt;</bdi> is to have one"), "{page}");
    let list = self::page(&web, "/incidents").await;
    assert!(list.contains("<span class=\"quiet\">no issue yet</span></td>"), "{list}");
}

#[tokio::test]
async fn it_is_given_to_somebody_of_its_team() {
    let web = open(&["alpha"]);
    let (_, path) = opened(&web);
    let shown = page(&web, &path).await;
    assert!(
        shown.contains("<option value=\"\">nobody</option><option value=\"&lt;b&gt;eve&lt;/b&gt;\">"),
        "{shown}"
    );
    assert!(shown.contains(">ada</option>") && !shown.contains(">ben</option>"), "{shown}");
    let token = form_token(&shown);
    let order = |person| [("form_token", token.as_str()), ("order", "assign"), ("person", person)];
    for (person, is_now) in [("ada", "<bdi>ada</bdi> has it now."), ("", "Nobody has it now.")] {
        let answer = post(&web, &path, None, &order(person)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert_eq!(answer.headers["location"], format!("{path}?done=assign"));
        let shown = page(&web, &format!("{path}?done=assign")).await;
        assert!(shown.contains(is_now), "{shown}");
    }
    let refused = post(&web, &path, None, &order("ben")).await;
    assert_eq!(refused.status, 409);
    let shown = text(&refused);
    assert!(
        shown.contains("role=\"alert\"")
            && shown.contains("is not of the incident&#x27;s team <code>payments</code>"),
        "{shown}"
    );
}

#[tokio::test]
async fn what_stands_against_a_link_is_told_on_the_page() {
    let web = with(&[], world(&["alpha"]), false);
    let (print, path) = opened(&web);
    let token = form_token(&page(&web, &path).await);
    let order = |order, issue, project| {
        [
            ("form_token", token.as_str()),
            ("order", order),
            ("integration", "acme"),
            ("issue", issue),
            ("project", project),
        ]
    };
    let refused = post(&web, &path, None, &order("link", "<31>", "\"Shop\"")).await;
    assert_eq!(refused.status, StatusCode::BAD_GATEWAY);
    let shown = text(&refused);
    assert!(shown.contains("There is none</span>"), "{shown}");
    assert!(
        shown.contains("name=\"issue\" value=\"&lt;31&gt;\"") && shown.contains("value=\"&quot;Shop&quot;\""),
        "{shown}"
    );
    for (order, status) in
        [(order("unlink", "", ""), 409), (order("link", " ", ""), 400), (order("close", "", ""), 400)]
    {
        assert_eq!(post(&web, &path, None, &order).await.status, status, "{order:?}");
    }
    web.follow(&print, |record| record.issue = Some(link(json!({}))));
    let parted = post(&web, &path, None, &order("unlink", "", "")).await;
    assert_eq!(parted.headers["location"], format!("{path}?done=unlink"));
    assert!(page(&web, &path).await.contains("<dt>Issue</dt><dd>none</dd>"));
    assert_eq!(post(&web, "/incidents/nowhere", None, &order("unlink", "", "")).await.status, 404);
}

#[tokio::test]
async fn a_search_is_made_for_who_asks_for_it_and_not_for_the_script() {
    let web = open(&["alpha"]);
    let (_, path) = opened(&web);
    let path = format!("{path}?integration=acme&query=%3Cvoucher%3E");
    let shown = page(&web, &path).await;
    assert!(shown.contains("name=\"query\" type=\"search\" value=\"&lt;voucher&gt;\""), "{shown}");
    assert!(shown.contains("role=\"alert\"") && shown.contains("There is none"), "{shown}");
    let request = super::support::browser("GET", &path).header("x-forgewatch-refresh", "1");
    let by_itself = text(&web.answer(request.body(axum::body::Body::empty()).unwrap()).await);
    assert!(by_itself.contains("<div id=\"found\" data-keep></div>"), "{by_itself}");
    let nowhere = page(&web, &path.replace("acme", "nobody")).await;
    assert!(nowhere.contains("There is no integration <code>nobody</code>"), "{nowhere}");
}

#[tokio::test]
async fn who_may_only_look_has_no_forms_and_gives_no_orders() {
    let web = super::support::guarded();
    let (_, path) = opened(&web);
    let (reader, operator) = (sign_in(&web, READER).await, sign_in(&web, OPERATOR).await);
    let look = text(&get_with(&web, &path, &reader).await);
    assert!(look.contains("Assigned to") && !look.contains("name=\"order\""), "{look}");
    let searched = text(&get_with(&web, &format!("{path}?query=x"), &reader).await);
    assert!(!searched.contains("id=\"found\""), "{searched}");
    let order = |token: &str| {
        [("form_token", token.to_owned()), ("order", "assign".to_owned()), ("person", "ada".to_owned())]
    };
    let give = async |cookie: &str, token: &str| {
        let form = order(token);
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post(&web, &path, Some(cookie), &form).await.status.as_u16()
    };
    let of_reader = form_token(&look);
    let of_operator = form_token(&text(&get_with(&web, &path, &operator).await));
    assert_eq!(give(&reader, &of_reader).await, 403);
    assert_eq!(give(&operator, &of_reader).await, 403);
    assert_eq!(give(&operator, "").await, 403);
    assert_eq!(give(&operator, &of_operator).await, 303);
    let foreign = super::support::browser("POST", &path)
        .header("origin", ORIGIN)
        .header("sec-fetch-site", "cross-site");
    let form = [("form_token", of_operator.as_str()), ("order", "unlink")];
    assert_eq!(send(&web, foreign, Some(&operator), &form).await.status, 403);
}

#[tokio::test]
async fn what_became_of_an_incident_is_told_whatever_an_event_lacks() {
    let web = open(&["alpha"]);
    let (print, path) = opened(&web);
    for (payload, told) in [
        (json!({ "generic": "incident_linked", "issue": "31", "by": "made" }), "Made issue 31"),
        (json!({ "generic": "incident_linked", "issue": "<31>" }), "Linked to issue &lt;31&gt;"),
        (json!({ "generic": "incident_unlinked", "issue": "31" }), "Parted from issue 31"),
        (
            json!({ "generic": "incident_assigned", "assignee": "<b>eve</b>", "by": "tracker" }),
            "Given to <bdi>&lt;b&gt;eve&lt;/b&gt;</bdi> in the tracker",
        ),
        (json!({ "generic": "incident_assigned", "assignee": null, "by": "hand" }), "Given back<"),
        (json!({ "generic": "assignee_not_found" }), "Given to somebody unknown in the tracker"),
        (json!({ "generic": "incident_handled", "issue": "31" }), "Handled: issue 31 is done"),
        (json!({ "generic": "incident_reopened", "issue": "31" }), "issue 31 is open again"),
        (json!({ "generic": "issue_closed", "issue": "31" }), "Closed issue 31"),
        (json!({ "generic": "issue_gone", "issue": "31" }), "Issue 31 is gone"),
        (json!({ "generic": "of a later version" }), ">Noted<"),
    ] {
        web.journal.note(&print, payload);
        let page = page(&web, &path).await;
        assert!(page.contains(told), "{told} is not on {page}");
    }
}
