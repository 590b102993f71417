//! How the fake GitHub shows what it has.

use serde::Serialize;
use serde_json::{Value, json};

use super::routes::Request;
use super::world::{Permission, Repository, Visibility};
use crate::fake::answers::Answer;

#[derive(Serialize)]
pub(super) struct RepositoryView<'a> {
    id: u64,
    node_id: String,
    name: &'a str,
    full_name: String,
    private: bool,
    owner: OwnerView<'a>,
    html_url: String,
    fork: bool,
    url: String,
    size: u64,
    archived: bool,
    disabled: bool,
    visibility: &'static str,
    default_branch: &'static str,
    permissions: PermissionsView,
}

#[derive(Serialize)]
struct OwnerView<'a> {
    login: &'a str,
}

#[derive(Serialize)]
struct PermissionsView {
    admin: bool,
    maintain: bool,
    push: bool,
    triage: bool,
    pull: bool,
}

impl<'a> RepositoryView<'a> {
    pub(super) fn new(request: &Request, repository: &'a Repository, permission: Permission) -> Self {
        let full_name = repository.full_name();
        Self {
            id: repository.id,
            node_id: format!("R_fake{:08}", repository.id),
            name: &repository.name,
            private: repository.visibility != Visibility::Public,
            owner: OwnerView { login: &repository.owner },
            html_url: format!("{}{full_name}", request.web),
            fork: false,
            url: format!("{}repos/{full_name}", request.base),
            full_name,
            size: 7168,
            archived: repository.archived,
            disabled: repository.disabled,
            visibility: match repository.visibility {
                Visibility::Public => "public",
                Visibility::Internal => "internal",
                Visibility::Private => "private",
            },
            default_branch: "main",
            permissions: PermissionsView {
                admin: permission >= Permission::Admin,
                maintain: permission >= Permission::Maintain,
                push: permission >= Permission::Push,
                triage: permission >= Permission::Triage,
                pull: permission >= Permission::Pull,
            },
        }
    }
}

pub(super) fn json_answer(status: u16, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).expect("text and numbers serialise");
    Answer::status(status).header("content-type", "application/json; charset=utf-8").body(body)
}

/// A refusal as the service words it: a message, where to read on, and the status as text.
impl Answer {
    /// A refusal of a GitHub.
    pub fn github(status: u16, message: &str) -> Self {
        json_answer(status, &refusal(status, message))
    }

    /// A refusal of a GitHub that keeps a repository from everybody, with the reason that it gives.
    pub fn github_block(status: u16, reason: &str) -> Self {
        let block = json!({
            "reason": reason,
            "created_at": "2025-01-05T10:00:00Z",
            "html_url": "https://github.com/contoso/notice",
        });
        json_answer(status, &json!({"message": "Repository access blocked", "block": block}))
    }

    /// A GitHub's answer that a repository has moved.
    pub fn github_moved(status: u16, location: &str) -> Self {
        let mut body = refusal(status, "Moved Permanently");
        body["url"] = location.into();
        json_answer(status, &body).header("location", location)
    }
}

fn refusal(status: u16, message: &str) -> Value {
    json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    })
}
