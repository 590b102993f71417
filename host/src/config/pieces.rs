//! A TOML file with many repositories, parsed piece by piece: the parser's own tree of such a file weighs more than
//! twenty times the file.
//!
//! A piece is a run of tables `[repositories.…]` of the same name; everything else is the rest. Pieces begin and end
//! where a line looks like a table's header, and each, like the rest, has to be valid by itself. In the rest a
//! numbered header stands wherever pieces were taken out: were that the middle of a text or a list, the header would
//! be an error, or missing from what was parsed. So what is read in pieces reads the same as a whole. Whatever is
//! unusual is not judged here: then the file is parsed as a whole, which finds the words for what is wrong, too.

use figment::value::{Dict, Value};

use super::{
    entries::{Entries, REPOSITORIES},
    strict::Strict,
};

/// What the header of a repository begins with.
const HEADER: &str = "[repositories.";

/// The settings of a file and its repositories, if it has any and can be read in pieces.
pub(super) fn parse(text: &str) -> Option<(Dict, Entries)> {
    let Pieces { rest, cuts, pieces } = Pieces::of(text);
    if pieces.is_empty() {
        return None;
    }
    let mut settings = table(&rest)?;
    let Some(Value::Dict(_, placeholders)) = settings.get_mut(REPOSITORIES) else { return None };
    let is_placeholder = |(key, value): (&String, &Value)| {
        key.parse::<usize>().is_ok() && value.as_dict().is_some_and(Dict::is_empty)
    };
    if placeholders.len() != cuts || !placeholders.iter().all(is_placeholder) {
        return None;
    }
    placeholders.clear();
    let mut entries = Entries::default();
    for piece in pieces {
        let Value::Dict(_, repositories) = table(piece)?.remove(REPOSITORIES)? else { return None };
        for (name, entry) in repositories {
            if !entries.insert(name, &entry) {
                return None;
            }
        }
    }
    Some((settings, entries))
}

fn table(text: &str) -> Option<Dict> {
    match toml::from_str(text).ok()? {
        Strict(Value::Dict(_, table)) => Some(table),
        Strict(_) => None,
    }
}

/// A file's text, cut up.
#[derive(Default)]
struct Pieces<'a> {
    rest: String,
    /// How many placeholders stand in the rest.
    cuts: usize,
    pieces: Vec<&'a str>,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a str) -> Self {
        let mut found = Self::default();
        // Where the piece at hand begins, and the first word of its header.
        let mut open: Option<(usize, &str)> = None;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let header = line.trim_start_matches([' ', '\t']);
            let name = header.strip_prefix(HEADER).and_then(|keys| keys.split(['.', ']']).next());
            match (open, name) {
                (None, None) => found.rest.push_str(line),
                (None, Some(name)) => {
                    found.rest.push_str(&format!("{HEADER}{}]\n", found.cuts));
                    found.cuts += 1;
                    open = Some((at, name));
                }
                (Some((start, last)), Some(name)) if name != last => {
                    found.pieces.push(&text[start..at]);
                    open = Some((at, name));
                }
                (Some((start, _)), None) if header.starts_with('[') => {
                    found.pieces.push(&text[start..at]);
                    found.rest.push_str(line);
                    open = None;
                }
                (Some(_), _) => {}
            }
            at += line.len();
        }
        found.pieces.extend(open.map(|(start, _)| &text[start..]));
        found
    }
}
