//! Issues of the forge's tracker, of a plugin that offers them: under a forge that fails, with what was recorded, and
//! what is delivered by strangers.
//!
//! Requests that write are let through here, as an operator does who wants issues.

use forgewatch_plugin_api::{
    Extension, Failure, FoundIssues, Issue, IssueChange, IssueQuery, IssueRef, IssueState, ListRequest,
    NewIssue, ProjectPage, Reason, Subscription, WebhookDelivery, WebhookProof,
};
use reqwest::header::HeaderName;

use super::Replay;
use super::answers::answer;
use super::extensions::{COMPARE, Trouble, failed, troubles, unrecorded};
use super::replay::{Delivery, Tracked};
use super::report::{Fault, Run, Stop};
use super::rules::{Expected, UNCLEAR, detail, refused, shown};
use super::script::{Asked, Script, ScriptedHost};
use super::subject::Subject;
use crate::plugins::{Client, Provider};
use crate::services::HookSecret;

const GROUP: &str = "issues";
const EXTENSIONS: [Extension; 2] = [Extension::ISSUE_TRACKING, Extension::ISSUE_EVENTS];

/// What can be asked of a tracker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Search,
    Get,
    Create,
    Update,
    States,
    Projects,
    Subscribe,
    Subscription,
    Unsubscribe,
}

/// What it says.
enum Said {
    Found(FoundIssues),
    Issue(Issue),
    States(Vec<IssueState>),
    Projects(ProjectPage),
    Subscription(Subscription),
    Nothing,
}

impl Operation {
    const ALL: [Self; 9] = [
        Self::Search,
        Self::Get,
        Self::Create,
        Self::Update,
        Self::States,
        Self::Projects,
        Self::Subscribe,
        Self::Subscription,
        Self::Unsubscribe,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Search => "search_issues",
            Self::Get => "get_issue",
            Self::Create => "create_issue",
            Self::Update => "update_issue",
            Self::States => "issue_states",
            Self::Projects => "list_projects",
            Self::Subscribe => "subscribe",
            Self::Subscription => "get_subscription",
            Self::Unsubscribe => "unsubscribe",
        }
    }

    fn extension(self) -> Extension {
        match self {
            Self::Subscribe | Self::Subscription | Self::Unsubscribe => Extension::ISSUE_EVENTS,
            _ => Extension::ISSUE_TRACKING,
        }
    }

    async fn ask(self, of: &Tracked, client: &Client, host: &ScriptedHost) -> Result<Said, Failure> {
        let object = host.object();
        let issue = IssueRef::new(&*of.key).with_project(&*of.project);
        match self {
            Self::Search => {
                client.search_issues(object, &IssueQuery::new(&*of.text, 50)).await.map(Said::Found)
            }
            Self::Get => client.get_issue(object, &issue).await.map(Said::Issue),
            Self::Create => {
                let new = NewIssue::new(&*of.project, &*of.kind, "an issue").with_description("of a test");
                client.create_issue(object, &new).await.map(Said::Issue)
            }
            Self::Update => {
                let change = IssueChange::none().with_comment("a comment");
                client.update_issue(object, &issue, &change).await.map(Said::Issue)
            }
            Self::States => client.issue_states(object, &of.project, &of.kind).await.map(Said::States),
            Self::Projects => client.list_projects(object, &ListRequest::first()).await.map(Said::Projects),
            Self::Subscribe => {
                let secret = HookSecret::new("a-secret-of-this-test".into())
                    .map_err(|error| Failure::new(Reason::PLUGIN_FAILED, error.to_string()))?;
                let url = "https://watch.example/hooks";
                client.subscribe(object, url, None, secret.into()).await.map(Said::Subscription)
            }
            Self::Subscription => {
                client.get_subscription(object, &of.subscription).await.map(Said::Subscription)
            }
            Self::Unsubscribe => client.unsubscribe(object, &of.subscription).await.map(|()| Said::Nothing),
        }
    }
}

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    let script = subject.replay.as_ref().map_or_else(|| Script::answer(answer(404, None)), Replay::script);
    let host = subject.writing_host(script);
    // Why there is none is told by the cases of the other extensions.
    let Ok(client) = subject.client(&host).await else { return };
    let of = subject.tracked();
    for extension in EXTENSIONS {
        let offered = run.value(GROUP, format!("{}: offered", extension.name()), async {
            let version =
                client.query_extension(extension.name()).await.map_err(|failure| failed(&failure))?;
            version.ok_or_else(|| {
                Stop::skip(format!(
                    "it is not; hosts do without. To offer it, name it in `Provider::EXTENSIONS`: {}",
                    extension.name()
                ))
            })?;
            let mut written = Vec::new();
            host.plays(Script::answer(answer(500, None)));
            for operation in Operation::ALL.into_iter().filter(|it| it.extension() == extension) {
                if !operation.ask(&of, &client, &host).await.is_err_and(|failure| failure.is_unsupported()) {
                    written.push(operation);
                }
            }
            if written.is_empty() {
                return Err(Fault::new(
                    "an answer to what is offered",
                    "it is named in EXTENSIONS, but none of its methods is written",
                    format!("write them, or take {} out of `Provider::EXTENSIONS`", extension.name()),
                )
                .into());
            }
            Ok(written)
        });
        let Some(written) = offered.await else { continue };
        for operation in Operation::ALL.into_iter().filter(|it| it.extension() == extension) {
            if !written.contains(&operation) {
                let why = "the method is not written; hosts do without";
                run.case(GROUP, operation.name(), async { Err(Stop::skip(why)) }).await;
                continue;
            }
            in_trouble(run, operation, &of, &client, &host).await;
            recorded(run, operation, &of, subject, &client, &host).await;
        }
        if extension == Extension::ISSUE_EVENTS {
            deliveries(run, subject, &host).await;
        }
    }
}

