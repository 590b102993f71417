//! The extensions that the plugin offers: under a forge that fails, and with what was recorded.

use std::collections::HashSet;

use forgewatch_plugin_api::{
    BatchAnswer, BodyState, Extension, Failure, IdentityProbe, ListRequest, ListedRepository, Reason,
    Repository, RepositoryPage, Requirements, Response,
};

use super::Replay;
use super::answers::{LIMITED, NO_ANSWER, OUTAGE, answer};
use super::report::{Fault, Run, Stop};
use super::rules::{Expected, NO_ACCESS, UNCLEAR, detail, shown};
use super::script::{Asked, Script, ScriptedHost};
use super::subject::Subject;
use crate::plugins::Client;

const GROUP: &str = "extensions";
/// Those that are about repositories and the identity, and ask the forge.
const EXTENSIONS: [Extension; 4] = [
    Extension::LIST_REPOSITORIES,
    Extension::CHECK_REPOSITORIES,
    Extension::PROBE_IDENTITY,
    Extension::REQUIREMENTS,
];
/// More pages than an answer without any repository has.
const MOST_PAGES: usize = 50;
pub(super) const COMPARE: &str =
    "compare the recorded answers with what the forge sends, and the plugin with both";

/// A forge that fails, and what must come of an extension then.
pub(super) struct Trouble {
    pub(super) name: &'static str,
    pub(super) script: Script,
    pub(super) expected: Expected,
    /// Whether the status alone would mean success.
    pub(super) is_of_body: bool,
}

pub(super) fn troubles() -> Vec<Trouble> {
    let unauthorized = Expected {
        reasons: &[Reason::UNAUTHORIZED, Reason::IDENTITY_INVALID],
        to_do: "answer as a check does: Reason::UNAUTHORIZED",
    };
    let unclear = Expected { reasons: UNCLEAR, to_do: "answer as a check does: Reason::INVALID_RESPONSE" };
    let forbidden = Expected { reasons: NO_ACCESS, to_do: "answer as a check does" };
    let cut_off = Response::new(200, "[{").with_body_state(BodyState::CUT_OFF);
    let too_large = Response::new(200, "").with_body_state(BodyState::TOO_LARGE);
    let page = Response::new(200, "<html>Sign in</html>").with_header("Content-Type", "text/html");
    let unreachable = Failure::new(Reason::UNREACHABLE, "no answer to GET: timed out after 10 s");
    let trouble = |name, script, expected| Trouble { name, script, expected, is_of_body: false };
    let of_body = |name, response, expected| Trouble {
        is_of_body: true,
        ..trouble(name, Script::answer(response), expected)
    };
    vec![
        trouble("401", Script::answer(answer(401, None)), unauthorized),
        trouble("403", Script::answer(answer(403, None)), forbidden),
        trouble("429", Script::answer(answer(429, Some("30"))), LIMITED),
        trouble("500", Script::answer(answer(500, None)), OUTAGE),
        trouble("no answer", Script::failure(unreachable), NO_ANSWER),
        of_body("`{`", Response::new(200, "{"), unclear),
        of_body("a body that was cut off", cut_off, unclear),
        of_body("a body that was too large", too_large, unclear),
        of_body("a page of HTML", page, forbidden),
    ]
}

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    let script = subject.replay.as_ref().map_or_else(|| Script::answer(answer(404, None)), Replay::script);
    let host = subject.host(script);
    let client = run
        .value(GROUP, "a client to ask about them", async {
            subject.client(&host).await.map_err(|failure| {
                Stop::skip(format!("none can be made without recorded answers: {}", shown(&failure)))
            })
        })
        .await;
    let Some(client) = client else { return };
    limits(run, subject).await;
    for extension in EXTENSIONS {
        let name = extension.name();
        let offered = run.value(GROUP, format!("{name}: offered"), async {
            let version = client.query_extension(name).await.map_err(|failure| failed(&failure))?;
            let way = format!(
                "it is not; hosts do without. To offer it, name it in `Provider::EXTENSIONS`: {name}"
            );
            version.ok_or_else(|| Stop::skip(way))?;
            is_written(extension, subject, &client, &host).await
        });
        if offered.await.is_none() {
            continue;
        }
        for trouble in troubles() {
            run.case(GROUP, format!("{name}: {}", trouble.name), async {
                host.plays(trouble.script);
                in_trouble(extension, subject, &client, &host, trouble.expected).await
            })
            .await;
        }
        host.take_asked();
    }
    listing(run, &client, &host).await;
    recorded(run, subject, &client, &host).await;
}

