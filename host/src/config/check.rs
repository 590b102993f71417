//! Rules that need more than one value. They run on whatever of the configuration is valid in itself.

use std::collections::HashSet;

use super::{
    model::{Config, Repository},
    problem::nearest,
    schema::Finding,
};

/// Names that the configuration gives to something, whether or not that something is valid.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) identities: HashSet<String>,
    pub(super) integrations: HashSet<String>,
}

/// Everything that is wrong across values.
pub(super) fn findings(config: &Config, declared: &Declared, faulty: &HashSet<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    let timed = ["check_timeout", "http.timeout"]
        .iter()
        .all(|key| !faulty.contains(*key));
    if timed && config.check_timeout <= config.http.timeout {
        let message = format!(
            "must be longer than http.timeout, which is {}",
            config.http.timeout
        );
        add(
            &mut found,
            &["check_timeout"],
            message,
            "raise it, or lower http.timeout",
        );
    }
    for (name, integration) in &config.integrations {
        if let Some(identity) = &integration.identity {
            reference(
                &mut found,
                &["integrations", name, "identity"],
                identity,
                &declared.identities,
                "identities",
            );
        }
    }
    for (name, discovery) in &config.discovery {
        let path = ["discovery", name, "integration"];
        reference(
            &mut found,
            &path,
            &discovery.integration,
            &declared.integrations,
            "integrations",
        );
    }
    for (name, repository) in &config.repositories {
        if let Some(integration) = &repository.integration {
            let path = ["repositories", name, "integration"];
            reference(
                &mut found,
                &path,
                integration,
                &declared.integrations,
                "integrations",
            );
        }
        addressing(&mut found, name, repository);
    }
    found
}

/// A repository is named by its URL or by its name within an integration, not by both.
fn addressing(found: &mut Vec<Finding>, name: &str, repository: &Repository) {
    let path = ["repositories", name];
    let by_name = [("project", &repository.project), ("name", &repository.name)];
    if repository.url.is_some() {
        for (key, _) in by_name.iter().filter(|(_, value)| value.is_some()) {
            let message = format!("`{key}` and `url` exclude each other");
            add(
                found,
                &[path[0], name, key],
                message,
                "keep `url`, or `integration` with `project` and `name`",
            );
        }
        return;
    }
    let missing: Vec<_> = [
        ("integration", &repository.integration),
        ("name", &repository.name),
    ]
    .iter()
    .filter(|(_, value)| value.is_none())
    .map(|(key, _)| format!("`{key}`"))
    .collect();
    if !missing.is_empty() {
        let message = format!("{} missing", missing.join(" and "));
        add(
            found,
            &path,
            message,
            "give a repository either `url`, or `integration` and `name`",
        );
    }
}

fn reference(found: &mut Vec<Finding>, path: &[&str], name: &str, known: &HashSet<String>, table: &str) {
    if known.contains(name) {
        return;
    }
    let mut help = format!("add a table [{table}.{}]", super::problem::dotted(&[name]));
    if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
        help = format!("did you mean `{near}`?");
    }
    add(
        found,
        path,
        format!("`{}` is not among the {table}", name.escape_debug()),
        &help,
    );
}

fn add(found: &mut Vec<Finding>, path: &[&str], message: String, help: &str) {
    found.push(Finding {
        path: path.iter().map(ToString::to_string).collect(),
        message,
        help: Some(help.into()),
    });
}
