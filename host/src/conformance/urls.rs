//! The parser of repository URLs, before what people paste and what nobody should.

use forgewatch_plugin_api::{RepositoryUrl, UrlErrorKind};
use regex::RegexSet;
use url::Url;

use super::report::{Fault, Run, Stop};
use super::rules::{MARKER, detail, shown};
use super::subject::Subject;

const GROUP: &str = "repository URLs";

/// What is no URL of anything.
const GARBAGE: &[&str] = &[
    "",
    " ",
    "x",
    "-",
    "/",
    "..",
    "://",
    "https:",
    "https://",
    "https:///",
    "https://%",
    "https://[::1",
    "not a url",
    "\u{0}",
    "\u{1b}[2J",
    "🦀",
    "https://exa mple/a/b",
    "javascript:alert(1)",
    "data:text/plain,x",
    "file:///etc/passwd",
];
/// What stands in for the last segment of a URL.
const SEGMENTS: &[&str] = &[
    ".",
    "..",
    "%2e%2e",
    "%2E.",
    "..%2f..",
    "%2f",
    "%5c",
    "%00",
    "%0a",
    "%ff",
    "%zz",
    "%",
    "a\nb",
    "a\u{0}b",
    "a\u{1b}b",
    "a\u{202e}b",
    "a\\b",
    "a b",
    "",
    "//",
    "?",
    "#",
    "?x=1#y",
    ".git",
    "ä🦀",
];

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    if subject.urls.is_empty() {
        run.case(GROUP, "URLs that it has to know", async {
            Err(Stop::skip("name some with --url, or as `urls` in the file of recorded answers"))
        })
        .await;
    }
    for url in &subject.urls {
        run.case(GROUP, url, known(subject, url)).await;
    }
    run.case(GROUP, "what is no URL at all", async {
        for garbage in GARBAGE {
            if let Some(parsed) = parsed(subject, garbage).await? {
                return Err(Fault::new(
                    "an error",
                    format!("{garbage:?} is the repository `{}`", parsed.name()),
                    "answer UrlErrorKind::UNSUPPORTED_HOST to what is none of your hosts",
                )
                .into());
            }
        }
        Ok(())
    })
    .await;
    let stem = subject.urls.first().cloned().unwrap_or_else(|| format!("{}acme/shop", subject.base_url));
    let stem = stem.trim_end_matches('/').rsplit_once('/').map_or(stem.as_str(), |(stem, _)| stem).to_owned();
    run.case(GROUP, "odd last segments", async {
        for segment in SEGMENTS {
            parsed(subject, &format!("{stem}/{segment}")).await?;
        }
        Ok(())
    })
    .await;
    run.case(GROUP, "a million characters", async {
        parsed(subject, &format!("{stem}/{}", "a".repeat(1_000_000))).await?;
        parsed(subject, &format!("{stem}/{}", "a/".repeat(500_000))).await.map(drop)
    })
    .await;
    run.case(GROUP, "a password in the URL", async {
        let bare = stem.split_once("://").map_or(stem.as_str(), |(_, bare)| bare);
        for path in ["shop", "", "..", "a/b/c/d/e"] {
            parsed(subject, &format!("https://me:{MARKER}@{bare}/{path}")).await?;
        }
        parsed(subject, &format!("https://me:{MARKER}@elsewhere.example/a/b")).await.map(drop)
    })
    .await;
}

/// A URL of the author's own.
async fn known(subject: &Subject, url: &str) -> Result<(), Stop> {
    let to_do = "correct the URL or the parser";
    let repository = match subject.parse(url).await.map_err(|failure| failed(&failure))? {
        Ok(repository) => repository,
        Err(error) => return Err(Fault::new("a repository", error.detail(), to_do).into()),
    };
    sound(url, &repository)?;
    let again = subject.parse(url).await.map_err(|failure| failed(&failure))?;
    if again.as_ref() != Ok(&repository) {
        return Err(
            Fault::new("the same answer every time", "another one", "keep no state in the parser").into()
        );
    }
    let asks = RegexSet::new(&subject.manifest.url_patterns).is_ok_and(|patterns| patterns.is_match(url));
    let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    if !asks && host(url) != host(&subject.base_url) {
        let came = "no pattern of the manifest takes it, and it is not on the host of the base URL";
        return Err(
            Fault::new("a URL that the plugin is asked about", came, "add it to `url_patterns`").into()
        );
    }
    Ok(())
}

/// The repository of a URL, if it is one, with everything in it as it should be.
async fn parsed(subject: &Subject, url: &str) -> Result<Option<RepositoryUrl>, Stop> {
    match subject.parse(url).await.map_err(|failure| failed(&failure))? {
        Ok(repository) => {
            sound(url, &repository)?;
            Ok(Some(repository))
        }
        Err(error) => {
            if !(1..=UrlErrorKind::INVALID_PERCENT_ENCODING.code()).contains(&error.kind().code()) {
                let came = format!("the code {}", error.kind().code());
                return Err(
                    Fault::new("a kind of UrlErrorKind", came, "answer with one of its constants").into()
                );
            }
            detail(error.detail())?;
            Ok(None)
        }
    }
}

/// What later goes into requests and tables.
fn sound(url: &str, repository: &RepositoryUrl) -> Result<(), Fault> {
    let fault = |expected: &str, came: String| {
        let came = format!("{url:.80?} has {came}");
        Err(Fault::new(expected, came, "answer UrlErrorKind::INVALID_SEGMENT, or NOT_A_REPOSITORY_URL"))
    };
    let base_url = repository.base_url();
    let plain = Url::parse(base_url).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.username().is_empty()
    });
    if !plain || !base_url.ends_with('/') || base_url.contains(MARKER) {
        return fault("a base URL like https://…/", format!("the base URL {base_url:?}"));
    }
    if repository.name().is_empty() {
        return fault("a name", "none".to_owned());
    }
    for text in [repository.name(), repository.project().unwrap_or_default()] {
        let moves = text.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."));
        if moves || text.contains(char::is_control) || text.contains(MARKER) {
            return fault("names that can be part of a URL", format!("the name {text:?}"));
        }
    }
    Ok(())
}

fn failed(failure: &forgewatch_plugin_api::Failure) -> Stop {
    Fault::new("an answer", shown(failure), "no URL may reach an unwrap, an index or a loop without end")
        .into()
}
