//! The lock file: which build of each plugin the operator chose, and which of its wishes they granted.
//!
//! With a lock file in use a plugin's code runs only when the hash of its bytes is in there under its key. A host
//! is approved only for that build, and only while its manifest wishes for it; the manifest alone grants nothing.
//! The file is TOML, made to be reviewed and kept under version control: sorted by key, one host a line.
//!
//! Nothing is fetched and nothing is signed: who may write the file decides what runs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forgewatch_plugin_api::manifest::{Manifest, is_key};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::file::{PluginFile, Refusal};
use crate::config::{HostPort, Loaded, Problem, Source};
use crate::text::printable;

/// The only version of the format so far.
const VERSION: i64 = 1;

const HEADER: &str = "\
# Which plugin files Forgewatch may open, and which hosts they may reach beside their integrations.
# Written by `forgewatch plugin lock`, which keeps no comments: review it, and keep it with the configuration.
";

/// What a lock file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The locked plugins by key.
    pub plugins: BTreeMap<String, Locked>,
}

/// One locked plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// SHA-256 of the file's bytes, in lower-case hexadecimal.
    #[serde(deserialize_with = "sha256")]
    pub sha256: String,
    /// The version that it gave itself; for people.
    pub version: String,
    /// The file's name without its folder; for people, not compared.
    pub file: String,
    /// The wished hosts that the operator approved.
    pub approved_hosts: Vec<HostPort>,
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is not there, or this user may not read it.
    #[error("cannot read the lock file `{}`: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It does not say what a lock file says.
    #[error("`{}`{} is not a valid lock file: {problem}", .path.display(), at_line(*.line))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1, where it is known.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},")).unwrap_or_default()
}

/// The file's shape. The tables of plugins come last, as TOML wants it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: i64,
    #[serde(default)]
    plugins: BTreeMap<Key, Locked>,
}

/// As much of the file as every version has.
#[derive(Deserialize)]
struct Versioned {
    version: toml::Spanned<i64>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Key(String);

impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "a plugin's key is 1 to 64 of a-z, 0-9, `-` and `_`";
        if is_key(&text) { Ok(Self(text)) } else { Err(wrong) }
    }
}

fn sha256<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 64 && text.bytes().all(is_digit) {
        return Ok(text);
    }
    Err(D::Error::custom("`sha256` must be 64 of 0-9 and a-f"))
}

impl Lock {
    /// The lock that the configuration names, if it names one.
    ///
    /// # Errors
    ///
    /// It cannot be used. Then no plugin may be.
    pub fn of(loaded: &Loaded) -> Result<Option<Arc<Self>>, Problem> {
        let Some(path) = &loaded.config.plugins.lock_file else {
            return Ok(None);
        };
        Self::read(path).map(|lock| Some(Arc::new(lock))).map_err(|error| error.problem(loaded))
    }

    /// Reads a lock file.
    ///
    /// # Errors
    ///
    /// See [`LockError`].
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LockError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|(line, problem)| LockError::Malformed {
            path: path.to_owned(),
            line,
            problem,
        })
    }

    fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        let line = |start: usize| text.get(..start).map(|before| before.matches('\n').count() + 1);
        let malformed = |error: toml::de::Error| {
            let message = error.message().trim_end().replace('\n', ", ");
            (error.span().and_then(|span| line(span.start)), message)
        };
        // The version first: what else a later version holds would only be told as unknown.
        let Versioned { version } = toml::from_str(text).map_err(malformed)?;
        if *version.get_ref() != VERSION {
            let problem = format!("is of version {}, this host knows version {VERSION}", version.get_ref());
            return Err((line(version.span().start), problem));
        }
        let Document { plugins, .. } = toml::from_str(text).map_err(malformed)?;
        Ok(Self { plugins: plugins.into_iter().map(|(Key(key), locked)| (key, locked)).collect() })
    }

    /// The file's text.
    ///
    /// # Errors
    ///
    /// None are known; TOML could be unable to hold a value.
    pub fn render(&self) -> Result<String, toml::ser::Error> {
        let plugins = self.plugins.iter().map(|(key, locked)| (Key(key.clone()), locked.clone())).collect();
        let document = toml::to_string_pretty(&Document { version: VERSION, plugins })?;
        Ok(format!("{HEADER}\n{document}"))
    }

    /// Writes the file, so that readers see either the old or the new one. A link stays one.
    ///
    /// # Errors
    ///
    /// It cannot be written; what was there is untouched.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = self.render().map_err(io::Error::other)?;
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut new = new_file(folder)?;
        if let Ok(old) = std::fs::metadata(&path) {
            new.as_file().set_permissions(old.permissions())?;
        }
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(&path)?;
        Ok(())
    }

    /// Judges a file that is a plugin by everything else.
    ///
    /// # Errors
    ///
    /// It is not the locked build, or not locked at all.
    pub fn judge(&self, file: &PluginFile) -> Result<(), Refusal> {
        match self.plugins.get(&file.manifest.key) {
            Some(locked) if locked.sha256 == file.sha256 => Ok(()),
            Some(locked) => {
                Err(Refusal::Changed { file: Box::new(file.clone()), locked: locked.sha256.clone() })
            }
            None => Err(Refusal::Unlocked { file: Box::new(file.clone()) }),
        }
    }

    /// The hosts that a file may reach by this lock: approved for this very build, and wished for by it.
    pub fn approved_hosts(&self, file: &PluginFile) -> Vec<HostPort> {
        let Some(locked) = self.plugins.get(&file.manifest.key).filter(|it| it.sha256 == file.sha256) else {
            return Vec::new();
        };
        let mut hosts = wished_hosts(&file.manifest);
        hosts.retain(|host| locked.approved_hosts.contains(host));
        hosts
    }
}

