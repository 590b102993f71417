//! The answer about one repository, as extensions carry it.

use serde::{Deserialize, Serialize};

use crate::types::{Access, Failure, Reason};

/// Access, with reason 0, or a failure.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    #[serde(skip_serializing_if = "is_zero")]
    reason: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(reason: &u32) -> bool {
    *reason == 0
}

impl From<&Result<Access, Failure>> for Said {
    fn from(answer: &Result<Access, Failure>) -> Self {
        match answer {
            Ok(access) => Self { detail: access.detail().to_owned(), ..Self::default() },
            Err(failure) => Self {
                reason: failure.reason().code(),
                detail: failure.detail().to_owned(),
                http_status: failure.http_status(),
                retry_after_s: failure.retry_after_s(),
            },
        }
    }
}

impl From<Said> for Result<Access, Failure> {
    fn from(said: Said) -> Self {
        if said.reason == 0 {
            return Ok(Access::granted().with_detail(said.detail));
        }
        let mut failure = Failure::new(Reason::from_code(said.reason), said.detail);
        if let Some(status) = said.http_status {
            failure = failure.with_http_status(status);
        }
        if let Some(seconds) = said.retry_after_s {
            failure = failure.with_retry_after_s(seconds);
        }
        Err(failure)
    }
}
