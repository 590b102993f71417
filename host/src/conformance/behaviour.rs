//! What holds whatever the forge answers: many checks at once, checks that are given up, and no identity.

use forgewatch_plugin_api::{Failure, Reason, Repository, Request, Scheme};
use futures_util::future::join_all;

use super::Replay;
use super::answers::answer;
use super::report::{Fault, Run, Stop};
use super::rules::{Expected, NO_ACCESS, answer_word, granted, shown};
use super::script::{Reply, Script};
use super::subject::{Answered, Subject};

const GROUP: &str = "behaviour";
const AT_ONCE: usize = 64;

const ESCAPE: &str = "put names into URLs with `path_segment`";
/// Names that lead elsewhere when they are put into a URL as they are.
const ODD_NAMES: &[&str] =
    &["", ".", "..", "../other", "a/../b", "a\\b", "a\nb", "\u{1b}[2J", "a?b#c", "%2e%2e", "ä 🦀"];

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    run.case(GROUP, format!("{AT_ONCE} checks at once through one client"), at_once(subject)).await;
    run.case(GROUP, "a check that is given up, and one after it", given_up(subject)).await;
    run.case(GROUP, "an integration without an identity", without_identity(subject)).await;
    run.case(GROUP, "names that would lead elsewhere", odd_names(subject)).await;
}

/// Answers as recorded, or else with 404 to everything.
fn usual(subject: &Subject) -> Script {
    subject.replay.as_ref().map_or_else(|| Script::answer(answer(404, None)), Replay::script)
}

/// Judges the answer to what is usual.
fn judge_usual(subject: &Subject, answered: &Answered) -> Result<(), Fault> {
    match subject.replay {
        Some(_) => granted(answered),
        None => Expected { reasons: NO_ACCESS, to_do: "answer as in the case 404" }.judge(answered),
    }
}

async fn at_once(subject: &Subject) -> Result<(), Stop> {
    let host = subject.host(usual(subject));
    let client = subject.client(&host).await.map_err(|failure| no_client(&failure))?;
    let answers = join_all((0..AT_ONCE).map(|_| client.has_repo_access(&subject.repository))).await;
    let first = answers.first().map_or("", answer_word);
    if let Some(other) = answers.iter().map(answer_word).find(|word| *word != first) {
        return Err(Fault::new(
            "the same answer to all of them",
            format!("`{first}` and `{other}`"),
            "keep what belongs to one check out of the client, or behind a lock",
        )
        .into());
    }
    let asked = host.take_asked().into_iter().take(1).collect();
    for answer in answers.into_iter().take(1) {
        judge_usual(subject, &Answered { answer, asked: Vec::clone(&asked) })?;
    }
    Ok(())
}

async fn given_up(subject: &Subject) -> Result<(), Stop> {
    let host = subject.host(usual(subject));
    let client = subject.client(&host).await.map_err(|failure| no_client(&failure))?;
    host.take_asked();
    host.plays(Script::never());
    tokio::select! {
        answer = client.has_repo_access(&subject.repository) => {
            let came = format!("`{}` without waiting for the answer", answer_word(&answer));
            return Err(Fault::new("a check that waits for the forge", came, "await the host's answer").into());
        }
        () = host.asked() => {}
    }
    host.take_asked();
    host.plays(usual(subject));
    let answer = client.has_repo_access(&subject.repository).await;
    judge_usual(subject, &Answered { answer, asked: host.take_asked() })?;
    Ok(())
}

async fn without_identity(subject: &Subject) -> Result<(), Stop> {
    let script = Script::new(|request| match request.authentication().scheme() {
        Some(Scheme::None) => Reply::Answer(answer(401, None)),
        _ => Reply::Failure(Failure::new(
            Reason::IDENTITY_INVALID,
            "the integration has no identity: add `identity`",
        )),
    });
    let answered = subject.check_all(script, subject.integration_without_identity()).await;
    let expected = Expected {
        reasons: &[Reason::IDENTITY_INVALID, Reason::UNAUTHORIZED],
        to_do: "answer Reason::IDENTITY_INVALID where `identity_kind()` is none, or ask with the credential and pass \
                the host's failure on with `?`",
    };
    match &answered.answer {
        Err(failure) => Ok(expected.judge_failure(failure)?),
        Ok(_) => Ok(expected.judge(&answered)?),
    }
}

/// What reaches the forge of a name is that name and nothing else.
async fn odd_names(subject: &Subject) -> Result<(), Stop> {
    let recorded = usual(subject);
    let host = subject.host(Script::new(move |request| match recorded.reply(request) {
        // A server may pass over a query that it does not know, and never sees a fragment.
        Reply::Unrecorded => {
            let path = request.url().split(['?', '#']).next().unwrap_or_default();
            recorded.reply(&Request::new(request.method(), path))
        }
        reply => reply,
    }));
    let client = subject.client(&host).await.map_err(|failure| no_client(&failure))?;
    // The path ends before these, and what is left of it is another repository's.
    for end in ["?x", "#x"] {
        let longer = Repository::new(&format!("{}{end}", subject.repository.name()));
        let longer = longer.with_project(subject.repository.project().unwrap_or_default());
        if client.has_repo_access(&longer).await.is_ok() {
            let came = format!(
                "{:?} is granted, by the answer about {:?}",
                longer.name(),
                subject.repository.name()
            );
            return Err(Fault::new("an answer about the name itself", came, ESCAPE).into());
        }
    }
    for name in ODD_NAMES {
        host.take_asked();
        let project = subject.repository.project().unwrap_or("acme");
        for repository in [
            Repository::new(name).with_project(project),
            Repository::new(subject.repository.name()).with_project(name),
        ] {
            let answer = client.has_repo_access(&repository).await;
            if let Err(failure) = &answer {
                Expected { reasons: NO_ACCESS, to_do: ESCAPE }.judge_failure(failure)?;
            }
        }
        let moved = host.take_asked().into_iter().find(|asked| leads_elsewhere(&asked.url));
        if let Some(asked) = moved {
            return Err(Fault::new(
                "no request whose path leads elsewhere",
                format!("{name:?} made it {}", asked.shown()),
                ESCAPE,
            )
            .into());
        }
    }
    Ok(())
}

/// Whether a URL's path means another one than it reads.
fn leads_elsewhere(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    path.contains(|char: char| char.is_control() || char == '\\') || path.split('/').any(dots)
}

fn no_client(failure: &Failure) -> Stop {
    Fault::new("a client", shown(failure), "see the cases before this one").into()
}
