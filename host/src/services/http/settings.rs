//! How the client is set up, and what can be wrong with that.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Proxy;

use crate::text::mask_url;

/// The settings of an [`HttpClient`](super::HttpClient).
#[derive(Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// For a whole request; a plugin may ask for another, up to six times as long.
    pub timeout: Duration,
    /// A PEM file whose certificates are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The URL of a proxy for all requests, perhaps with user name and password.
    pub proxy: Option<String>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// The largest decoded body that is taken.
    pub max_response_bytes: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            ca_file: None,
            proxy: None,
            concurrency: 64,
            max_response_bytes: 16 * 1024 * 1024,
        }
    }
}

impl HttpSettings {
    /// The proxy, and how it may be shown.
    pub(super) fn proxy(&self) -> Result<Option<(Proxy, String)>, BuildError> {
        let Some(text) = &self.proxy else {
            return Ok(None);
        };
        let shown = mask_url(text).into_owned();
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match (scheme.as_deref(), Proxy::all(text)) {
            (Some("http" | "https"), Ok(proxy)) => Ok(Some((proxy, shown))),
            _ => Err(BuildError::Proxy { shown }),
        }
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("timeout", &self.timeout)
            .field("ca_file", &self.ca_file)
            .field("proxy", &self.proxy.as_deref().map(mask_url))
            .field("concurrency", &self.concurrency)
            .field("max_response_bytes", &self.max_response_bytes)
            .finish()
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The certificates cannot be read.
    #[error("`{}` cannot be used: {problem}", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What was seen.
        problem: String,
    },
    /// The proxy is no usable URL.
    #[error("`{shown}` cannot be used: give a URL such as http://proxy.example:3128")]
    Proxy {
        /// The setting without user information.
        shown: String,
    },
    /// The TLS set-up failed.
    #[error("the TLS client cannot be set up")]
    Tls {
        /// What was seen.
        source: rustls::Error,
    },
    /// The client failed.
    #[error("the HTTP client cannot be set up")]
    Client {
        /// What was seen.
        source: reqwest::Error,
    },
}
