//! `check_repositories`: many repositories of one project with few requests. Since 1.2.0, on a client.

use serde::{Deserialize, Serialize};

use super::json;
use super::verdict::Said;
use crate::types::{Access, Failure, Reason, Repository};

/// The extension's name.
pub const NAME: &str = "check_repositories";
/// The version described here.
pub const VERSION: u32 = 1;

/// The answer about one repository of a batch; none for one that has to be asked for by itself.
pub type BatchAnswer = Option<Result<Access, Failure>>;

#[derive(Serialize, Deserialize)]
struct Batch {
    repositories: Vec<Wanted>,
}

#[derive(Serialize, Deserialize)]
struct Wanted {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Answers {
    answers: Vec<Option<Said>>,
}

/// Repositories as the payload.
pub fn encode_request<'a>(repositories: impl IntoIterator<Item = &'a Repository>) -> Vec<u8> {
    let wanted = repositories.into_iter().map(|repository| Wanted {
        name: repository.name().to_owned(),
        project: repository.project().map(ToOwned::to_owned),
        external_id: repository.external_id().map(ToOwned::to_owned),
    });
    json::encode(&Batch { repositories: wanted.collect() })
}

/// The repositories in a payload.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`] for what holds none.
pub fn decode_request(payload: &[u8]) -> Result<Vec<Repository>, Failure> {
    let batch: Batch = json::decode(NAME, "payload", payload)?;
    let repositories = batch.repositories.into_iter().map(|wanted| {
        let mut repository = Repository::new(&wanted.name);
        if let Some(project) = &wanted.project {
            repository = repository.with_project(project);
        }
        if let Some(id) = &wanted.external_id {
            repository = repository.with_external_id(id);
        }
        repository
    });
    Ok(repositories.collect())
}

/// Answers in the order of the repositories, as the answer of the extension.
pub fn encode_answers(answers: &[BatchAnswer]) -> Vec<u8> {
    let answers = answers.iter().map(|answer| answer.as_ref().map(Said::from));
    json::encode(&Answers { answers: answers.collect() })
}

/// The answers, one for each of `asked` repositories.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`] for what holds none, or another number of them.
pub fn decode_answers(answer: &[u8], asked: usize) -> Result<Vec<BatchAnswer>, Failure> {
    let answers: Answers = json::decode(NAME, "answer", answer)?;
    let answers: Vec<BatchAnswer> =
        answers.answers.into_iter().map(|answer| answer.map(Into::into)).collect();
    if answers.len() != asked {
        let detail = format!(
            "the plugin answered the extension `{NAME}` for {} repositories, and was asked about {asked}",
            answers.len()
        );
        return Err(Failure::new(Reason::PLUGIN_FAILED, detail));
    }
    Ok(answers)
}