/// One operation while the forge fails.
async fn in_trouble(run: &mut Run, operation: Operation, of: &Tracked, client: &Client, host: &ScriptedHost) {
    for Trouble { name, script, expected, is_of_body } in troubles() {
        // What is removed leaves nothing to be read.
        if is_of_body && operation == Operation::Unsubscribe {
            continue;
        }
        run.case(GROUP, format!("{}: {name}", operation.name()), async {
            host.take_asked();
            host.plays(script);
            let said = operation.ask(of, client, host).await;
            refused(&host.take_asked())?;
            match said {
                Err(failure) => Ok(expected.judge_failure(&failure)?),
                Ok(Said::Found(found)) if found.incomplete().is_some() => {
                    Ok(detail(found.incomplete().unwrap_or_default())?)
                }
                Ok(_) => {
                    Err(Fault::new("a failure", "an answer as if nothing were wrong", expected.to_do).into())
                }
            }
        })
        .await;
    }
}

async fn recorded(
    run: &mut Run,
    operation: Operation,
    of: &Tracked,
    subject: &Subject,
    client: &Client,
    host: &ScriptedHost,
) {
    let Some(replay) = subject.replay.as_ref().filter(|replay| replay.issue.is_some()) else { return };
    run.case(GROUP, format!("{}: as recorded", operation.name()), async {
        host.plays(replay.script_of_issues());
        host.take_asked();
        let said = operation.ask(of, client, host).await;
        let asked = host.take_asked();
        unrecorded(&asked)?;
        let said = said.map_err(|failure| Fault::new("an answer", shown(&failure), COMPARE))?;
        let (expected, came) = match said {
            Said::Found(found) if !found.issues().iter().any(|issue| issue.key() == of.key) => {
                (format!("the issue `{}`", of.key), format!("{} others", found.issues().len()))
            }
            Said::Issue(issue) if operation != Operation::Create && issue.key() != of.key => {
                (format!("the issue `{}`", of.key), format!("`{}`", issue.key()))
            }
            Said::Issue(issue) if issue.state().is_empty() => ("a state".to_owned(), "none".to_owned()),
            Said::States(states) if !states.iter().any(IssueState::is_done) => {
                ("a state that is done".to_owned(), format!("{} that are not", states.len()))
            }
            Said::Subscription(made)
                if operation == Operation::Subscription && !made.id().eq_ignore_ascii_case(&of.subscription) =>
            {
                (format!("the subscription `{}`", of.subscription), format!("`{}`", made.id()))
            }
            Said::Projects(page) if page.projects().is_empty() => ("a project".to_owned(), "none".to_owned()),
            Said::Subscription(_)
                if operation == Operation::Subscribe && !asked.iter().any(|asked| asked.with_hook_secret) =>
            {
                let to_do = "write `NewSubscription::secret` into the request's body, where the forge wants the secret";
                let came = asked.last().map_or("no request".to_owned(), Asked::shown) + " without it";
                return Err(Fault::new("what stands for the secret, in a body", came, to_do).into());
            }
            _ => return Ok(()),
        };
        Err(Fault::new(expected, came, COMPARE).into())
    })
    .await;
}

