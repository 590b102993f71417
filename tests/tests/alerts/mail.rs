//! A real mail server.

use forgewatch::alerts::Happening;
use forgewatch_tests::fake::Presented;
use forgewatch_tests::receivers::{Certified, MailServer, MailSettings, Step};
use forgewatch_tests::sandbox::Sandbox;
use tempfile::TempDir;

use crate::support::{PASSWORD, keeps_secrets, message, refused, sandbox, target, told, unavailable};

fn settings(server: &MailServer, more: &str) -> String {
    format!(
        "kind = \"email\"\nhost = \"127.0.0.1\"\nport = {}\nfrom = \"Forge Wätch <watch@example.org>\"\n\
         to = [\"ops@example.org\", \"Bö <b@example.org>\"]\n{more}",
        server.port()
    )
}

fn trusting(certified: &Certified) -> String {
    format!("http.ca_file = {:?}\nhttp.timeout = \"2s\"\n", certified.ca_file())
}

const ACCOUNT: &str = "username = \"watch\"\npassword = { file = \"password\" }\n";

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_to_everybody_under_one_id() {
    let certified = Certified::new();
    for (tls, implicit) in [("starttls", ""), ("implicit", "tls = \"implicit\"\n")] {
        let account = Some(("watch", PASSWORD));
        let server = MailServer::start(&MailSettings {
            tls,
            certified: Some(&certified),
            account,
            ..Default::default()
        });
        let dir = TempDir::new().unwrap();
        let more = format!("{implicit}{ACCOUNT}");
        let target = target(dir.path(), &trusting(&certified), &settings(&server, &more)).await;
        let sent = message(Happening::Opened, vec![told(1, Happening::Opened)]);
        target.send(&sent).await.unwrap();
        let mail = server.wait_for(1).remove(0);
        assert!(mail.encrypted && mail.defects.is_empty() && !mail.multipart, "{mail:?}");
        assert_eq!((mail.user.as_deref(), mail.from.as_str()), (Some("watch"), "watch@example.org"));
        assert_eq!(mail.to, ["ops@example.org", "b@example.org"]);
        assert_eq!(mail.header("From"), Some("Forge Wätch <watch@example.org>"));
        assert_eq!(mail.header("To"), Some("ops@example.org, Bö <b@example.org>"));
        assert_eq!(mail.header("Message-ID"), Some("<msg_0123456789abcdef@example.org>"));
        assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
        let subject = "[forgewatch] Opened: critical, not_found at acme, repository acme/app-1";
        assert_eq!(mail.header("Subject"), Some(subject));
        assert_eq!(mail.content_type, "text/plain");
        for part in
            ["seen: the forge answered 404", "to do: look whether it was moved", "https://watch.example.org/"]
        {
            assert!(mail.body.contains(part), "{part}: {}", mail.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_an_incident_is_a_thread() {
    let server = MailServer::start(&MailSettings::default());
    let dir = TempDir::new().unwrap();
    let target = target(dir.path(), "", &settings(&server, "tls = \"none\"\n")).await;
    for (event, numbers) in
        [(Happening::Opened, vec![2, 1]), (Happening::Reminded, vec![1]), (Happening::Resolved, vec![1])]
    {
        let told = numbers.into_iter().map(|number| told(number, event)).collect();
        target.send(&message(event, told)).await.unwrap();
    }
    let mails = server.wait_for(3);
    let id = |number: usize| format!("<incident-{number:016x}-18f@example.org>");
    let (one, both) = (id(1), format!("{} {}", id(1), id(2)));
    for (mail, references) in mails.iter().zip([&both, &one, &one]) {
        assert_eq!(mail.header("References"), Some(references.as_str()));
    }
    let answers = mails.iter().map(|mail| mail.header("In-Reply-To")).collect::<Vec<_>>();
    assert_eq!(answers, [None, Some(one.as_str()), Some(one.as_str())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_of_the_mail_is_final_and_all_else_a_matter_of_time() {
    let steps = [
        ("connect", "554 5.7.0 no", false),
        ("connect", "HTTP/1.1 400 Bad Request", false),
        ("connect", "hang up", false),
        ("connect", "silence", false),
        ("mail", "451 4.3.0 later", false),
        ("mail", "530 5.7.0 sign in first", false),
        ("mail", "550 5.7.1 not from here", true),
        ("mail", "hang up", false),
        ("data", "452 4.2.2 full", false),
        ("data", "554 5.6.0 that is spam", true),
        ("data", "hang up", false),
        ("data", "silence", false),
    ];
    let planned = steps.map(|(at, answer, _)| Some(Step { at, answer }));
    let server = MailServer::start(&MailSettings { steps: &planned, ..Default::default() });
    let dir = TempDir::new().unwrap();
    let top = "http.timeout = \"2s\"\n";
    let target = target(dir.path(), top, &settings(&server, "tls = \"none\"\n")).await;
    let sent = message(Happening::Opened, vec![told(1, Happening::Opened)]);
    for (at, answer, is_final) in steps {
        let outcome = target.send(&sent).await;
        let detail = if is_final { refused(outcome) } else { unavailable(outcome).0 };
        let code = answer.split(' ').next().filter(|code| code.len() == 3);
        assert!(code.is_none_or(|code| detail.contains(code)), "{at} {answer}: {detail}");
        assert!(detail.starts_with(&format!("127.0.0.1:{}: ", server.port())), "{detail}");
    }
    target.send(&sent).await.unwrap();
    assert_eq!(server.wait_for(1).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_refused_costs_the_others_nothing() {
    let gone = ("b@example.org", "550 5.1.1 gone");
    let full = ("ops@example.org", "452 4.2.2 full");
    let dir = TempDir::new().unwrap();
    let sent = message(Happening::Opened, vec![told(1, Happening::Opened)]);
    for (answers, arrives) in [(&[gone][..], true), (&[gone, full][..], false)] {
        let server = MailServer::start(&MailSettings { refused: answers, ..Default::default() });
        let target = target(dir.path(), "", &settings(&server, "tls = \"none\"\n")).await;
        let outcome = target.send(&sent).await;
        if arrives {
            outcome.unwrap();
            assert_eq!(server.wait_for(1)[0].to, ["ops@example.org"]);
        } else {
            assert!(unavailable(outcome).0.contains("no mail for ops@example.org: it answers 452"));
        }
    }
    let server = MailServer::start(&MailSettings { refused: &[gone], ..Default::default() });
    let only = settings(&server, "tls = \"none\"\n").replace("\"ops@example.org\", ", "");
    let target = target(dir.path(), "", &only).await;
    assert!(
        refused(target.send(&sent).await).contains("no mail for b@example.org: it answers 550 (5.1.1 gone)")
    );
}

/// A sandbox with the target `ops` at this server.
fn sandboxed(server: &MailServer, top: &str, more: &str) -> Sandbox {
    let settings = settings(server, more);
    sandbox(top, &format!("[alerts.targets.ops]\n{settings}\n"))
}

#[test]
fn who_is_not_trusted_gets_nothing_and_a_password_is_told_nobody() {
    let account = "username = \"watch\"\npassword = { env = \"PASSWORD\" }\n";
    let certified = Certified::new();
    let stranger = Certified::presenting(Presented::UnknownAuthority);
    let server = |tls, certified, password| {
        let account = Some(("watch", password));
        MailServer::start(&MailSettings { tls, certified, account, ..Default::default() })
    };
    let cases = [
        (
            server("starttls", Some(&certified), "another"),
            &certified,
            account.to_owned(),
            "signing in failed, look at `username` and `password`: it answers 535 (",
        ),
        (
            server("implicit", Some(&certified), "another"),
            &certified,
            format!("tls = \"implicit\"\n{account}"),
            "signing in failed",
        ),
        (
            server("starttls", Some(&stranger), PASSWORD),
            &stranger,
            account.to_owned(),
            "signed by nobody trusted here; add the authority to `http.ca_file`",
        ),
        (
            server("implicit", Some(&stranger), PASSWORD),
            &stranger,
            format!("tls = \"implicit\"\n{account}"),
            "signed by nobody trusted here",
        ),
        (
            server("none", None, PASSWORD),
            &certified,
            account.to_owned(),
            "it offers no STARTTLS, without which nothing is sent",
        ),
        (
            MailServer::start(&MailSettings::default()),
            &certified,
            format!("tls = \"none\"\n{account}"),
            "it offers no way to sign in",
        ),
    ];
    for (server, certified, more, problem) in cases {
        let sandbox = sandboxed(&server, &trusting(certified), &more);
        let run = sandbox.run(&["--log-level", "trace", "alerts", "test", "ops"]).exits(1);
        assert!(run.stderr.contains(problem), "{problem}: {}", run.stderr);
        keeps_secrets(&run);
        assert!(server.mails().is_empty());
    }
}
