//! How the client is set up, and what can be wrong with that.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{NoProxy, Proxy};

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
    /// Hosts, domains with all below them, addresses and networks that are asked without it.
    pub no_proxy: Vec<String>,
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
            no_proxy: Vec::new(),
            concurrency: 64,
            max_response_bytes: 16 * 1024 * 1024,
        }
    }
}

impl HttpSettings {
    /// The proxy, which `also` these hosts are asked without, and what to add to a failure of a request that went
    /// through it.
    pub(super) fn proxy(&self, also: Option<&str>) -> Result<Option<(Proxy, String)>, BuildError> {
        let Some(text) = &self.proxy else {
            return Ok(None);
        };
        let shown = mask_url(text).into_owned();
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match (scheme.as_deref(), Proxy::all(text)) {
            (Some("http" | "https"), Ok(proxy)) => {
                let unless =
                    if self.no_proxy.is_empty() { "" } else { ", unless `http.no_proxy` has its host" };
                let without: Vec<&str> = self.no_proxy.iter().map(String::as_str).chain(also).collect();
                let via = format!(" (through the proxy `{shown}`{unless})");
                Ok(Some((proxy.no_proxy(NoProxy::from_string(&without.join(","))), via)))
            }
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
            .field("no_proxy", &self.no_proxy)
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
