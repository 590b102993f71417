//! What holds for every answer of every provider.

use forgewatch_plugin_api::{Access, Failure, Reason};

use super::report::Fault;
use super::script::Asked;
use super::subject::Answered;
use crate::text::printable;
use crate::verdict::Outcome;

/// A word that stands in for a credential in bodies and headers of the played forge.
pub(super) const MARKER: &str = "fw-secret-5d41402abc4b2a76";
/// What the host says of a plugin that it does not start any more.
pub(super) const QUARANTINED: &str = "is in quarantine for";
/// Characters of a detail that anybody reads.
const LONGEST_DETAIL: usize = 600;
/// More requests than the check of one repository takes.
const MOST_REQUESTS: usize = 20;

/// Nobody can say.
pub(super) const UNCLEAR: &[Reason] = &[
    Reason::PROVIDER_ERROR,
    Reason::INVALID_RESPONSE,
    Reason::RATE_LIMITED,
    Reason::UNREACHABLE,
    Reason::BASE_URL_UNRESOLVED,
    Reason::TIMED_OUT,
];
/// Anything but access.
pub(super) const NO_ACCESS: &[Reason] = &[
    Reason::UNAUTHORIZED,
    Reason::FORBIDDEN,
    Reason::NOT_FOUND,
    Reason::DISABLED,
    Reason::IDENTITY_INVALID,
    Reason::PROVIDER_ERROR,
    Reason::INVALID_RESPONSE,
    Reason::RATE_LIMITED,
    Reason::UNREACHABLE,
    Reason::BASE_URL_UNRESOLVED,
    Reason::TIMED_OUT,
];

/// What a case asks for, and what to do where something else comes.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) reasons: &'static [Reason],
    pub(super) to_do: &'static str,
}

impl Expected {
    fn words(&self) -> String {
        if self.reasons == UNCLEAR {
            return "an indeterminate answer".to_owned();
        }
        if self.reasons == NO_ACCESS {
            return "no access".to_owned();
        }
        let words: Vec<_> = self.reasons.iter().map(|reason| word(*reason)).collect();
        words.join(" or ")
    }

    /// Judges an answer that must not be access, and everything that was done for it.
    pub(super) fn judge(&self, answered: &Answered) -> Result<(), Fault> {
        let failure = match &answered.answer {
            Ok(_) => return Err(Fault::new(self.words(), "granted", self.to_do)),
            Err(failure) => failure,
        };
        is_answer(failure, &self.words())?;
        refused(&answered.asked)?;
        self.judge_failure(failure)?;
        requests(&answered.asked)
    }

    /// Judges a failure alone.
    pub(super) fn judge_failure(&self, failure: &Failure) -> Result<(), Fault> {
        is_answer(failure, &self.words())?;
        if !self.reasons.contains(&failure.reason()) {
            return Err(Fault::new(self.words(), shown(failure), self.to_do));
        }
        detail(failure.detail())?;
        if failure.detail().is_empty() {
            return Err(Fault::new(
                "a detail: what was seen and what to do about it",
                format!("{} without a word", word(failure.reason())),
                "give every Failure one sentence",
            ));
        }
        Ok(())
    }
}

/// A plugin that failed has not answered.
fn is_answer(failure: &Failure, expected: &str) -> Result<(), Fault> {
    let (reason, came) = (failure.reason(), shown(failure));
    if reason == Reason::PLUGIN_FAILED {
        let is = |what: &str| failure.detail().contains(what);
        let to_do = if is(QUARANTINED) {
            "fix your code: the end of what came is what it died of, in this case or in one before"
        } else if is("panicked") {
            "find the panic: no input may reach an unwrap, an index or an assertion"
        } else if is("no sign of life") {
            "fix your code: it keeps its thread; end every loop, and await in place of blocking"
        } else if is("it aborted") {
            "fix your code: find what aborts, like one allocation beyond the limit or `panic = \"abort\"`"
        } else if is("failed here twice") {
            "fix your code: it ends the process that it runs in"
        } else {
            "answer with what was seen; `plugin_failed` is for hosts"
        };
        return Err(Fault::new(expected, came, to_do));
    }
    let is_known = (1..=Reason::PLUGIN_FAILED.code()).contains(&reason.code());
    let to_do = "answer with one of the constants of Reason";
    if is_known { Ok(()) } else { Err(Fault::new(expected, came, to_do)) }
}

