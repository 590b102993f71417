//! What the service refuses here, in its own form.

use serde_json::json;

use crate::fake::answers::Answer;
use crate::fake::catalogue::exception;

const WORK_ITEMS: (&str, &str) =
    ("Microsoft.TeamFoundation.WorkItemTracking.Server", "Microsoft.TeamFoundation.WorkItemTracking.Server");
const WEB_API: (&str, &str) =
    ("Microsoft.VisualStudio.Services.WebApi", "Microsoft.VisualStudio.Services.WebApi");
const HOOKS: (&str, &str) =
    ("Microsoft.VisualStudio.Services.ServiceHooks", "Microsoft.VisualStudio.Services.ServiceHooks.WebApi");

fn fails(status: u16, home: (&str, &str), key: &str, message: &str) -> Answer {
    Answer::json(status, &exception(home.0, home.1, key, message))
}

pub(super) fn no_work_item(id: u64) -> Answer {
    let message = format!("TF401232: work item {id} is not there, or not for you");
    fails(404, WORK_ITEMS, "WorkItemUnauthorizedAccessException", &message)
}

pub(super) fn no_kind(kind: &str) -> Answer {
    let message = format!("VS402323: no type {kind} of work items here");
    fails(404, WORK_ITEMS, "WorkItemTypeNotFoundException", &message)
}

pub(super) fn bad_value(field: &str, value: &str) -> Answer {
    let message = format!("TF401320: the rules of field {field} do not take {value}");
    let mut body = exception(WORK_ITEMS.0, WORK_ITEMS.1, "RuleValidationException", &message);
    body["customProperties"] = json!({"FieldReferenceName": field});
    Answer::json(400, &body)
}

pub(super) fn bad_patch(message: &str) -> Answer {
    fails(400, WEB_API, "VssPropertyValidationException", message)
}

pub(super) fn conflict(status: u16) -> Answer {
    fails(status, WEB_API, "TestPatchOperationFailedException", "VS403351: the test of path /rev has failed")
}

pub(super) fn no_subscription(id: &str) -> Answer {
    fails(404, HOOKS, "SubscriptionNotFoundException", &format!("no subscription {id}"))
}
