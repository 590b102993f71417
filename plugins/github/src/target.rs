//! What a check is after, and what the repository in an answer means for it.

use std::fmt;

use forgewatch_plugin_api::{Access, Failure, Reason, Repository};
use forgewatch_plugin_support::{Shown, segment};

use crate::answer::Found;

/// A repository as configured. Displays as its name for people.
pub(crate) struct Target<'a> {
    id: Option<u64>,
    owner: &'a str,
    name: &'a str,
    integration: &'a str,
}

impl<'a> Target<'a> {
    /// Takes a repository's description apart; what can be in no address is on no forge. `owner` is the integration's.
    pub(crate) fn of(
        repository: &'a Repository,
        owner: Option<&'a str>,
        integration: &'a str,
    ) -> Result<Self, Failure> {
        let project = repository.project().filter(|project| !project.is_empty());
        let owner = project.or(owner).unwrap_or_default();
        let target = Self { id: None, owner, name: repository.name(), integration };
        if let Some(id) = repository.external_id().filter(|id| !id.is_empty()) {
            let number = id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok()).flatten();
            return match number {
                Some(number) => Ok(Self { id: Some(number), ..target }),
                None => Err(target.impossible(
                    "external_id",
                    id,
                    "; it is the number that the interface calls `id`",
                )),
            };
        }
        for (key, value) in [("project", owner), ("name", target.name)] {
            if !segment::is_valid(value) {
                let hint = if value.is_empty() { "; set it to the repository's owner" } else { "" };
                return Err(target.impossible(key, value, hint));
            }
        }
        Ok(target)
    }

    /// A repository that a list shows.
    pub(crate) fn listed(found: &'a Found, integration: &'a str) -> Self {
        Self { id: Some(found.id), owner: found.owner(), name: found.name(), integration }
    }

    /// Behind the address of the interface.
    pub(crate) fn path(&self) -> String {
        match self.id {
            Some(id) => format!("repositories/{id}"),
            None => format!("repos/{}/{}", segment::encode(self.owner), segment::encode(self.name)),
        }
    }

    /// Judges a repository that the identity was granted, or that nobody has.
    pub(crate) fn judge(&self, found: &Found) -> Result<Access, Failure> {
        if self.id.is_some_and(|id| id != found.id) {
            let detail = format!(
                "{self}: the answer is another repository, {} with the id {}; check any proxy",
                Shown(found.name()),
                found.id
            );
            return Err(Failure::new(Reason::INVALID_RESPONSE, detail).with_http_status(200));
        }
        if found.disabled {
            let detail = format!(
                "{self} is disabled by GitHub: settle that with GitHub (it may be a matter of billing), or remove it \
                 from the configuration"
            );
            return Err(Failure::new(Reason::DISABLED, detail).with_http_status(200));
        }
        let mut notes = Vec::new();
        let is_same = |one: &str, other: &str| one.is_empty() || one.eq_ignore_ascii_case(other);
        if !is_same(self.owner, found.owner()) || !self.name.eq_ignore_ascii_case(found.name()) {
            let (name, owner) = (Shown(found.name()), Shown(found.owner()));
            notes.push(format!("is {name} of {owner} now: update `name` and `project`"));
        }
        if found.archived {
            notes.push("is archived, so it can only be read".to_owned());
        }
        Ok(match notes.is_empty() {
            true => Access::granted(),
            false => Access::granted().with_detail(format!("{self} {}", notes.join("; it "))),
        })
    }

    /// What it means that the list of what is granted does not have it.
    pub(crate) fn not_granted(&self, found: &Found) -> Failure {
        let seen = match found.is_public() {
            true => "anyone can read it, but nothing is granted to the identity",
            false => "the identity sees it, but may not read it",
        };
        let detail =
            format!("{self}: {seen}: add the repository to the token or the installation, or the user to it");
        Failure::new(Reason::FORBIDDEN, detail).with_http_status(200)
    }

    fn impossible(&self, key: &str, value: &str, hint: &str) -> Failure {
        let detail = format!(
            "{self}: {} can be no {key} on GitHub, so nothing was asked: correct `{key}`{hint}",
            Shown(value)
        );
        Failure::new(Reason::NOT_FOUND, detail)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(self.name))?;
        if !self.owner.is_empty() {
            write!(f, " of {}", Shown(self.owner))?;
        }
        write!(f, " in {}", Shown(self.integration))
    }
}
