//! Where a secret is kept. Configuration never holds a secret itself, so references can be shown freely.

use std::{borrow::Cow, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::values::VARIABLE_FORMAT;

/// A reference to a secret, read when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// The name of an environment variable.
    Env(String),
    /// A file, absolute once loaded.
    File(PathBuf),
    /// A program and its arguments, run without a shell; its standard output is the secret.
    Command(Vec<String>),
}

/// How to write a reference; part of every message about a wrong one.
pub(super) const HELP: &str =
    "write { env = \"NAME\" }, { file = \"/path\" } or { command = [\"program\", \"argument\"] }";

// By hand, as one object rather than a choice of three, so that each mistake has a message of its own.
impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret is kept: exactly one of `env`, `file` and `command`. Never the secret itself.",
            "type": "object",
            "properties": {
                "env": { "type": "string", "format": VARIABLE_FORMAT, "description": "Name of an environment variable." },
                "file": { "type": "string", "minLength": 1, "description": "File that holds the secret; relative to the file that says so." },
                "command": {
                    "type": "array", "minItems": 1, "items": { "type": "string" },
                    "description": "Program and arguments whose standard output is the secret; run without a shell."
                }
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1
        })
    }
}
