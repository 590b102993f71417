//! What the answer to a message means: taken, not now, or never.
//!
//! What may be put right at the other side or in the configuration is a matter of time, so that the message arrives
//! once somebody has. Never is what the message itself may be to blame for; it is tried again all the same, in smaller
//! parts and after the others.

use super::Refusal;
use crate::services::http::Reply;

/// What came of a POST.
pub(super) fn judged(reply: Result<Reply, String>) -> Result<(), Refusal> {
    let Reply { status, retry_after, said } = match reply {
        Ok(reply) => reply,
        Err(detail) => return Err(Refusal::Unavailable { detail, retry_after: None }),
    };
    let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
    let unavailable = |help: &str| Refusal::Unavailable {
        detail: format!("it answers {status}{said}: {help}"),
        retry_after,
    };
    let refused = |help: &str| Refusal::Refused { detail: format!("it answers {status}{said}: {help}") };
    Err(match status {
        200..300 => return Ok(()),
        300..400 => refused("redirects are not followed; give the address that it leads to"),
        401 => unavailable("look at its `authorization` or its address"),
        // What stands before a receiver, or the receiver itself, may be at odds with one message alone.
        403 | 500 => refused("look whether it fails for all or for this message, and at what it permits"),
        404 | 410 => unavailable("nobody is there; look at its address"),
        408 | 425 | 429 => unavailable("it takes nothing at the moment"),
        400..500 => refused("it does not take such a message; look at its address and at what it expects"),
        500..600 => unavailable("it is in trouble"),
        _ => unavailable("that is no sensible status; look at its address"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(status: u16) -> Result<(), Refusal> {
        judged(Ok(Reply { status, retry_after: Some(Duration::from_secs(7)), said: "no_team".to_owned() }))
    }

    #[test]
    fn only_what_the_message_is_to_blame_for_is_final() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status), Ok(()));
        }
        for status in [300, 301, 302, 304, 307, 308, 400, 402, 403, 405, 406, 409, 413, 415, 422, 451, 500] {
            let Err(Refusal::Refused { detail }) = of(status) else { panic!("{status}") };
            assert!(detail.starts_with(&format!("it answers {status} (no_team): ")), "{detail}");
        }
        for status in [100, 101, 401, 404, 408, 410, 425, 429, 501, 502, 503, 504, 599, 600, 999] {
            let Err(Refusal::Unavailable { retry_after, .. }) = of(status) else { panic!("{status}") };
            assert_eq!(retry_after, Some(Duration::from_secs(7)), "{status}");
        }
    }

    #[test]
    fn no_answer_may_become_one() {
        let expected = Refusal::Unavailable { detail: "no answer: x".to_owned(), retry_after: None };
        assert_eq!(judged(Err("no answer: x".to_owned())), Err(expected));
    }
}
