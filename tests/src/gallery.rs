//! A daemon to look at: repositories of every fate on forges of all kinds, incidents that are open and that are over, a
//! past, and names that try to be more than names. Once it is open nothing changes by itself.

mod past;

use std::time::{Duration, SystemTime};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::ask::{Reply, ask_with};
use crate::browser::{Browser, Key};
use crate::daemon::Daemon;
use crate::fake::github::{Github, contoso as hub};
use crate::fake::{Answer, Fake, Match, RateLimit, Spelling, World, gitlab};
use crate::process::within;
use crate::sandbox::Sandbox;
use crate::watchlist::Watchlist;

/// A token that allows everything.
pub const OPERATE: &str = "gallery0operate0token";
/// A token that allows reading.
pub const READ: &str = "gallery0read0token";
/// Names that a page must show as nothing but text.
pub const ODD: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "it's \"quoted\" & \\slashed {{ 7 * 7 }}",
    "evil\u{202e}gnp.exe",
    "מאגר/ראשי",
    "50% #1?/../%2F",
];
/// A repository that came and went, and is there.
pub const EVENTFUL: &str = "large-000003";

/// Somebody who can have incidents of the bulk.
pub const PERSON: &str = "Ada Quill";
/// A repository without access, whose incident has an issue.
pub const LINKED: usize = 7;
/// Titles of issues that there are.
pub const TITLES: [&str; 3] = [
    "The mirror does not come back",
    "<script>alert(1)</script> \"back\" & \u{202e}gnp.exe",
    "Bring the repository back, whose name is as long as the patience of those who have to type it every single day",
];

/// One of the gallery's pages.
pub struct Page {
    /// A name for files and reports.
    pub name: &'static str,
    /// Where it is.
    pub path: String,
    /// Whether one has to be logged in.
    pub is_for_members: bool,
    /// What a browser says about it all the same.
    pub complaint: Option<&'static str>,
}

/// At least so many projects.
const PROJECTS: usize = 10;
/// Repositories whose forge gives no answer.
const DOWN: usize = 3;
/// The teams of those that are lost.
const TEAMS: &str = r#"["team-7", "team-11", "team-13"]"#;
/// Repositories in one order.
const MOST_ORDERED: usize = 1_000;
/// Longer than anybody looks.
const NEVER: &str = r#""1000h""#;
/// How long each step may take until everything is there: very many repositories need minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The daemon, its forges and its folder.
pub struct Gallery {
    daemon: Daemon,
    fake: Fake,
    _sandbox: Sandbox,
    repositories: usize,
}

impl Gallery {
    /// Starts it with so many repositories beside the special ones, and waits until there is something of everything.
    ///
    /// # Panics
    /// If that never comes.
    pub fn open(repositories: usize) -> Self {
        let fake = Fake::start_blocking(world(repositories));
        fake.record(false);
        fake.limit(Some(RateLimit::new(Spelling::XRateLimit, 5_000, 3_600)));
        fake.fault(Match::any().host("tfs.example.org"), Answer::status(500));
        let mut sandbox = Watchlist::new().batches().sandbox(&fake);
        for (name, value) in [
            ("OPERATE", OPERATE),
            ("READ", READ),
            ("HUB", hub::FINE_GRAINED),
            ("ENDED", gitlab::ENDED_TOKEN),
            ("ACCESS", gitlab::ACCESS_TOKEN),
            ("SECRET", gitlab::CLIENT_SECRET),
        ] {
            sandbox.set_variable(name, value);
        }
        let items = TITLES.map(|title| {
            fake.tracker("large", |tracker| tracker.add("1a46e000-0000-4000-8000-000000000000", "Bug", title))
        });
        sandbox.write("plugins/libforgewatch_broken.so", "no library at all");
        past::plant(&sandbox, "large", EVENTFUL);
        watchlist(repositories).write(&sandbox);
        let daemon = Daemon::start_within(PATIENCE, &sandbox);
        let gallery = Self { daemon, fake, _sandbox: sandbox, repositories };
        // By itself it would take its time.
        gallery.check((0..repositories).map(name).chain(ODD.map(shown)).collect());
        gallery.until_there_is_everything();
        let linked = gallery.incident(|incident| incident["repository"] == name(LINKED));
        gallery.assign(&linked, Some(PERSON));
        gallery.order(&linked, "link", &json!({ "integration": "large", "issue": items[0].to_string() }));
        gallery
    }

    /// The daemon.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Its forges.
    pub fn fake(&self) -> &Fake {
        &self.fake
    }

