//! Subscriptions to changes of work items (service hooks).
//!
//! The secret is the host's: what stands for it goes into the one header that is sent with each delivery.

use forgewatch_plugin_api::{
    Failure, Method, NewSubscription, Reason, Response, Subscription, SubscriptionStatus,
};
use forgewatch_plugin_support::{Shown, segment};
use serde::Deserialize;
use serde_json::json;

use crate::answer::{self, FoundProject};
use crate::client::{Ask, Client};
use crate::tracker::named;
use crate::verdict::{self, Area};

/// The header of deliveries that has the secret.
pub(crate) const SECRET_HEADER: &str = "shared-secret";
pub(crate) const UPDATED: &str = "workitem.updated";
const SUBSCRIPTIONS: &str = "_apis/hooks/subscriptions";

#[derive(Deserialize)]
struct Hook {
    id: String,
    #[serde(default)]
    status: String,
}

/// Has the service tell of changes.
pub(crate) async fn subscribe(client: &Client, wanted: &NewSubscription) -> Result<Subscription, Failure> {
    let about = format!("the subscription of {}", Shown(client.integration()));
    let mut inputs = json!({});
    if let Some(project) = wanted.project() {
        inputs["projectId"] = project_id(client, &about, project).await?.into();
    }
    let body = json!({
        "publisherId": "tfs",
        "eventType": UPDATED,
        "resourceVersion": "1.0",
        "consumerId": "webHooks",
        "consumerActionId": "httpRequest",
        "publisherInputs": inputs,
        "consumerInputs": {
            "url": wanted.url(),
            "httpHeaders": format!("{SECRET_HEADER}:{}", wanted.secret()),
            "resourceDetailsToSend": "all",
        },
    });
    let body = body.to_string().into_bytes();
    let response = client.ask(&Ask::send(Method::POST, SUBSCRIPTIONS, "application/json", body)).await?;
    if verdict::is_rejection(&response) {
        let detail = format!(
            "{about}: the service refuses it: check that {} is reached from outside{}",
            Shown(wanted.url()),
            answer::said(&response)
        );
        return Err(Failure::rejected(detail).with_http_status(response.status()));
    }
    read(&response, &about, None)
}

/// Says how a subscription does.
pub(crate) async fn get(client: &Client, id: &str) -> Result<Subscription, Failure> {
    let about = about(client, id);
    let response = client.ask(&Ask::get(&path(&about, id)?)).await?;
    read(&response, &about, Some(id))
}

/// Ends a subscription.
pub(crate) async fn unsubscribe(client: &Client, id: &str) -> Result<(), Failure> {
    let about = about(client, id);
    let response = client.ask(&Ask::delete(&path(&about, id)?)).await?;
    match response.status() {
        204 => Ok(()),
        _ => verdict::succeeded(Area::Hooks, &response, &about),
    }
}

fn about(client: &Client, id: &str) -> String {
    format!("the subscription {} of {}", Shown(id), Shown(client.integration()))
}

fn path(about: &str, id: &str) -> Result<String, Failure> {
    if segment::is_valid(id) {
        return Ok(format!("{SUBSCRIPTIONS}/{}", segment::encode(id)));
    }
    Err(Failure::new(Reason::NOT_FOUND, format!("{about}: that can be no id, so nothing was asked")))
}

/// Subscriptions take a project by its id alone.
async fn project_id(client: &Client, about: &str, project: &str) -> Result<String, Failure> {
    if is_guid(project) {
        return Ok(project.to_owned());
    }
    let path = format!("_apis/projects/{}", segment::encode(named(about, "project", project)?));
    let response = client.ask(&Ask::get(&path)).await?;
    let found: FoundProject = verdict::object(Area::Code, &response, about, "no project")?;
    match is_guid(&found.id) {
        true => Ok(found.id),
        false => Err(verdict::nonsense(&response, about, "no project")),
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn read(response: &Response, about: &str, id: Option<&str>) -> Result<Subscription, Failure> {
    const NONE: &str = "no such subscription";
    let hook: Hook = verdict::object(Area::Hooks, response, about, NONE)?;
    let is_it = match id {
        Some(id) => hook.id.eq_ignore_ascii_case(id),
        None => segment::is_valid(&hook.id),
    };
    if !is_it {
        return Err(verdict::nonsense(response, about, NONE));
    }
    let (status, detail) = match hook.status.as_str() {
        "enabled" => (SubscriptionStatus::Enabled, String::new()),
        "onProbation" => (
            SubscriptionStatus::OnProbation,
            "deliveries fail, and the service ends them if that goes on: check that it reaches the URL".to_owned(),
        ),
        "disabledBySystem" => (
            SubscriptionStatus::Disabled,
            "the service has ended deliveries, since too many failed: check that it reaches the URL, and subscribe anew"
                .to_owned(),
        ),
        "disabledByUser" => (
            SubscriptionStatus::Disabled,
            "somebody has switched it off: switch it on in the project's service hooks, or subscribe anew".to_owned(),
        ),
        "disabledByInactiveIdentity" => (
            SubscriptionStatus::Disabled,
            "whoever made it is not active any more: subscribe anew".to_owned(),
        ),
        other => (SubscriptionStatus::Disabled, format!("the service calls it {}", Shown(other))),
    };
    Ok(Subscription::new(hook.id, status).with_detail(detail))
}