/// What strangers may send, and what was recorded.
async fn deliveries(run: &mut Run, subject: &Subject, host: &ScriptedHost) {
    let provider = &subject.provider;
    let proof = provider.webhook_proof(host.object()).await;
    run.case(GROUP, "webhook_proof: a header", async {
        let proof = proof.as_ref().map_err(failed)?;
        match HeaderName::from_bytes(proof.header().as_bytes()) {
            Ok(_) => Ok(()),
            Err(_) => {
                let came = format!("{:?}", proof.header());
                Err(Fault::new("the name of a header", came, "name the one that has the secret").into())
            }
        }
    })
    .await;
    let odd: [(&str, Vec<u8>); 7] = [
        ("nothing", Vec::new()),
        ("`{`", b"{".to_vec()),
        ("`[]`", b"[]".to_vec()),
        ("`null`", b"null".to_vec()),
        ("bytes that are no text", vec![0xff, 0xfe, 0]),
        ("ten thousand brackets", vec![b'['; 10_000]),
        ("an object without anything", b"{}".to_vec()),
    ];
    for (name, body) in odd {
        run.case(GROUP, format!("parse_webhook: {name}"), async {
            no_delivery(provider, host, WebhookDelivery::new(body)).await
        })
        .await;
    }
    let Ok(proof) = proof else { return };
    for (number, delivery) in (1..).zip(subject.replay.iter().flat_map(|replay| &replay.deliveries)) {
        run.case(GROUP, format!("parse_webhook: delivery {number}, as recorded"), async {
            let event = provider.parse_webhook(host.object(), &delivery.whole(&proof)).await;
            let event = event.map_err(|failure| Fault::new("an event", shown(&failure), COMPARE))?;
            let came = (event.account(), event.issue());
            match came == (delivery.account.as_str(), delivery.issue.as_deref()) {
                true => Ok(()),
                false => {
                    let expected = format!("{:?} of account {:?}", delivery.issue, delivery.account);
                    let came = format!("{:?} of account {:?}", event.issue(), event.account());
                    Err(Fault::new(expected, came, COMPARE).into())
                }
            }
        })
        .await;
        run.case(GROUP, format!("parse_webhook: delivery {number}, cut off at every eighth"), async {
            cut_off(provider, host, &proof, delivery).await
        })
        .await;
    }
}

async fn cut_off(
    provider: &Provider,
    host: &ScriptedHost,
    proof: &WebhookProof,
    delivery: &Delivery,
) -> Result<(), Stop> {
    for eighth in 0..8 {
        no_delivery(provider, host, delivery.cut_off(proof, eighth)).await?;
    }
    Ok(())
}

/// What is no delivery fails as such, and asks nobody.
async fn no_delivery(
    provider: &Provider,
    host: &ScriptedHost,
    delivery: WebhookDelivery,
) -> Result<(), Stop> {
    let to_do = "answer Reason::INVALID_RESPONSE to what is no delivery: anybody may send it";
    let expected = Expected { reasons: UNCLEAR, to_do };
    host.take_asked();
    match provider.parse_webhook(host.object(), &delivery).await {
        Ok(_) => return Err(Fault::new("a failure", "an event", to_do).into()),
        Err(failure) => expected.judge_failure(&failure)?,
    }
    match host.take_asked().first() {
        Some(asked) => {
            Err(Fault::new("no request", asked.shown(), "ask nobody for what is delivered").into())
        }
        None => Ok(()),
    }
}