async fn limits(run: &mut Run, subject: &Subject) {
    run.case(GROUP, "limits: numbers that make sense", async {
        let name = Extension::LIMITS.name();
        let version = subject.provider.query_extension(name).await.map_err(|failure| failed(&failure))?;
        version.ok_or_else(|| Stop::skip("it is not offered; hosts do without"))?;
        let host = subject.host(Script::never());
        let limits = subject.provider.limits(host.object(), &subject.integration()).await;
        let limits = limits.map_err(|failure| failed(&failure))?;
        let (requests, window) =
            limits.requests().map_or((1, 1), |(requests, window)| (requests, window.as_secs()));
        if requests == 0 || window == 0 || limits.page_size() == Some(0) {
            let to_do = "leave out what is not known";
            return Err(Fault::new(
                "requests in a time, and pages with something on them",
                format!("{limits:?}"),
                to_do,
            )
            .into());
        }
        Ok(())
    })
    .await;
}

/// What an extension says.
enum Said {
    Page(RepositoryPage),
    Answers(Vec<BatchAnswer>),
    Probe(IdentityProbe),
    Requirements(Requirements),
}

/// One call of an extension.
async fn ask(
    extension: Extension,
    subject: &Subject,
    client: &Client,
    host: &ScriptedHost,
) -> Result<Said, Failure> {
    let object = host.object();
    match extension {
        Extension::LIST_REPOSITORIES => {
            client.list_repositories(object, &ListRequest::first()).await.map(Said::Page)
        }
        Extension::CHECK_REPOSITORIES => {
            let names = ["a", "b", "c"].map(|name| neighbour(subject, name));
            client.check_repositories(object, &names.each_ref()).await.map(Said::Answers)
        }
        Extension::PROBE_IDENTITY => client.probe_identity(object).await.map(Said::Probe),
        _ => client.requirements(object).await.map(Said::Requirements),
    }
}

/// What is offered has to be there.
async fn is_written(
    extension: Extension,
    subject: &Subject,
    client: &Client,
    host: &ScriptedHost,
) -> Result<(), Stop> {
    host.plays(Script::answer(answer(500, None)));
    match ask(extension, subject, client, host).await {
        Err(failure) if failure.is_unsupported() => Err(Fault::new(
            "an answer to what is offered",
            "it is named in EXTENSIONS, but the method is not written",
            format!("write `Provider::{0}`, or take {0} out of `Provider::EXTENSIONS`", extension.name()),
        )
        .into()),
        _ => Ok(()),
    }
}

/// One call of an extension while the forge fails.
async fn in_trouble(
    extension: Extension,
    subject: &Subject,
    client: &Client,
    host: &ScriptedHost,
    expected: Expected,
) -> Result<(), Stop> {
    match ask(extension, subject, client, host).await {
        Ok(Said::Page(page)) => whole_page(&page),
        Ok(Said::Answers(answers)) => batch(answers.into_iter().flatten(), expected),
        Ok(Said::Probe(probe)) => {
            Err(Fault::new("a failure", format!("`{}`", probe.subject()), expected.to_do).into())
        }
        Ok(Said::Requirements(requirements)) => no_news(requirements, expected),
        Err(failure) => Ok(expected.judge_failure(&failure)?),
    }
}

