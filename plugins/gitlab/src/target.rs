//! What a check is after.

use std::fmt;

use forgewatch_plugin_api::{Failure, Reason, Repository};
use forgewatch_plugin_support::{Shown, segment};

/// A repository as configured. Displays as its path for people.
pub(crate) struct Target<'a> {
    /// Found by it if it is there, since an id survives a rename.
    pub(crate) id: Option<u64>,
    groups: Option<&'a str>,
    name: &'a str,
    integration: &'a str,
}

impl<'a> Target<'a> {
    /// Takes a repository's description apart; what cannot be part of a URL is on no forge.
    pub(crate) fn of(repository: &'a Repository, integration: &'a str) -> Result<Self, Failure> {
        let groups = repository.project().filter(|groups| !groups.is_empty());
        let mut target = Self { id: None, groups, name: repository.name(), integration };
        if let Some(id) = repository.external_id().filter(|id| !id.is_empty()) {
            let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
            target.id = id.parse().ok().filter(|_| is_number);
            return match target.id {
                Some(_) => Ok(target),
                None => Err(target.impossible("external_id", id, "the project's id is a number")),
            };
        }
        let Some(groups) = groups else {
            let detail = format!(
                "{target}: a repository of GitLab is found by its group and name, so nothing was asked: set `project` \
                 to the path of its group, or `external_id`"
            );
            return Err(Failure::new(Reason::NOT_FOUND, detail));
        };
        if !groups.split('/').all(segment::is_valid) {
            return Err(target.impossible("project", groups, "it is the path of a group, like contoso/web"));
        }
        if !segment::is_valid(target.name) {
            return Err(target.impossible("name", target.name, "its groups belong into `project`"));
        }
        Ok(target)
    }

    fn impossible(&self, key: &str, value: &str, rule: &str) -> Failure {
        let detail = format!(
            "{self}: {} can be no {key} on GitLab, so nothing was asked: correct `{key}`; {rule}",
            Shown(value)
        );
        Failure::new(Reason::NOT_FOUND, detail)
    }

    /// The project as one segment of a URL's path.
    pub(crate) fn key(&self) -> String {
        if let Some(id) = self.id {
            return id.to_string();
        }
        let groups = self.groups.into_iter().flat_map(|groups| groups.split('/'));
        let mut key = String::new();
        for part in groups.chain([self.name]) {
            if !key.is_empty() {
                key.push_str("%2F");
            }
            key.extend(segment::encode(part));
        }
        key
    }

    /// Whether a project of this path is where the configuration has it.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        match self.groups {
            Some(_) => path.eq_ignore_ascii_case(&self.path()),
            None => path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(self.name)),
        }
    }

    fn path(&self) -> String {
        match self.groups {
            Some(groups) => format!("{groups}/{}", self.name),
            None => self.name.to_owned(),
        }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", Shown(&self.path()), Shown(self.integration))
    }
}
