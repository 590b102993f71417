//! A daemon with a little of everything: all kinds of verdicts, incidents that are open and that are over, events.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::ask::ask_with;
use crate::daemon::Daemon;
use crate::fake::{Answer, Credential, Fake, Match, Standing, World, contoso};
use crate::sandbox::Sandbox;
use crate::watchlist::Watchlist;

/// A token that allows everything.
pub(super) const OPERATE: &str = "contract0operate0token";
/// A token that allows reading.
pub(super) const READ: &str = "contract0read0token";

const PROJECTS: usize = 2;
const EACH: usize = 15;
/// Repositories of a name that has to be escaped in a URL, beside what the forge calls them.
const ODD: [(&str, &str); 3] =
    [("team/a b/repository", "repository-0"), ("50% #1?", "repository-1"), ("Küche 厨房", "repository-2")];

/// The daemon, its forge and its folder.
pub(super) struct Subject {
    daemon: Daemon,
    fake: Fake,
    _sandbox: Sandbox,
}

impl Subject {
    /// Starts it and waits until there is something of everything.
    pub(super) fn start(with_tokens: bool) -> Self {
        let expired = Credential::pat("expired", contoso::EXPIRED_PAT).member_of("large");
        let world = World::large(PROJECTS, EACH).credential(expired.standing(Standing::Expired));
        let fake = Fake::start_blocking(world);
        fake.record(false);
        fake.tracker("large", |tracker| tracker.add("1a46e000-0000-4000-8000-000000000000", "Bug", "lost"));
        misbehave(&fake);
        let mut sandbox = watchlist(with_tokens).sandbox(&fake);
        for (name, value) in [("OPERATE", OPERATE), ("READ", READ), ("EXPIRED", contoso::EXPIRED_PAT)] {
            sandbox.set_variable(name, value);
        }
        let subject = Self { daemon: Daemon::start(&sandbox), fake, _sandbox: sandbox };
        subject.until_there_is_everything();
        subject
    }

    fn until_there_is_everything(&self) {
        for reason in ["granted", "not_found", "disabled", "unauthorized"] {
            let what = format!("a repository that is {reason}");
            self.daemon.until(&what, |records| (records.count_of(reason) > 0).then_some(()));
        }
        self.fake.world(|world| world.repository_mut("repository-3").readers = None);
        self.daemon.until("an incident that is over, and some that are not", |records| {
            let (all, open) = (records.incidents().len(), records.open_incidents().len());
            (all > open && open > 2).then_some(())
        });
    }

    /// Where it answers.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.daemon.address())
    }

    /// Writes the API's document into a folder, with names that there are as examples.
    pub(super) fn save_document(&self, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let mut document: Value = serde_json::from_str(&self.get("/api/v1/openapi.json")?)?;
        let incident = self.daemon.records().incidents().pop().ok_or("there are incidents")?;
        let paths = &mut document["paths"];
        for (path, name) in [
            ("/api/v1/repositories/{name}", ODD[0].0.into()),
            ("/api/v1/integrations/{name}", "large".into()),
            ("/api/v1/integrations/{name}/search", "large".into()),
            ("/api/v1/incidents/{name}", incident["id"].clone()),
        ] {
            paths[path]["get"]["parameters"][0]["example"] = name;
        }
        for (order, example) in [
            ("link", json!({ "integration": "large", "issue": "31" })),
            ("assign", json!({ "person": "ada" })),
            ("unlink", Value::Null),
        ] {
            let post = &mut paths[format!("/api/v1/incidents/{{name}}/{order}")]["post"];
            post["parameters"][0]["example"] = incident["id"].clone();
            if !example.is_null() {
                post["requestBody"]["content"]["application/json"]["example"] = example;
            }
        }
        let content = &mut paths["/api/v1/check"]["post"]["requestBody"]["content"]["application/json"];
        content["example"] = json!({ "repositories": ["p0-r0", "p1-r1", ODD[2].0, "nobody"] });
        let path = folder.join("openapi.json");
        fs::write(&path, document.to_string())?;
        Ok(path)
    }

    /// What Prometheus gets.
    pub(super) fn metrics(&self) -> Result<String, Box<dyn Error>> {
        self.get("/metrics")
    }

    fn get(&self, path: &str) -> Result<String, Box<dyn Error>> {
        let token = format!("authorization: Bearer {READ}");
        let reply = ask_with(self.daemon.address(), "GET", path, &[&token], "")?;
        if reply.status == 200 { Ok(reply.body) } else { Err(format!("{path}: {reply:?}").into()) }
    }

    /// Stops it; its log.
    pub(super) fn stop(self) -> String {
        self.daemon.stop().stderr
    }
}

/// One repository is gone for a while, one is disabled, and some get no usable answer.
fn misbehave(fake: &Fake) {
    fake.world(|world| {
        world.repository_mut("repository-3").readers = Some(Vec::new());
        world.repository_mut("repository-4").disabled = true;
    });
    let answers =
        [Answer::status(500), Answer::status(403), Answer::not_utf8(), Answer::reset(), Answer::status(429)];
    for (number, answer) in answers.into_iter().enumerate() {
        fake.fault(
            Match::any().path_prefix(&format!("/large/project-1/_apis/git/repositories/repository-{number}")),
            answer,
        );
    }
}

fn watchlist(with_tokens: bool) -> Watchlist {
    let mut list = Watchlist::large(PROJECTS, EACH)
        .set("defaults.interval", r#""500ms""#)
        .set("defaults.stale_after", r#""1s""#)
        .table("providers.vsts", "allow_write = true\nallow_hosts = [\"almsearch.dev.azure.com\"]")
        .table("people.ada", "emails = [\"ada@contoso.example\"]")
        .table("identities.expired", "kind = \"pat\"\ntoken = { env = \"EXPIRED\" }")
        .table(
            "integrations.former",
            "provider = \"vsts\"\ndomain_name = \"https://large.visualstudio.com/\"\nidentity = \"expired\"",
        )
        .repository(
            "gone",
            "large",
            "project-0",
            "nowhere",
            "labels = { team = \"payments\", tier = \"0\" }",
        );
    for (name, on_forge) in ODD {
        list = list.repository(&format!("{name:?}"), "large", "project-0", on_forge, "");
    }
    for number in 0..5 {
        let (name, on_forge) = (format!("former-{number}"), format!("repository-{number}"));
        list = list.repository(&name, "former", "project-0", &on_forge, "");
    }
    if !with_tokens {
        return list;
    }
    list.table("api.tokens.operator", "token = { env = \"OPERATE\" }\nscopes = [\"operate\"]")
        .table("api.tokens.reader", "token = { env = \"READ\" }\nscopes = [\"read\"]")
}
