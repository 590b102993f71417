//! What the recorded answers lead to, and what becomes of them when they are not whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forgewatch_plugin_api::{BodyState, Failure, Reason, Response};
use serde_json::Value;

use super::Replay;
use super::answers::{LIMITED, OUTAGE, answer};
use super::report::{Run, Stop};
use super::rules::{Expected, NO_ACCESS, UNCLEAR, granted, no_loss};
use super::script::{Reply, Script};
use super::subject::Subject;

const GROUP: &str = "recorded answers";
const MEAN_ACCESS: &str = "they mean access";
const WITHOUT: &str = "give recorded answers that mean access with --replay";

/// Parts into which bodies are cut.
const PARTS: usize = 8;
/// More fields than a body is tried without.
const MOST_FIELDS: usize = 40;

const CUT: Expected = Expected {
    reasons: UNCLEAR,
    to_do: "look at `body_state()` and read the whole body before it is believed; else Reason::INVALID_RESPONSE",
};
const DENYING: &[(u16, Expected)] =
    &[(401, BY_STATUS), (403, BY_STATUS), (404, BY_STATUS), (429, LIMITED), (500, OUTAGE), (503, OUTAGE)];
const BY_STATUS: Expected =
    Expected { reasons: NO_ACCESS, to_do: "look at the status before the body, whatever the body says" };

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    let Some(replay) = &subject.replay else {
        return run.case(GROUP, MEAN_ACCESS, async { Err(Stop::skip(WITHOUT)) }).await;
    };
    let answered = subject.check(replay.script()).await;
    let is_recorded = answered.answer.is_ok() || !answered.asked.iter().any(|asked| asked.is_unrecorded);
    run.case(GROUP, MEAN_ACCESS, async { Ok(granted(&answered)?) }).await;
    if !is_recorded {
        let rest = async { Err(Stop::skip("see the first: an answer has to be recorded")) };
        return run.case(GROUP, "cut off, with other statuses, and with odd fields", rest).await;
    }
    statuses(run, subject, replay).await;
    cuts(run, subject, replay).await;
    fields(run, subject, replay).await;
    later_requests(run, subject, replay).await;
}

/// The body says yes and the status says no.
async fn statuses(run: &mut Run, subject: &Subject, replay: &Replay) {
    for (status, expected) in DENYING {
        let script = replay.script_with(|_, recorded| Response::new(*status, recorded.body.as_bytes()));
        run.case(GROUP, format!("their bodies with status {status}"), async {
            Ok(expected.judge(&subject.check(script).await)?)
        })
        .await;
    }
}

/// All bodies cut at once: whatever the plugin reads, there is less of it.
async fn cuts(run: &mut Run, subject: &Subject, replay: &Replay) {
    for part in 0..PARTS {
        let script = replay.script_with(move |_, recorded| {
            recorded.with_body(cut(&recorded.body, part)).with_body_state(BodyState::CUT_OFF)
        });
        run.case(GROUP, format!("cut off after {part}/{PARTS}"), async {
            Ok(CUT.judge(&subject.check(script).await)?)
        })
        .await;
    }
    // A beginning of JSON is none, so it can be told even where nobody saw it being cut.
    if replay.answers.iter().all(|recorded| object(&recorded.body).is_some()) {
        run.case(GROUP, "cut off unseen, at every eighth", async {
            for part in 1..PARTS {
                let script =
                    replay.script_with(move |_, recorded| recorded.with_body(cut(&recorded.body, part)));
                CUT.judge(&subject.check(script).await)?;
            }
            Ok(())
        })
        .await;
    }
    run.case(GROUP, "whole, but said to be cut off", async {
        let script =
            replay.script_with(|_, recorded| recorded.response().with_body_state(BodyState::CUT_OFF));
        Ok(CUT.judge(&subject.check(script).await)?)
    })
    .await;
    run.case(GROUP, "too large", async {
        let script =
            replay.script_with(|_, recorded| recorded.with_body("").with_body_state(BodyState::TOO_LARGE));
        Ok(CUT.judge(&subject.check(script).await)?)
    })
    .await;
}

fn cut(body: &str, part: usize) -> &[u8] {
    &body.as_bytes()[..body.len() * part / PARTS]
}

fn object(body: &str) -> Option<serde_json::Map<String, Value>> {
    match serde_json::from_str(body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// Fields that are missing or something else. What of them is needed is the forge's affair; nothing may panic, and
/// nothing odd is an outage's or a loss's proof.
async fn fields(run: &mut Run, subject: &Subject, replay: &Replay) {
    let names = replay.answers.iter().filter_map(|recorded| object(&recorded.body));
    let names: std::collections::BTreeSet<String> =
        names.flat_map(|object| object.into_iter().map(|it| it.0)).collect();
    for name in names.into_iter().take(MOST_FIELDS) {
        run.case(GROUP, format!("without or with an odd `{name}`"), async {
            for odd in [None, Some(Value::Null), Some(Value::from(-1)), Some(Value::Array(Vec::new()))] {
                let field = name.clone();
                let script = replay.script_with(move |_, recorded| match object(&recorded.body) {
                    Some(object) => recorded.with_body(changed(object, &field, odd.as_ref())),
                    None => recorded.response(),
                });
                let answered = subject.check(script).await;
                if answered.answer.is_err() {
                    let expected = Expected {
                        reasons: NO_ACCESS,
                        to_do: "answer Reason::INVALID_RESPONSE to a body that makes no sense",
                    };
                    expected.judge(&answered)?;
                }
            }
            Ok(())
        })
        .await;
    }
}

fn changed(mut object: serde_json::Map<String, Value>, name: &str, odd: Option<&Value>) -> String {
    if let Some(value) = object.get_mut(name) {
        match odd {
            Some(odd) => *value = odd.clone(),
            None => drop(object.shift_remove(name)),
        }
    }
    Value::Object(object).to_string()
}

/// The forge fails in the middle of a check that takes several requests.
async fn later_requests(run: &mut Run, subject: &Subject, replay: &Replay) {
    let requests = subject.check(replay.script()).await.asked.len();
    let unreachable = Failure::new(Reason::UNREACHABLE, "no answer to GET: timed out after 10 s");
    for number in 1..requests.min(5) {
        run.case(GROUP, format!("an outage at request {}", number + 1), async {
            for reply in [Ok(answer(500, None)), Ok(answer(429, Some("30"))), Err(unreachable.clone())] {
                let (recorded, sent) = (replay.script(), Arc::new(AtomicUsize::new(0)));
                let script = Script::new(move |request| {
                    match (sent.fetch_add(1, Ordering::Relaxed) < number, &reply) {
                        (true, _) => recorded.reply(request),
                        (false, Ok(response)) => Reply::Answer(response.clone()),
                        (false, Err(failure)) => Reply::Failure(failure.clone()),
                    }
                });
                no_loss(&subject.check(script).await, OUTAGE.to_do)?;
            }
            Ok(())
        })
        .await;
    }
}