/// A list that nothing came of must not look like an account without repositories.
fn whole_page(page: &RepositoryPage) -> Result<(), Stop> {
    if let Some(why) = page.incomplete() {
        return Ok(detail(why)?);
    }
    let came = format!("a page of {} repositories that is said to be whole", page.repositories().len());
    Err(Fault::new("a failure", came, "answer with a Failure, or say why it is incomplete").into())
}

fn batch(
    answers: impl Iterator<Item = Result<forgewatch_plugin_api::Access, Failure>>,
    expected: Expected,
) -> Result<(), Stop> {
    for answer in answers {
        match answer {
            Ok(_) => return Err(Fault::new("no access", "granted", expected.to_do).into()),
            Err(failure) => expected.judge_failure(&failure)?,
        }
    }
    Ok(())
}

fn no_news(requirements: Requirements, expected: Expected) -> Result<(), Stop> {
    let said = [requirements.read(), requirements.write(), requirements.webhooks()];
    let is_outage = expected.reasons == UNCLEAR || expected.reasons == LIMITED.reasons;
    if said.contains(&Some(true)) || (is_outage && said.contains(&Some(false))) {
        return Err(Fault::new(
            "a failure, or nothing that is known",
            format!("{requirements:?}"),
            expected.to_do,
        )
        .into());
    }
    Ok(())
}

fn neighbour(subject: &Subject, name: &str) -> Repository {
    let repository = Repository::new(name);
    subject.repository.project().map_or(repository.clone(), |project| repository.with_project(project))
}

/// Whatever the forge shows, a listing comes to an end.
async fn listing(run: &mut Run, client: &Client, host: &ScriptedHost) {
    let name = Extension::LIST_REPOSITORIES.name();
    if !client.query_extension(name).await.is_ok_and(|version| version.is_some()) {
        return;
    }
    for body in ["[]", "{}", "{\"value\": [], \"count\": 0}", "{\"repositories\": [], \"total_count\": 7}"] {
        host.plays(Script::answer(Response::new(200, body).with_header("Content-Type", "application/json")));
        run.case(GROUP, format!("{name}: ends, when every page is `{body}`"), async {
            match pages(client, host).await {
                // A listing that cannot be read has ended.
                Ok(_) | Err(Broken::Failed(_)) => Ok(()),
                Err(Broken::Fault(fault)) => Err(fault.into()),
            }
        })
        .await;
    }
}

/// Why a listing has no last page.
enum Broken {
    Fault(Fault),
    /// The plugin's own word.
    Failed(Failure),
}

/// Reads on to the last page.
async fn pages(client: &Client, host: &ScriptedHost) -> Result<Vec<ListedRepository>, Broken> {
    let (mut request, mut cursors, mut listed) = (ListRequest::first(), HashSet::new(), Vec::new());
    for _ in 0..MOST_PAGES {
        let page = client.list_repositories(host.object(), &request).await.map_err(|failure| {
            match failure.reason() == Reason::PLUGIN_FAILED {
                true => Broken::Fault(Fault::new("pages", shown(&failure), "find what fails")),
                false => Broken::Failed(failure),
            }
        })?;
        let next = page.next().map(str::to_owned);
        listed.extend(page.into_repositories());
        let Some(next) = next else { return Ok(listed) };
        if !cursors.insert(next.clone()) {
            let came = format!("the cursor `{next}` for the second time");
            return Err(Broken::Fault(Fault::new(
                "a cursor that leads on",
                came,
                "end where the forge names no next page",
            )));
        }
        request = ListRequest::after(&next);
    }
    let came = format!("more than {MOST_PAGES} pages without any repository on them");
    let to_do = "end at a page with nothing on it, or where no next one is named";
    Err(Broken::Fault(Fault::new("an end", came, to_do)))
}