/// Judges an answer that has to be access.
pub(super) fn granted(answered: &Answered) -> Result<(), Fault> {
    match &answered.answer {
        Ok(access) => {
            detail(access.detail())?;
            requests(&answered.asked)
        }
        Err(failure) => {
            let unrecorded = answered.asked.iter().find(|asked| asked.is_unrecorded);
            let to_do = match unrecorded {
                Some(asked) => format!("record an answer to {}", asked.shown()),
                None => {
                    "compare the recorded answers with what the forge sends, and the plugin with both".into()
                }
            };
            Err(Fault::new("granted", shown(failure), to_do))
        }
    }
}

/// Judges an answer of which nothing is known but that no outage may become a denial.
pub(super) fn no_loss(answered: &Answered, to_do: &str) -> Result<(), Fault> {
    match &answered.answer {
        Ok(access) => detail(access.detail())?,
        Err(failure) => Expected { reasons: UNCLEAR, to_do: "an outage is no loss" }
            .judge_failure(failure)
            .map_err(|fault| Fault { to_do: to_do.to_owned(), ..fault })?,
    }
    requests(&answered.asked)
}

/// Whether a plugin asked for what the host does not send.
pub(super) fn refused(asked: &[Asked]) -> Result<(), Fault> {
    let refusal = asked.iter().find_map(|asked| Some((asked, asked.refusal.as_ref()?)));
    refusal.map_or(Ok(()), |(asked, refusal)| {
        Err(Fault::new(
            "GET and HEAD requests to the integration's base URL and the hosts of the manifest",
            format!("{}, refused by the host: {}", asked.shown(), refusal.detail()),
            "ask the integration's own forge; never follow a redirect by hand to another host",
        ))
    })
}

/// What a plugin asked: no more than it may, and with the identity whose access is in question.
fn requests(asked: &[Asked]) -> Result<(), Fault> {
    refused(asked)?;
    if asked.len() > MOST_REQUESTS {
        return Err(Fault::new(
            format!("at most {MOST_REQUESTS} requests for one repository"),
            format!("{} requests", asked.len()),
            "leave repetitions to the host, and end every loop after a few turns",
        ));
    }
    if asked.is_empty() {
        return Err(Fault::new(
            "a request to the forge",
            "an answer without any request",
            "ask the forge before you answer",
        ));
    }
    if !asked.iter().any(|asked| asked.with_credential) {
        return Err(Fault::new(
            "a request with the integration's credential",
            "none asked for it: what anybody may read says nothing of the identity",
            "add `.with_authentication(…)` to the request",
        ));
    }
    Ok(())
}

/// A sentence for a tired operator.
pub(super) fn detail(detail: &str) -> Result<(), Fault> {
    let fault =
        |expected: &str, to_do: &str| Err(Fault::new(expected, format!("the detail \"{detail}\""), to_do));
    if detail.contains(MARKER) {
        return fault(
            "a detail without what the forge echoes of a credential",
            "say what was seen in words of your own; never repeat a whole body or a header",
        );
    }
    if detail.chars().count() > LONGEST_DETAIL {
        return fault(
            &format!("a detail of at most {LONGEST_DETAIL} characters"),
            "say it in one sentence, and cut what comes from the forge",
        );
    }
    if printable(detail, LONGEST_DETAIL) != detail {
        return fault(
            "a detail that a terminal shows as it is",
            "escape what comes from the forge or the configuration, as `{:?}` does",
        );
    }
    Ok(())
}

/// A reason's word.
pub(super) fn word(reason: Reason) -> &'static str {
    Outcome::from(Failure::new(reason, "")).reason.as_str()
}

pub(super) fn shown(failure: &Failure) -> String {
    let outcome = Outcome::from(failure.clone());
    format!("{}: {}", outcome.reason.as_str(), outcome.detail)
}

/// An answer in one word, to compare it with others.
pub(super) fn answer_word(answer: &Result<Access, Failure>) -> &'static str {
    match answer {
        Ok(_) => "granted",
        Err(failure) => word(failure.reason()),
    }
}
