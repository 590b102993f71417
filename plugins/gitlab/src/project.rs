//! A project in a successful answer, and what it says is granted to the identity.
//!
//! Only what a verdict rests on is read, and strictly; the rest may have any shape, since versions differ.

use std::fmt::Display;

use forgewatch_plugin_api::{Failure, Reason, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The lowest role that reads the code of a private project.
const REPORTER: u32 = 20;

/// A project, alone or in a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Project {
    pub(crate) id: u64,
    #[serde(rename = "path_with_namespace")]
    pub(crate) path: String,
    visibility: Option<String>,
    archived: Option<bool>,
    repository_access_level: Option<String>,
    permissions: Option<Permissions>,
}

#[derive(Debug, Deserialize)]
struct Permissions {
    project_access: Option<Role>,
    group_access: Option<Role>,
}

#[derive(Debug, Deserialize)]
struct Role {
    access_level: u32,
}

/// What is granted to the identity, as far as the project itself says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A role that reads code.
    Granted,
    /// The project has no repository at all.
    Disabled,
    /// Others can read it; the project shows no role of the identity that would.
    OpenToOthers,
    /// Others can read it, and the answer was not made for the identity.
    Unsaid,
    /// Only a look at the code will tell: an administrator and a member of a group that the project is shared with are
    /// shown without a role, and some versions let guests read code.
    Unclear,
}

impl Project {
    pub(crate) fn standing(&self) -> Standing {
        let is_open = matches!(self.visibility.as_deref(), Some("public" | "internal"));
        match self.repository_access_level.as_deref() {
            Some("disabled") => Standing::Disabled,
            _ if self.level() >= REPORTER => Standing::Granted,
            _ if is_open && self.permissions.is_none() => Standing::Unsaid,
            _ if is_open => Standing::OpenToOthers,
            _ => Standing::Unclear,
        }
    }

    /// The role that counts: the larger of the project's own and that of its groups; 0 without any.
    fn level(&self) -> u32 {
        let roles = self.permissions.iter().flat_map(|it| [&it.project_access, &it.group_access]);
        roles.flatten().map(|role| role.access_level).max().unwrap_or(0)
    }

    /// What an operator should know of a project that is read.
    pub(crate) fn remark(&self) -> Option<&'static str> {
        self.archived.unwrap_or(false).then_some("is archived: it can be read and not written")
    }

    pub(crate) fn disabled(&self, about: &impl Display) -> Failure {
        let detail = format!(
            "{about} has its repository switched off: enable it in the project's settings, or remove it from the \
             configuration"
        );
        Failure::new(Reason::DISABLED, detail).with_http_status(200)
    }

    pub(crate) fn unsaid(&self, about: &impl Display) -> Failure {
        let detail = format!(
            "{about}: the answer with HTTP status 200 does not say what is granted to the identity, as to a stranger; \
             check that every proxy passes the credential on"
        );
        Failure::new(Reason::INVALID_RESPONSE, detail).with_http_status(200)
    }

    pub(crate) fn open_to_others(&self, about: &impl Display) -> Failure {
        let who = match self.visibility.as_deref() {
            Some("public") => "anyone",
            _ => "anyone who is signed in",
        };
        let granted = match self.level() {
            0 => "nothing".to_owned(),
            level => format!("only a role below Reporter ({level})"),
        };
        let detail = format!(
            "{about} can be read by {who}, but {granted} is granted to the identity: make it a member with the role \
             Reporter or higher"
        );
        Failure::new(Reason::FORBIDDEN, detail).with_http_status(200)
    }
}

/// The project in an answer.
pub(crate) fn project(response: &Response) -> Option<Project> {
    read::<Project>(response, b'{').filter(|project| !project.path.is_empty())
}

/// The projects in an answer.
pub(crate) fn list(response: &Response) -> Option<Vec<Project>> {
    read(response, b'[')
}

/// What an answer holds. An array would be read as the fields of an object in their order, so its beginning counts.
pub(crate) fn read<T: DeserializeOwned>(response: &Response, begin: u8) -> Option<T> {
    let body = response.body();
    (body.trim_ascii_start().first() == Some(&begin)).then(|| serde_json::from_slice(body).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_the_larger_role_and_never_the_visibility() {
        let role = |level: u32| format!(r#"{{"access_level":{level},"notification_level":3}}"#);
        let roles = |project: &str, group: &str| {
            format!(r#""permissions":{{"project_access":{project},"group_access":{group}}}"#)
        };
        #[rustfmt::skip]
        let table = [
            ("private", roles("null", &role(30)), Standing::Granted),
            ("private", roles(&role(20), "null"), Standing::Granted),
            ("private", roles(&role(10), &role(50)), Standing::Granted),
            ("public", roles("null", &role(20)), Standing::Granted),
            ("private", roles(&role(15), &role(10)), Standing::Unclear),
            ("private", roles("null", "null"), Standing::Unclear),
            ("private", r#""x":0"#.to_owned(), Standing::Unclear),
            ("of a later version", roles("null", "null"), Standing::Unclear),
            ("public", roles("null", "null"), Standing::OpenToOthers),
            ("internal", roles(&role(10), "null"), Standing::OpenToOthers),
            ("public", r#""x":0"#.to_owned(), Standing::Unsaid),
            ("public", r#""repository_access_level":"disabled""#.to_owned(), Standing::Disabled),
            ("private", format!(r#""repository_access_level":"disabled",{}"#, roles("null", &role(50))), Standing::Disabled),
            ("private", format!(r#""repository_access_level":"private",{}"#, roles("null", &role(20))), Standing::Granted),
        ];
        for (visibility, rest, expected) in table {
            let body =
                format!(r#"{{"id":1,"path_with_namespace":"a/b","visibility":"{visibility}",{rest}}}"#);
            let found = project(&Response::new(200, body.as_bytes())).unwrap();
            assert_eq!(found.standing(), expected, "{body}");
        }
    }
}
