//! Asking a running daemon. It is no forge: nothing is repeated, and the operator's proxy is not used.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{BuildError, builder, cause, tls};

/// How long a daemon may take for an answer: it has all of it in memory.
const LIMIT: Duration = Duration::from_secs(10);
const LARGEST_ANSWER_BYTES: usize = 16 << 20;

/// Why a daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There can be no request.
    #[error("no request can be made: {0}")]
    Build(#[from] BuildError),
    /// The token has characters that no header can carry.
    #[error("the token cannot be sent in a header: it is empty, or more than one line")]
    Token,
    /// No answer came.
    #[error("{0}")]
    NoAnswer(String),
    /// There is no end to what came.
    #[error("the answer is longer than {} MiB", LARGEST_ANSWER_BYTES >> 20)]
    TooLong,
}

/// The status and the body of the answer to a GET.
///
/// # Errors
///
/// There is none. No text of it holds the token.
pub async fn ask(
    url: Url,
    token: Option<&SecretString>,
    ca_file: Option<&Path>,
) -> Result<(u16, Vec<u8>), AskError> {
    let authorities = ca_file.map(tls::read).transpose()?;
    let client = builder(ca_file.zip(authorities.as_deref()))?
        .build()
        .map_err(|source| BuildError::Client { source })?;
    let mut request = client.get(url).timeout(LIMIT);
    if let Some(token) = token {
        let value = format!("Bearer {}", token.expose_secret());
        let mut value = HeaderValue::try_from(value).map_err(|_| AskError::Token)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let failed = |error: reqwest::Error| match error.is_timeout() {
        true => AskError::NoAnswer(format!("no answer within {}", humantime::format_duration(LIMIT))),
        false => AskError::NoAnswer(cause::of(&error).text),
    };
    let mut response = request.send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST_ANSWER_BYTES {
            return Err(AskError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status().as_u16(), body))
}
