//! Base URLs that are none: a client is refused or the URL repaired, and nothing is asked that is no address.

use forgewatch_plugin_api::Integration;
use url::{ParseError, Url};

use super::answers::answer;
use super::report::{Fault, Run, Stop};
use super::rules::{Expected, MARKER, UNCLEAR};
use super::script::Script;
use super::subject::Subject;

const GROUP: &str = "malformed base URLs";

const EXPECTED: Expected = Expected {
    reasons: UNCLEAR,
    to_do: "answer Reason::BASE_URL_UNRESOLVED in `get_client` where the base URL is none and cannot be repaired",
};

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    let (bare, long) = (bare(&subject.base_url), format!("https://{}/", "a.".repeat(50_000)));
    let with_password = format!("https://me:{MARKER}@{bare}/");
    let table = [
        ("nothing", String::new()),
        ("a word", "None".to_owned()),
        ("without a scheme", format!("{bare}/")),
        ("a scheme alone", "https://".to_owned()),
        ("no host", "https:///".to_owned()),
        ("a space in the host", "https://forge example/".to_owned()),
        ("another scheme", format!("ftp://{bare}/")),
        ("a script", "javascript:alert(1)".to_owned()),
        ("a line break", format!("https://{bare}/\n")),
        ("a query", format!("https://{bare}/?x=/")),
        ("dots that lead out", format!("https://{bare}/../../")),
        ("a password", with_password),
        ("a hundred thousand characters", long),
    ];
    for (name, base_url) in table {
        run.case(GROUP, name, judge(subject, &base_url)).await;
    }
}

fn bare(base_url: &str) -> String {
    let bare = base_url.split_once("://").map_or(base_url, |(_, bare)| bare);
    bare.trim_end_matches('/').to_owned()
}

async fn judge(subject: &Subject, base_url: &str) -> Result<(), Stop> {
    let integration: Integration = subject.integration().with_domain_name(base_url);
    let script = Script::answer(answer(503, None));
    let answered = subject.check_all(script, integration).await;
    let relative = |url: &str| {
        matches!(Url::parse(url), Err(ParseError::RelativeUrlWithoutBase | ParseError::EmptyHost))
    };
    if let Some(asked) = answered.asked.iter().find(|asked| relative(&asked.url)) {
        let came = format!("{}, which is no address", asked.shown());
        return Err(Fault::new("no request at all, or one to the forge", came, EXPECTED.to_do).into());
    }
    match &answered.answer {
        Err(failure) => Ok(EXPECTED.judge_failure(failure)?),
        Ok(_) => Ok(EXPECTED.judge(&answered)?),
    }
}