    /// Ends the daemon.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn close(self) {
        self.daemon.stop();
    }

    /// Where a page is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.daemon.address())
    }

    /// All pages, one of each kind, that for strangers first.
    pub fn pages(&self) -> Vec<Page> {
        let bare = self.incident(|incident| incident["issue"].is_null());
        let linked = self.incident(|incident| incident["repository"] == name(LINKED));
        let odd = utf8_percent_encode(ODD[0], NON_ALPHANUMERIC);
        let page = |name, path: String| Page { name, path, is_for_members: true, complaint: None };
        vec![
            Page { is_for_members: false, ..page("login", "/login".to_owned()) },
            page("overview", "/".to_owned()),
            page("repositories", "/repositories".to_owned()),
            page("repositories-denied", "/repositories?verdict=denied".to_owned()),
            page("repositories-none", "/repositories?q=nobody+has+this+name".to_owned()),
            page("repository", format!("/repositories/{EVENTFUL}")),
            page("repository-denied", format!("/repositories/{}", name(7))),
            page("repository-odd", format!("/repositories/{odd}")),
            page("incidents", "/incidents".to_owned()),
            page("incidents-resolved", "/incidents?state=resolved".to_owned()),
            page("incident", format!("/incidents/{bare}")),
            page("incident-search", format!("/incidents/{bare}?integration=large&query=back")),
            page("incident-linked", format!("/incidents/{linked}")),
            page("integrations", "/integrations".to_owned()),
            page("alerts", "/alerts".to_owned()),
            page("plugins", "/plugins".to_owned()),
            Page { complaint: Some("404 (Not Found)"), ..page("nowhere", "/nowhere".to_owned()) },
        ]
    }

    /// The id of an open incident.
    ///
    /// # Panics
    /// If there is none that fits.
    pub fn incident(&self, fits: impl Fn(&Value) -> bool) -> String {
        let open = self.get("/api/v1/incidents?limit=1000");
        let mut open = open["items"].as_array().expect("a list").iter();
        let found = open.find(|incident| fits(incident)).expect("there is such an incident");
        found["id"].as_str().expect("it has an id").to_owned()
    }

    /// Gives an incident to somebody, or to nobody.
    ///
    /// # Panics
    /// If they cannot have it.
    pub fn assign(&self, incident: &str, person: Option<&str>) {
        self.order(incident, "assign", &json!({ "person": person }));
    }

    fn order(&self, incident: &str, order: &str, body: &Value) {
        let path = format!("/api/v1/incidents/{incident}/{order}");
        let reply = self.ask("POST", &path, &body.to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Logs in with a token.
    pub fn log_in(&self, browser: &Browser, token: &str) {
        browser.open(&self.url("/login"));
        browser.fill("input[name=token]", token);
        browser.press(Key::Enter);
        browser.until("location.pathname === '/'");
    }

    /// Takes access to a repository of the bulk away, or gives it back, and has the daemon find out.
    pub fn turn(&self, number: usize, has_access: bool) {
        self.fake.world(|world| {
            let projects = &mut world.organisations[0].projects;
            let each = projects[0].repositories.len();
            let repository = &mut projects[number / each].repositories[number % each];
            repository.readers = (!has_access).then(Vec::new);
        });
        self.check(vec![name(number)]);
    }

    /// Has repositories checked now.
    fn check(&self, names: Vec<String>) {
        for order in names.chunks(MOST_ORDERED) {
            let reply = self.ask("POST", "/api/v1/check", &json!({ "repositories": order }).to_string());
            assert_eq!(reply.status, 202, "{reply:?}");
        }
    }

    /// Reads something from the API.
    ///
    /// # Panics
    /// If it is not there.
    pub fn get(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, "");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let token = format!("authorization: Bearer {OPERATE}");
        ask_with(self.daemon.address(), method, path, &[&token], body).expect("it answers")
    }

    fn until_there_is_everything(&self) {
        let all = self.repositories;
        self.until("an answer for all", |status| {
            let known = &status["repositories"];
            known["total"].as_u64() > Some(all as u64) && known["unknown"] == 0
        });
        for has_access in [false, true] {
            self.turn(3, has_access);
            let path = format!("/api/v1/repositories/{EVENTFUL}");
            let wanted = if has_access { "granted" } else { "not_found" };
            self.look("a turn", || self.get(&path)["reason"] == wanted);
        }
    }

    /// Waits until the forge that gives no answer is an incident, which takes the daemon some seconds.
    ///
    /// # Panics
    /// If it never is.
    pub fn until_stale(&self) {
        self.until("an incident of a forge", |status| {
            let incidents = status["incidents"].as_array().map_or(&[][..], Vec::as_slice);
            incidents.iter().any(|incident| incident["cause"] == "forge")
        });
    }

    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        self.look(what, || is_so(&self.get("/api/v1/status")));
    }

    fn look(&self, what: &str, is_so: impl Fn() -> bool) {
        let found = within(PATIENCE, || is_so().then_some(()));
        assert!(found.is_some(), "there was never {what}: {:#}", self.get("/api/v1/status"));
    }
}

