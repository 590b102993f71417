//! What a check is after, and what an answer means for it.

use std::collections::HashMap;
use std::fmt;

use forgewatch_plugin_api::{Access, Failure, Reason, Repository};

use crate::answer::Found;
use forgewatch_plugin_support::Shown;
use forgewatch_plugin_support::segment;

/// A repository as configured. Displays as its name for people.
pub(crate) struct Target<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) project: Option<&'a str>,
    pub(crate) name: &'a str,
    integration: &'a str,
}

impl<'a> Target<'a> {
    /// Takes a repository's description apart; what cannot be a segment of a URL is on no forge.
    pub(crate) fn of(repository: &'a Repository, integration: &'a str) -> Result<Self, Failure> {
        let id = repository.external_id().filter(|id| !id.is_empty());
        let project = repository.project().filter(|project| !project.is_empty());
        let target = Self {
            id,
            // With an id it only narrows the list, and may be left out.
            project: project.filter(|project| id.is_none() || segment::is_valid(project)),
            name: repository.name(),
            integration,
        };
        let asked_for = match id {
            Some(id) => [("external_id", Some(id)), ("project", None)],
            None => [("name", Some(target.name)), ("project", project)],
        };
        for (key, value) in asked_for {
            if let Some(value) = value.filter(|value| !segment::is_valid(value)) {
                let detail = format!(
                    "{target}: {} can be no {key} on Azure DevOps, so nothing was asked: correct `{key}`",
                    Shown(value)
                );
                return Err(Failure::new(Reason::NOT_FOUND, detail));
            }
        }
        Ok(target)
    }

    /// Judges the repository in a successful answer.
    pub(crate) fn judge(&self, found: Option<&Found>) -> Result<Access, Failure> {
        let Some(found) = found else {
            let detail = format!(
                "{self}: the answer with HTTP status 200 is no repository; check what answers at the integration's base URL"
            );
            return Err(Failure::new(Reason::INVALID_RESPONSE, detail).with_http_status(200));
        };
        match self.id {
            Some(id) if !found.id.eq_ignore_ascii_case(id) => {
                let detail = format!(
                    "{self}: the answer is another repository, {} with the id {}; check any proxy",
                    Shown(&found.name),
                    Shown(&found.id)
                );
                Err(Failure::new(Reason::INVALID_RESPONSE, detail).with_http_status(200))
            }
            _ if found.is_disabled() => Err(self.disabled(200)),
            _ => Ok(self.granted(found)),
        }
    }

    /// Judges what the list says after the repository itself was hidden behind a 404.
    pub(crate) fn judge_listed(&self, listed: Result<Vec<Found>, String>) -> Result<Access, Failure> {
        let listed = match listed {
            Ok(listed) => listed,
            Err(seen) => {
                return Err(self.not_found(&format!("it could not be seen whether it is disabled: {seen}")));
            }
        };
        // A name may be an id as well: the service takes either.
        let id = self.id.unwrap_or(self.name);
        if let Some(found) = listed.iter().find(|found| found.id.eq_ignore_ascii_case(id)) {
            return if found.is_disabled() { Err(self.disabled(404)) } else { Ok(self.granted(found)) };
        }
        let namesakes: Vec<&Found> = listed.iter().filter(|found| same(&found.name, self.name)).collect();
        match (namesakes.first(), self.id) {
            (None, _) => Err(self.not_found("the list does not show it either")),
            (Some(other), Some(_)) => Err(self.not_found(&format!(
                "the list shows a repository of that name with the id {}: correct `external_id` if it took its place",
                Shown(&other.id)
            ))),
            (Some(_), None) if namesakes.iter().all(|found| found.is_disabled()) => Err(self.disabled(404)),
            // A name proves nothing against the service's own word: it may be another project's repository, or
            // one that took the name a moment ago.
            (Some(_), None) => Err(self.not_found(
                "though the list shows a repository of that name: set `project` and `external_id` to tell them apart",
            )),
        }
    }

    /// What a list of the target's project says of it; none where the repository itself has to be asked for.
    pub(crate) fn find(&self, listed: &Listed<'_>) -> Option<Result<Access, Failure>> {
        // A name may be an id as well: the service takes either.
        let by_id = listed.by_id.get(&self.id.unwrap_or(self.name).to_ascii_lowercase());
        let by_name = || self.id.is_none().then(|| listed.by_name.get(&self.name.to_lowercase())).flatten();
        let found = by_id.or_else(by_name)?;
        Some(if found.is_disabled() { Err(self.disabled(200)) } else { Ok(self.granted(found)) })
    }

    fn granted(&self, found: &Found) -> Access {
        // Asked for by name, it has the name.
        let was_renamed = self.id.is_some() && !same(&found.name, self.name);
        let configured = self.project.filter(|_| self.id.is_some());
        let new_project =
            configured.and_then(|configured| found.project().filter(|now| !same(configured, now)));
        match (was_renamed, new_project) {
            (false, None) => Access::granted(),
            (_, Some(project)) => Access::granted().with_detail(format!(
                "{self} is {} of project {} now: update `name` and `project`",
                Shown(&found.name),
                Shown(&project)
            )),
            (true, None) => Access::granted()
                .with_detail(format!("{self} is called {} now: update `name`", Shown(&found.name))),
        }
    }

    fn disabled(&self, status: u16) -> Failure {
        disabled(self, status)
    }

    fn not_found(&self, more: &str) -> Failure {
        let detail = format!(
            "{self} is not visible to the integration's identity: it was deleted, renamed or moved, or the identity \
             lost Code (read); {more}"
        );
        Failure::new(Reason::NOT_FOUND, detail).with_http_status(404)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(self.name))?;
        if let Some(project) = self.project {
            write!(f, " of project {}", Shown(project))?;
        }
        write!(f, " in {}", Shown(self.integration))
    }
}

/// What is said of a repository that is switched off.
pub(crate) fn disabled(repository: &impl fmt::Display, status: u16) -> Failure {
    let detail = format!(
        "{repository} is disabled: enable it in the project's repository settings, or remove it from the configuration"
    );
    Failure::new(Reason::DISABLED, detail).with_http_status(status)
}

/// The list of one project, or of an organisation, ready to be searched for many targets.
pub(crate) struct Listed<'a> {
    by_id: HashMap<String, &'a Found>,
    /// Names are unique within a project, so in a list of more than one they say nothing and are left out.
    by_name: HashMap<String, &'a Found>,
}

impl<'a> Listed<'a> {
    pub(crate) fn new(found: &'a [Found], is_of_project: bool) -> Self {
        let by_name = found.iter().filter(|_| is_of_project).map(|found| (found.name.to_lowercase(), found));
        Self {
            by_id: found.iter().map(|found| (found.id.to_ascii_lowercase(), found)).collect(),
            by_name: by_name.collect(),
        }
    }
}

/// Names and ids are the same to the service in any case.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (!one.is_ascii() && one.to_lowercase() == other.to_lowercase())
}
