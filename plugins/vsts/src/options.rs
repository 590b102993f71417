//! The provider's options, as `options.schema.json` describes them.

use forgewatch_plugin_api::tracing;
use serde::Deserialize;

const ACCOUNT_LOOKUP_URL: &str = "https://app.vssps.visualstudio.com/_apis/resourceareas/\
    79134C72-4A58-4B42-976C-04E7115F32BF?hostId={account_id}&api-version=5.0-preview.1";

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    /// On-premises servers: everything before the collection.
    pub(crate) server_roots: Vec<String>,
    /// Holds `{account_id}`.
    pub(crate) account_lookup_url: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { server_roots: Vec::new(), account_lookup_url: ACCOUNT_LOOKUP_URL.to_owned() }
    }
}

impl Options {
    /// Reads what the host has checked against the schema already, so a fault here is a host's.
    pub(crate) fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_else(|error| {
            tracing::warn!(%error, "the provider's options do not fit their schema and are left out");
            Self::default()
        })
    }
}
