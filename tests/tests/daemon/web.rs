//! The page as a browser meets it that runs no script: signing in, looking, searching, having something checked, and
//! signing out.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;

use forgewatch_tests::ask::{Reply, connect, head, send};
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::process::wait_for;
use forgewatch_tests::watchlist::Watchlist;

use crate::support::{delete, large, until_granted};

const TOKEN: &str = "planted0operate0token";

/// Somebody at a browser.
struct Visitor {
    address: SocketAddr,
    cookie: String,
}

impl Visitor {
    fn get(&self, path: &str) -> Reply {
        let cookie = format!("cookie: {}", self.cookie);
        send(self.address, "GET", path, &["accept: text/html", &cookie], "").expect("it answers")
    }

    #[track_caller]
    fn page(&self, path: &str) -> String {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body.replace("&#x2f;", "/")
    }

    fn post(&self, path: &str, form: &str) -> Reply {
        let (cookie, origin) =
            (format!("cookie: {}", self.cookie), format!("origin: http://{}", self.address));
        let media = "content-type: application/x-www-form-urlencoded";
        send(self.address, "POST", path, &["accept: text/html", &cookie, &origin, media], form)
            .expect("it answers")
    }

    /// Signs in, which sets the cookie.
    fn sign_in(&mut self, token: &str) -> Reply {
        let reply = self.post("/login", &format!("token={token}&next=%2Frepositories%3Fverdict%3Ddenied"));
        if let Some(cookie) = reply.header("set-cookie") {
            self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        }
        reply
    }
}

fn form_token(page: &str) -> &str {
    let (_, after) = page.split_once("name=\"form_token\" value=\"").expect("there is a form");
    after.split('"').next().unwrap_or_default()
}

#[test]
fn somebody_signs_in_looks_has_a_repository_checked_and_signs_out() {
    let fake = large(1, 3);
    let list =
        Watchlist::large(1, 3).set("defaults.interval", r#""1000h""#).set("defaults.failure_threshold", "1");
    let list = list.table("api.tokens.operator", "token = { env = \"OPERATE\" }\nscopes = [\"operate\"]");
    let mut sandbox = list.sandbox(&fake);
    sandbox.set_variable("OPERATE", TOKEN);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    let mut visitor = Visitor { address: daemon.address(), cookie: String::new() };

    let door = visitor.get("/");
    assert_eq!((door.status, door.header("location")), (303, Some("/login")));
    assert!(visitor.page("/login").contains("API token"));
    assert_eq!(visitor.sign_in("planted0wrong0token").status, 403);
    let let_in = visitor.sign_in(TOKEN);
    assert_eq!((let_in.status, let_in.header("location")), (303, Some("/repositories?verdict=denied")));

    let overview = visitor.page("/");
    assert!(overview.contains("All is well"), "{overview}");
    let found = visitor.page("/repositories?q=R1&verdict=&sort=name");
    assert!(found.contains("1 repository fits") && found.contains("href=\"/repositories/p0-r1\""), "{found}");

    let mut live = BufReader::new(connect(visitor.address).expect("it answers"));
    let cookie = format!("cookie: {}", visitor.cookie);
    let request = head(visitor.address, "GET", "/live", &[&cookie]);
    live.get_mut().write_all(request.as_bytes()).expect("it listens");
    delete(&fake, 0, 1);
    let repository = visitor.page("/repositories/p0-r1");
    let form = format!("form_token={}", form_token(&repository));
    let asked = visitor.post("/repositories/p0-r1", &form);
    assert_eq!((asked.status, asked.header("location")), (303, Some("/repositories/p0-r1?asked=1")));
    wait_for("an event", || {
        let mut line = String::new();
        live.read_line(&mut line).expect("the stream goes on");
        line.starts_with("event: changed").then_some(())
    });
    wait_for("the loss on the page", || visitor.page("/").contains("Access is missing").then_some(()));
    // The history is drawn of what is on disk.
    let lost = wait_for("the loss in the history", || {
        Some(visitor.page("/repositories/p0-r1")).filter(|page| page.contains("<rect class=\"denied\""))
    });
    assert!(lost.contains("Denied: not found"), "{lost}");
    let incidents = visitor.page("/incidents");
    assert!(incidents.contains("href=\"/repositories/p0-r1\""), "{incidents}");
    for path in ["/integrations", "/plugins", "/incidents?state=resolved"] {
        visitor.page(path);
    }

    assert_eq!(visitor.post("/logout", "form_token=guessed").status, 403);
    assert_eq!(visitor.post("/logout", &form).status, 303);
    assert_eq!(visitor.get("/").header("location"), Some("/login"));
    let id = visitor.cookie.split_once('=').map(|(_, id)| id.to_owned()).expect("a cookie");
    let log = daemon.stop().stderr;
    assert!(log.contains("had a token that the API does not know"), "{log}");
    for secret in [TOKEN, "planted0wrong0token", &id] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
