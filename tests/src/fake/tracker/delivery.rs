//! Deliveries: made for each change and subscription, and posted one after another by one task.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use super::items::{ASSIGNED_TO, STATE, WorkItem};
use super::{People, Subscription, Tracker, views};
use crate::fake::server::State;
use crate::fake::world::Project;

/// Longer than any receiver of a test takes.
const LIMIT: Duration = Duration::from_secs(10);

/// Something that was made to be delivered, and how often it was.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The subscription that it is for.
    pub subscription: String,
    /// Where it goes.
    pub url: String,
    /// Headers, the secret among them.
    pub headers: Vec<(String, String)>,
    /// What is said.
    pub body: String,
    /// How each attempt was answered; none where there was no answer.
    pub answers: Vec<Option<u16>>,
}

/// One attempt: the organisation, and the number of the delivery there.
pub(crate) struct Post {
    pub(crate) organisation: String,
    pub(crate) number: usize,
}

/// Takes attempts.
pub(crate) type Postman = mpsc::UnboundedSender<Post>;

/// Makes deliveries of the latest revision of a work item; their numbers, unless they are held.
pub(super) fn make(tracker: &mut Tracker, organisation: &str, id: u64, project: &Project) -> Vec<usize> {
    let subscribed: Vec<Subscription> = tracker
        .subscriptions
        .iter()
        .filter(|it| it.delivers() && it.project.as_ref().is_none_or(|wanted| *wanted == project.id))
        .cloned()
        .collect();
    let mut numbers = Vec::new();
    for subscription in subscribed {
        let number = tracker.deliveries.len();
        let body = body(tracker, organisation, number, &subscription.id, id, project);
        tracker.deliveries.push(Delivery {
            subscription: subscription.id,
            url: subscription.url,
            headers: subscription.headers,
            body: body.to_string(),
            answers: Vec::new(),
        });
        numbers.push(number);
    }
    if tracker.holds_deliveries { Vec::new() } else { numbers }
}

fn body(
    tracker: &Tracker,
    organisation: &str,
    number: usize,
    subscription: &str,
    id: u64,
    project: &Project,
) -> Value {
    let (item, form) = (tracker.item(id), tracker.people_in_deliveries);
    let version = if form == People::Text { "1.0" } else { "5.1-preview.3" };
    json!({
        "subscriptionId": subscription,
        "notificationId": number + 1,
        // One event is the same for all subscriptions.
        "id": format!("c0470500-5e1f-4b0a-{:04x}-{id:012x}", item.rev),
        "eventType": "workitem.updated",
        "publisherId": "tfs",
        "message": null,
        "detailedMessage": null,
        "resource": {
            "id": item.rev,
            "workItemId": id,
            "rev": item.rev,
            "revisedBy": {"displayName": "Ada Quill"},
            "revisedDate": format!("2026-01-05T10:{:02}:00.5Z", item.rev % 60),
            "fields": changes(item, form),
            "revision": {
                "id": id, "rev": item.rev,
                "fields": views::fields(item, project, form, None),
            },
        },
        "resourceVersion": version,
        "resourceContainers": {
            "collection": {"id": organisation},
            "account": {"id": organisation},
            "project": {"id": project.id},
        },
        "createdDate": format!("2026-01-05T10:{:02}:01.1Z", item.rev % 60),
    })
}

/// What the latest revision changed; what is empty on one side has no value there.
fn changes(item: &WorkItem, form: People) -> Map<String, Value> {
    let Some(revision) = item.history.last() else { return Map::new() };
    let written = |name: &str, value: &str| match name {
        ASSIGNED_TO => views::person(value, form),
        _ => Value::from(value),
    };
    let change = |(name, (old, new)): (&String, &(Option<String>, Option<String>))| {
        let mut change = Map::new();
        for (side, value) in [("oldValue", old), ("newValue", new)] {
            if let Some(value) = value {
                change.insert(side.to_owned(), written(name, value));
            }
        }
        (name.clone(), Value::from(change))
    };
    // In the order in which people look at them.
    let mut changes: Vec<_> = revision.changes.iter().collect();
    changes.sort_by_key(|(name, _)| *name != STATE);
    changes.into_iter().map(change).collect()
}

/// Posts what comes until the fake is stopped.
pub(crate) async fn run(state: Arc<State>, mut posts: mpsc::UnboundedReceiver<Post>) {
    while let Some(Some(post)) = state.stop.run_until_cancelled(posts.recv()).await {
        let known =
            state.trackers.with(&post.organisation, |tracker| tracker.deliveries.get(post.number).cloned());
        let Some(delivery) = known else { continue };
        let answer = timeout(LIMIT, send(&delivery)).await.ok().flatten();
        state.trackers.with(&post.organisation, |tracker| {
            let patience = tracker.patience;
            let subscriptions = tracker.subscriptions.iter_mut();
            for subscription in subscriptions.filter(|it| it.id == delivery.subscription) {
                subscription.delivered(answer.is_some_and(|status| (200..300).contains(&status)), patience);
            }
            tracker.deliveries[post.number].answers.push(answer);
        });
    }
}

/// The status of the answer, if there is one.
async fn send(delivery: &Delivery) -> Option<u16> {
    let url = Url::parse(&delivery.url).ok()?;
    let address = url.socket_addrs(|| None).ok()?.into_iter().find(SocketAddr::is_ipv4)?;
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json; charset=utf-8");
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(delivery.body.clone()))).ok()?;
    // Its sender goes with it, and with that the connection ends.
    let answered = async move {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        // What it says besides is nobody's business, but it has to come.
        answer.into_body().collect().await.ok()?;
        Some(status)
    };
    tokio::join!(answered, connection).0
}