/// What the recorded answers say through extensions is what they say through a check.
async fn recorded(run: &mut Run, subject: &Subject, client: &Client, host: &ScriptedHost) {
    let Some(replay) = &subject.replay else { return };
    host.plays(replay.script());
    host.take_asked();
    let name = Extension::LIST_REPOSITORIES.name();
    if client.query_extension(name).await.is_ok_and(|version| version.is_some()) {
        run.case(GROUP, format!("{name}: as recorded"), async {
            let ended = pages(client, host).await;
            unrecorded(&host.take_asked())?;
            match ended {
                Ok(listed) => shows(&listed, &subject.repository),
                Err(Broken::Fault(fault)) => Err(fault.into()),
                Err(Broken::Failed(failure)) => {
                    Err(Fault::new("the recorded list", shown(&failure), COMPARE).into())
                }
            }
        })
        .await;
    }
    let name = Extension::CHECK_REPOSITORIES.name();
    if client.query_extension(name).await.is_ok_and(|version| version.is_some()) {
        run.case(GROUP, format!("{name}: as recorded, in the order that was asked for"), async {
            in_order(subject, client, host).await
        })
        .await;
    }
    for extension in [Extension::PROBE_IDENTITY, Extension::REQUIREMENTS] {
        let name = extension.name();
        if client.query_extension(name).await.is_ok_and(|version| version.is_some()) {
            run.case(GROUP, format!("{name}: as recorded"), async {
                let said = ask(extension, subject, client, host).await;
                unrecorded(&host.take_asked())?;
                match said {
                    Ok(Said::Probe(probe)) if probe.subject().is_empty() => {
                        Err(Fault::new("who the identity is", "no name", COMPARE).into())
                    }
                    Ok(_) => Ok(()),
                    Err(failure) if failure.is_unsupported() => Err(Stop::skip("the method is not written")),
                    Err(failure) => Err(Fault::new("an answer", shown(&failure), COMPARE).into()),
                }
            })
            .await;
        }
    }
}

/// What the list says of the repository whose answers mean access.
fn shows(listed: &[ListedRepository], known: &Repository) -> Result<(), Stop> {
    if listed.is_empty() {
        return Err(Fault::new("a repository", "none", "record a list that shows one").into());
    }
    let is_known = |it: &&ListedRepository| it.name() == known.name() && it.project() == known.project();
    match listed.iter().filter(is_known).find_map(|it| it.access().as_ref().err()) {
        Some(failure) => {
            Err(Fault::new("granted, as a check of the same repository", shown(failure), COMPARE).into())
        }
        None => Ok(()),
    }
}

async fn in_order(subject: &Subject, client: &Client, host: &ScriptedHost) -> Result<(), Stop> {
    let (known, missing) = (&subject.repository, neighbour(subject, "no-such-repository"));
    for (order, at) in [([known, &missing], 0), ([&missing, known], 1)] {
        let answers = client.check_repositories(host.object(), &order).await;
        unrecorded(&host.take_asked())?;
        let answers = answers.map_err(|failure| failed(&failure))?;
        let to_do = "answer as a check of each would, in the order of the repositories; None has it checked";
        if let Some(Err(failure)) = &answers[at] {
            return Err(Fault::new("granted, or None", shown(failure), to_do).into());
        }
        if let Some(Ok(_)) = &answers[1 - at] {
            return Err(Fault::new("no access to a repository that is not there", "granted", to_do).into());
        }
    }
    Ok(())
}

/// Where the recording ends nothing can be said.
pub(super) fn unrecorded(asked: &[Asked]) -> Result<(), Stop> {
    let missing = asked.iter().find(|asked| asked.is_unrecorded);
    missing.map_or(Ok(()), |asked| Err(Stop::skip(format!("record an answer to {}", asked.shown()))))
}

pub(super) fn failed(failure: &Failure) -> Stop {
    Fault::new("an answer", shown(failure), "find what fails").into()
}
