//! What the forge can answer to any request, and what must become of it.

use forgewatch_plugin_api::{Failure, REFUSED, Reason, Request, Response};

use super::report::{Fault, Run, Stop};
use super::rules::{Expected, MARKER, NO_ACCESS, UNCLEAR, shown};
use super::script::{Reply, Script};
use super::subject::{Answered, Subject};

const GROUP: &str = "answers";

/// Seconds that a limit asks for.
const WAIT_S: u64 = 30;

const UNAUTHORIZED: Expected = Expected {
    reasons: &[Reason::UNAUTHORIZED, Reason::IDENTITY_INVALID],
    to_do: "answer Reason::UNAUTHORIZED to 401: the credential has to be renewed",
};
const FORBIDDEN: Expected = Expected {
    reasons: &[Reason::FORBIDDEN, Reason::RATE_LIMITED],
    to_do: "answer Reason::FORBIDDEN to 403, unless the answer says that it is a limit",
};
const NOT_FOUND: Expected = Expected {
    reasons: &[Reason::NOT_FOUND, Reason::DISABLED],
    to_do: "answer Reason::NOT_FOUND to 404: a repository that is gone is a loss and no outage",
};
const GONE: Expected = Expected {
    reasons: &[Reason::NOT_FOUND, Reason::DISABLED, Reason::INVALID_RESPONSE, Reason::PROVIDER_ERROR],
    to_do: "answer Reason::NOT_FOUND to 410, or Reason::INVALID_RESPONSE where the forge never says that",
};
pub(super) const LIMITED: Expected = Expected {
    reasons: &[Reason::RATE_LIMITED],
    to_do: "answer Reason::RATE_LIMITED to 429: a limit is neither a loss nor an outage",
};
pub(super) const OUTAGE: Expected = Expected {
    reasons: UNCLEAR,
    to_do: "answer Reason::PROVIDER_ERROR to 5xx: an outage that is called a loss wakes somebody up for nothing",
};
pub(super) const NO_ANSWER: Expected = Expected {
    reasons: UNCLEAR,
    to_do: "pass the host's failure on with `?`: without an answer nothing is known",
};
const ELSEWHERE: Expected = Expected {
    reasons: NO_ACCESS,
    to_do: "a redirect is no access: say where it leads, or ask once there if that is the integration's own forge",
};
const NO_CREDENTIAL: Expected = Expected {
    reasons: &[Reason::IDENTITY_INVALID, Reason::UNAUTHORIZED],
    to_do: "pass the host's failure on with `?`",
};

/// Statuses, with the header that matters, and what must become of them.
const STATUSES: &[(u16, Option<&str>, Expected)] = &[
    (401, None, UNAUTHORIZED),
    (403, None, FORBIDDEN),
    (404, None, NOT_FOUND),
    (410, None, GONE),
    (429, Some("30"), LIMITED),
    (429, None, LIMITED),
    (500, None, OUTAGE),
    (502, None, OUTAGE),
    (503, None, OUTAGE),
    (503, Some("30"), OUTAGE),
    (504, None, OUTAGE),
];

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    for (status, retry_after, expected) in STATUSES {
        let name = match retry_after {
            Some(seconds) => format!("{status} with Retry-After: {seconds}"),
            None => status.to_string(),
        };
        let script = Script::answer(answer(*status, *retry_after));
        run.case(GROUP, name, async {
            let answered = under(subject, script, *expected).await?;
            answered.iter().filter(|_| retry_after.is_some()).try_for_each(hint).map_err(Stop::from)
        })
        .await;
    }
    for status in REDIRECTS {
        let away = "https://elsewhere.example/moved";
        let script = Script::answer(answer(status, None).with_header("Location", away));
        run.case(GROUP, format!("{status} to another host"), async {
            under(subject, script, ELSEWHERE).await.map(drop)
        })
        .await;
        let script = Script::new(move |request: &Request| {
            Reply::Answer(answer(status, None).with_header("Location", request.url()))
        });
        run.case(GROUP, format!("{status} to itself"), async {
            under(subject, script, ELSEWHERE).await.map(drop)
        })
        .await;
    }
    from_the_host(run, subject).await;
}

/// Failures that come in place of an answer.
async fn from_the_host(run: &mut Run, subject: &Subject) {
    let unreachable = Failure::new(Reason::UNREACHABLE, "no answer to GET: timed out after 10 s");
    run.case(GROUP, "no answer: the host says unreachable", async {
        under(subject, Script::failure(unreachable), NO_ANSWER).await.map(drop)
    })
    .await;
    let line = "write `allow_hosts = [\"forge.example\"]`";
    let refused = Failure::new(Reason::UNREACHABLE, format!("not requested: {line}"));
    let refused = refused.with_attribute(REFUSED, "true");
    run.case(GROUP, "a request that the host refuses", async {
        let answered = under(subject, Script::failure(refused), NO_ANSWER).await?;
        let lost =
            answered.iter().find_map(|it| it.answer.as_ref().err().filter(|it| !it.detail().contains(line)));
        lost.map_or(Ok(()), |failure| {
            let to_do = "pass the host's failure on with `?`, or keep its words in yours";
            Err(Fault::new("the line of configuration that the host names", shown(failure), to_do).into())
        })
    })
    .await;
    let invalid = Failure::new(Reason::IDENTITY_INVALID, "the integration has no usable credential");
    run.case(GROUP, "no usable credential: the host says identity_invalid", async {
        under(subject, Script::failure(invalid), NO_CREDENTIAL).await.map(drop)
    })
    .await;
}

/// Asks under a script: with a client that is there, and from the beginning where making one asks the forge too.
pub(super) async fn under(
    subject: &Subject,
    script: Script,
    expected: Expected,
) -> Result<Vec<Answered>, Stop> {
    let mut all = vec![subject.check(script.clone()).await];
    if subject.asks_for_clients {
        all.push(subject.check_all(script, subject.integration()).await);
    }
    all.iter().try_for_each(|answered| expected.judge(answered))?;
    Ok(all)
}

/// The host takes the wait from the last answer, unless the plugin names another.
fn hint(answered: &Answered) -> Result<(), Fault> {
    match answered.answer.as_ref().err().and_then(Failure::retry_after_s) {
        Some(seconds) if seconds < WAIT_S => Err(Fault::new(
            format!("a wait of the {WAIT_S} s that the forge asks for"),
            format!("{seconds} s"),
            "leave `with_retry_after_s` out: the host reads Retry-After itself",
        )),
        _ => Ok(()),
    }
}

/// An answer of a forge that echoes what it should not.
pub(super) fn answer(status: u16, retry_after: Option<&str>) -> Response {
    let body = format!(
        "{{\"message\": \"refused\\u001b[31m by the played forge\", \"code\": \"played\", \"documentation\": \
         \"https://forge.example/docs\", \"request\": {{\"authorization\": \"Bearer {MARKER}\"}}}}"
    );
    let response = Response::new(status, body.into_bytes())
        .with_header("Content-Type", "application/json")
        .with_header("X-Echo-Authorization", &format!("Bearer {MARKER}"));
    match retry_after {
        Some(seconds) => response.with_header("Retry-After", seconds),
        None => response,
    }
}
