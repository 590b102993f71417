//! The table `repositories`, apart from all other settings: there may be a hundred thousand of them, and a tree of
//! values weighs more than ten times what it was read from.
//!
//! Each entry waits here as JSON text until it is validated and typed, one after the other. Entries of one name in
//! several layers are merged by figment, like everything else. A `repositories` that is no table stays where it was.

use std::collections::BTreeMap;

use figment::{
    Figment,
    value::{Dict, Value},
};

use super::{
    layers::{Once, whole_numbers},
    strict::Strict,
};

/// The name of the table.
pub(super) const REPOSITORIES: &str = "repositories";

/// Entries by name.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<String, Box<str>>);

impl Entries {
    /// Takes the entries out of `settings` and leaves an empty table in their place.
    pub(super) fn taken_from(settings: &mut Dict) -> Self {
        let mut entries = Self::default();
        if let Some(Value::Dict(_, table)) = settings.get_mut(REPOSITORIES) {
            let table = std::mem::take(table).into_iter();
            entries.0.extend(table.map(|(name, entry)| (name, text(&entry))));
        }
        entries
    }

    /// Adds an entry; false if there is one of this name, which stays.
    #[must_use]
    pub(super) fn insert(&mut self, name: String, entry: &Value) -> bool {
        let is_new = !self.0.contains_key(&name);
        if is_new {
            self.0.insert(name, text(entry));
        }
        is_new
    }

    /// Merges the `repositories` of a later layer, of which `settings` holds the rest.
    pub(super) fn merge(&mut self, settings: &Dict, later: Self) {
        // What is no table hides what earlier layers say.
        if settings.get(REPOSITORIES).is_some_and(|it| it.as_dict().is_none()) {
            self.0.clear();
        }
        if self.0.is_empty() {
            self.0 = later.0;
            return;
        }
        for (name, entry) in later.0 {
            let entry = match self.0.get(&name) {
                Some(earlier) => merged(earlier, &entry),
                None => entry,
            };
            self.0.insert(name, entry);
        }
    }

    /// One entry after the other, by name; each is let go of as it is asked for.
    pub(super) fn into_values(self) -> impl Iterator<Item = (String, serde_json::Value)> {
        self.0.into_iter().map(|(name, text)| {
            let mut entry = serde_json::from_str(&text).unwrap_or_default();
            whole_numbers(&mut entry);
            (name, entry)
        })
    }
}

/// Two entries of one name as figment merges them.
fn merged(earlier: &str, later: &str) -> Box<str> {
    let layer = |text| {
        let Strict(entry) = serde_json::from_str(text).ok()?;
        Some(Once::new("entry", [("entry".to_owned(), entry)].into()))
    };
    let figment = layer(earlier).into_iter().chain(layer(later)).fold(Figment::new(), Figment::merge);
    figment.find_value("entry").map_or_else(|_| later.into(), |entry| text(&entry))
}

fn text(entry: &Value) -> Box<str> {
    // Writing fails for keys that are no text, which no format has here.
    serde_json::to_string(entry).unwrap_or_else(|_| "null".to_owned()).into()
}