fn world(repositories: usize) -> World {
    let (projects, each) = split(repositories);
    let mut world = World::large(projects, each).github(Github::contoso());
    world.gitlabs = World::contoso_gitlab().gitlabs;
    for number in 0..repositories {
        let project = &mut world.organisations[0].projects[number / each];
        let repository = &mut project.repositories[number % each];
        match number % 500 {
            7 => repository.disabled = true,
            11 | 13 => repository.readers = Some(Vec::new()),
            _ => {}
        }
    }
    world
}

/// How many projects there are, and how many repositories in each. One order asks for those of few projects, so that
/// few requests tell of all.
fn split(repositories: usize) -> (usize, usize) {
    let projects = repositories.div_ceil(MOST_ORDERED).max(PROJECTS);
    (projects, repositories.div_ceil(projects))
}

/// What a name is known by: what can be shown of it.
pub fn shown(name: &str) -> String {
    name.replace('\u{202e}', "\\u{202e}")
}

/// What the configuration calls a repository of the bulk.
pub fn name(number: usize) -> String {
    format!("large-{number:06}")
}

fn watchlist(repositories: usize) -> Watchlist {
    let soon = SystemTime::now() + Duration::from_secs(9 * 86_400);
    let client = format!(
        "kind = \"oauth2\"\ntoken_url = \"https://gitlab.com/oauth/token\"\nclient_id = {:?}\n\
         client_secret = {{ env = \"SECRET\" }}\naccess_token = {{ env = \"ACCESS\" }}\nexpires_at = \"{}\"",
        gitlab::CLIENT_ID,
        humantime::format_rfc3339_seconds(soon),
    );
    let list = Watchlist::new()
        .set("defaults.interval", NEVER)
        .table("identities.hub", "kind = \"pat\"\ntoken = { env = \"HUB\" }")
        .table("identities.ended", "kind = \"pat\"\ntoken = { env = \"ENDED\" }")
        .table("identities.lab", &client)
        .table("api.tokens.operator", "token = { env = \"OPERATE\" }\nscopes = [\"operate\"]")
        .table("api.tokens.reader", "token = { env = \"READ\" }\nscopes = [\"read\"]")
        .table("providers.vsts", "allow_write = true\nallow_hosts = [\"almsearch.dev.azure.com\"]")
        .table(&format!("people.{PERSON:?}"), &format!("emails = [\"ada@contoso.example\"]\nteams = {TEAMS}"))
        .integration("large", "https://dev.azure.com/large/", "")
        .integration("down", "https://tfs.example.org/tfs/Main/", "stale_after = \"1s\"")
        .table("integrations.hub", &integration("github", "https://api.github.com/", "hub"))
        .table("integrations.lab", &integration("gitlab", "https://gitlab.com/", "lab"))
        .table("integrations.former", &integration("gitlab", gitlab::OWN_BASE_URL, "ended"))
        .table(
            "discovery.contoso",
            "integration = \"lab\"\ninclude = [\"contoso/*\"]\nlabels = { team = \"found\" }",
        );
    let list = (0..DOWN).fold(list, |list, number| {
        list.repository(&format!("down-{number}"), "down", "Main", &format!("service-{number}"), "")
    });
    let list = ODD.iter().enumerate().fold(list, |list, (number, name)| {
        list.repository(&quoted(name), "large", &format!("project-{number}"), "repository-0", "")
    });
    let list = ["storefront", "vault", "frozen", "taken-down"].iter().fold(list, |list, name| {
        list.repository(&format!("hub-{name}"), "hub", "contoso", name, "labels = { team = \"web\" }")
    });
    let list = ["storefront", "legacy"].iter().fold(list, |list, name| {
        list.repository(&format!("former-{name}"), "former", "contoso/web", name, "")
    });
    let (_, each) = split(repositories);
    (0..repositories).fold(list, |list, number| {
        let (project, on_forge) =
            (format!("project-{}", number / each), format!("repository-{}", number % each));
        let labels = format!("labels = {{ team = \"team-{}\", tier = \"{}\" }}", number % 40, number % 3);
        list.repository(&name(number), "large", &project, &on_forge, &labels)
    })
}

fn integration(provider: &str, base_url: &str, identity: &str) -> String {
    format!("provider = {provider:?}\ndomain_name = {base_url:?}\nidentity = {identity:?}")
}

/// A key of TOML, which takes the strings of JSON.
fn quoted(name: &str) -> String {
    json!(name).to_string()
}