/// The hosts that a manifest wishes for, without what is no host.
pub fn wished_hosts(manifest: &Manifest) -> Vec<HostPort> {
    let mut hosts: Vec<_> = manifest.hosts.iter().filter_map(|host| host.parse().ok()).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

impl LockError {
    /// The configuration's problem that this is.
    pub fn problem(&self, loaded: &Loaded) -> Problem {
        let path = ["plugins", "lock_file"];
        let write = "write it with `forgewatch plugin lock`";
        match self {
            Self::Unreadable { path: file, source } if source.kind() == io::ErrorKind::NotFound => {
                let message = format!("there is no lock file `{}`", printable(&file.to_string_lossy(), 4096));
                loaded.problem(&path, message, Some(format!("{write}, or correct the path")))
            }
            Self::Unreadable { .. } => loaded.problem(&path, self.to_string(), None),
            Self::Malformed { path: file, line, problem } => Problem {
                key: "plugins.lock_file".to_owned(),
                source: Some(Source::File { path: file.clone(), line: *line }),
                message: format!("not a valid lock file: {}", printable(problem, 500)),
                help: Some(format!("restore it, or move it away and {write}")),
            },
        }
    }
}

/// A file beside the one to write, with the permissions of a new file rather than of a temporary one.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;

    let mut builder = tempfile::Builder::new();
    builder.prefix(".forgewatch-").suffix(".lock").permissions(std::fs::Permissions::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(digit: &str, hosts: &[&str]) -> Locked {
        Locked {
            sha256: digit.repeat(64),
            version: "1.2.3".to_owned(),
            file: "libforgewatch_acme.so".to_owned(),
            approved_hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        }
    }

    fn file(key: &str, digit: &str, hosts: &[&str]) -> PluginFile {
        let hosts = hosts.iter().map(ToString::to_string).collect();
        let manifest = Manifest { key: key.to_owned(), hosts, ..Manifest::default() };
        PluginFile { path: "/p/libacme.so".into(), manifest, sha256: digit.repeat(64) }
    }

    #[test]
    fn the_text_is_sorted_and_reads_back() {
        let plugins = [("zoo", locked("0", &[])), ("acme", locked("a", &["b.example:8443", "a.example"]))];
        let lock = Lock { plugins: plugins.map(|(key, locked)| (key.to_owned(), locked)).into() };
        let text = lock.render().unwrap();
        let expected = format!(
            "{HEADER}\nversion = 1\n\n[plugins.acme]\nsha256 = \"{}\"\nversion = \"1.2.3\"\n\
             file = \"libforgewatch_acme.so\"\napproved_hosts = [\n    \"b.example:8443\",\n    \"a.example\",\n]\n\n\
             [plugins.zoo]\nsha256 = \"{}\"\nversion = \"1.2.3\"\nfile = \"libforgewatch_acme.so\"\n\
             approved_hosts = []\n",
            "a".repeat(64),
            "0".repeat(64)
        );
        assert_eq!(text, expected);
        assert_eq!(Lock::parse(&text), Ok(lock));
        let odd = Locked { version: "it's \"odd\" \\ ü\u{1}\n'''".to_owned(), ..locked("1", &[]) };
        let lock = Lock { plugins: [("acme".to_owned(), odd)].into() };
        assert_eq!(Lock::parse(&lock.render().unwrap()), Ok(lock));
        assert_eq!(Lock::parse("version = 1"), Ok(Lock::default()));
        assert_eq!(Lock::parse(&Lock::default().render().unwrap()), Ok(Lock::default()));
    }

    #[test]
    fn what_is_no_lock_file_is_told_with_its_line() {
        let entry = |sha256: &str, more: &str| {
            format!(
                "version = 1\n[plugins.acme]\nsha256 = \"{sha256}\"\nversion = \"1\"\nfile = \"f\"\n{more}\n"
            )
        };
        let good = "a".repeat(64);
        let cases = [
            (String::new(), Some(1), "missing field `version`"),
            ("version = 2\nfuture = 1".to_owned(), Some(1), "is of version 2, this host knows version 1"),
            ("version = 1\nversion = 1".to_owned(), Some(2), "duplicate key"),
            ("# only\n\nversion = \"1\"".to_owned(), Some(3), "invalid type"),
            ("version = 1\ncolour = \"red\"".to_owned(), Some(2), "unknown field `colour`"),
            ("version = 1\n[plugins.acme]\n".to_owned(), Some(2), "missing field `sha256`"),
            ("version = 1\n[plugins.\"../x\"]\n".to_owned(), Some(2), "a plugin's key is 1 to 64"),
            (entry(&good, ""), Some(2), "missing field `approved_hosts`"),
            (entry(&good, "approved_hosts = [\"https://a/\"]"), Some(6), "is not a host or host:port"),
            (entry(&good, "approved_hosts = []\nhosts = []"), Some(7), "unknown field `hosts`"),
            (entry(&good.to_uppercase(), "approved_hosts = []"), Some(3), "must be 64 of 0-9 and a-f"),
            (entry(&good[1..], "approved_hosts = []"), Some(3), "must be 64 of 0-9 and a-f"),
            ("\u{1}".to_owned(), Some(1), ""),
        ];
        for (text, line, expected) in cases {
            let (found, problem) = Lock::parse(&text).unwrap_err();
            assert_eq!(found, line, "{text}: {problem}");
            assert!(problem.contains(expected) && !problem.contains('\n'), "{problem}");
        }
    }

    #[test]
    fn a_file_is_judged_by_its_key_and_hash() {
        let lock = Lock { plugins: [("acme".to_owned(), locked("a", &[]))].into() };
        assert!(lock.judge(&file("acme", "a", &[])).is_ok());
        let changed = lock.judge(&file("acme", "b", &[])).unwrap_err().to_string();
        let expected = format!(
            "`/p/libacme.so` is not the build that was locked: locked `sha256 {}`, found `{}`; if you replaced it \
             on purpose, run `forgewatch plugin lock acme`",
            "a".repeat(64),
            "b".repeat(64)
        );
        assert_eq!(changed, expected);
        let unlocked = lock.judge(&file("other", "a", &[])).unwrap_err().to_string();
        assert_eq!(
            unlocked,
            "`/p/libacme.so` is not locked: if you trust it, run `forgewatch plugin lock other`"
        );
    }

    #[test]
    fn a_host_is_approved_for_one_build_that_wishes_for_it() {
        let lock = Lock { plugins: [("acme".to_owned(), locked("a", &["a.example", "b.example"]))].into() };
        let approved = |file| lock.approved_hosts(&file).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(approved(file("acme", "a", &["B.example", "c.example", "no host"])), ["b.example"]);
        assert!(approved(file("acme", "b", &["b.example"])).is_empty());
        assert!(approved(file("other", "a", &["b.example"])).is_empty());
    }

    #[test]
    fn writing_replaces_the_file_behind_a_link_and_leaves_nothing_else() {
        let folder = tempfile::TempDir::new().unwrap();
        let [real, link] = ["real.lock", "link.lock"].map(|name| folder.path().join(name));
        std::fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink("real.lock", &link).unwrap();
        let lock = Lock { plugins: [("acme".to_owned(), locked("a", &[]))].into() };
        lock.write(&link).unwrap();
        assert!(link.is_symlink());
        assert_eq!(Lock::read(&real).unwrap(), lock);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        // A folder in the file's place: it stays, and so does nothing of the attempt.
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        lock.write(&folder.path().join("folder")).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
