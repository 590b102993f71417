//! Looking for a secret in every form in which it may turn up.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The forms of one secret.
pub struct Haystack {
    secret: String,
    forms: Vec<String>,
}

impl Haystack {
    /// The forms of this one.
    pub fn new(secret: &str) -> Self {
        let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let json = serde_json::Value::from(secret).to_string();
        let mut forms = vec![
            secret.to_owned(),
            percent.to_lowercase(),
            percent,
            form,
            json[1..json.len() - 1].to_owned(),
            format!("{secret:?}").trim_matches('"').to_owned(),
        ];
        for offset in 0..3 {
            forms.push(inner_piece(&STANDARD, secret, offset));
            forms.push(inner_piece(&URL_SAFE, secret, offset));
        }
        forms.sort();
        forms.dedup();
        Self { secret: secret.to_owned(), forms }
    }

    /// Checks that none of them is in `hay`, which `place` names.
    ///
    /// # Panics
    /// If one is.
    #[track_caller]
    pub fn assert_absent_from(&self, hay: &[u8], place: &str) {
        let hay = String::from_utf8_lossy(hay);
        for form in &self.forms {
            if let Some(at) = hay.find(form.as_str()) {
                let start = (0..=at.saturating_sub(200)).rev().find(|at| hay.is_char_boundary(*at));
                let shown = &hay[start.unwrap_or_default()..at + form.len()];
                panic!("`{}` is in {place}, as `{form}`: …{shown}", self.secret);
            }
        }
    }
}

/// What is always the same in the base64 of a text that holds `secret` after 3 n + `offset` bytes.
fn inner_piece(engine: &impl Engine, secret: &str, offset: usize) -> String {
    let encoded = engine.encode([&vec![0; offset], secret.as_bytes()].concat());
    let whole = (offset + secret.len()) * 8 / 6;
    encoded[(offset * 8).div_ceil(6)..whole].to_owned()
}

/// All files below a folder, without those whose own or whose folder's name is among `but`.
///
/// # Panics
/// If a folder cannot be listed.
pub fn files(folder: &Path, but: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if but.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path, but)),
            path => found.push(path),
        }
    }
    found
}
