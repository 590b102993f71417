//! What people do with incidents through the API: look for issues, link, part, give to somebody.

mod orders;
mod search;

use forgewatch_tests::ask::{Reply, ask_with};
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::Fake;
use forgewatch_tests::sandbox::Sandbox;
use forgewatch_tests::watchlist::Watchlist;
use serde_json::Value;

use crate::support::{delete, large, until_granted};

const OPERATE: &str = "planted0operate0token";
const READ: &str = "planted0read0token";
const PROJECT: &str = "1a46e000-0000-4000-8000-000000000000";
/// The host of the search, and where it has it.
const SEARCH: &str = "almsearch.dev.azure.com";

/// A daemon with an open incident of the team `shop`, and work items from 31 on.
struct Scene {
    daemon: Daemon,
    fake: Fake,
    sandbox: Sandbox,
    incident: String,
}

fn list() -> Watchlist {
    Watchlist::large(1, 2)
        .set("defaults.interval", r#""500ms""#)
        .set("defaults.failure_threshold", "1")
        .table("api.tokens.operator", "token = { env = \"OPERATE\" }\nscopes = [\"operate\"]")
        .table("api.tokens.reader", "token = { env = \"READ\" }\nscopes = [\"read\"]")
        .table("providers.vsts", &format!("allow_write = true\nallow_hosts = [{SEARCH:?}]"))
        .table("people.ada", "emails = [\"ada@contoso.example\"]\nteams = [\"shop\"]")
        .table("people.ben", "emails = [\"ben@contoso.example\"]\nteams = [\"tools\"]")
        .repository("p0-r0", "large", "project-0", "repository-0", "labels = { team = \"shop\" }")
}

impl Scene {
    #[track_caller]
    fn new(titles: &[&str]) -> Self {
        let fake = large(1, 2);
        fake.tracker("large", |tracker| {
            for title in titles {
                tracker.add(PROJECT, "Bug", title);
            }
        });
        let mut sandbox = list().sandbox(&fake);
        sandbox.set_variable("OPERATE", OPERATE);
        sandbox.set_variable("READ", READ);
        let daemon = Daemon::start(&sandbox);
        until_granted(&daemon, 2);
        delete(&fake, 0, 0);
        let incident = daemon.until("an incident", |records| records.open_incidents().pop());
        let incident = incident["id"].as_str().expect("it has an id").to_owned();
        Self { daemon, fake, sandbox, incident }
    }

    fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Reply {
        let token = format!("authorization: Bearer {token}");
        ask_with(self.daemon.address(), method, path, &[&token], body).expect("it answers")
    }

    fn search(&self, query: &str) -> Reply {
        self.ask("GET", &format!("/api/v1/integrations/large/search?{query}"), READ, "")
    }

    fn path(&self) -> String {
        format!("/api/v1/incidents/{}", self.incident)
    }

    #[track_caller]
    fn shown(&self) -> Value {
        let reply = self.ask("GET", &self.path(), READ, "");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// An order concerning the incident.
    fn order(&self, order: &str, body: &Value) -> Reply {
        self.ask("POST", &format!("{}/{order}", self.path()), OPERATE, &body.to_string())
    }
}

/// Status and code of an error.
#[track_caller]
fn refusal(reply: &Reply) -> (u16, String, String) {
    let error = &reply.json()["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_else(|| panic!("no error: {reply:?}")).to_owned();
    (reply.status, text("code"), text("message"))
}
