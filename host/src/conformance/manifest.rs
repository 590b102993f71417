//! What the plugin says of itself, before any of its code runs.

use forgewatch_plugin_api::manifest::Manifest;
use regex::Regex;
use serde_json::{Map, Value};

use super::report::{Fault, Run, Stop};
use crate::config::HostPort;

const GROUP: &str = "manifest";

pub(super) async fn cases(
    run: &mut Run,
    manifest: &Manifest,
    beyond_sandbox: Option<String>,
    options: &Map<String, Value>,
) {
    run.case(GROUP, "a licence is named", async { licence(manifest) }).await;
    run.case(GROUP, "the URL patterns are expressions", async { patterns(manifest) }).await;
    run.case(GROUP, "the wished hosts are hosts", async { hosts(manifest) }).await;
    run.case(GROUP, "the schema of the options is one, and the options fit it", async {
        options_schema(manifest, options)
    })
    .await;
    run.case(GROUP, "the sandbox gives it all the libraries it needs", async {
        let to_do = "link what it needs into it";
        beyond_sandbox.map_or(Ok(()), |problem| Err(Fault::new("none but the host's", problem, to_do).into()))
    })
    .await;
}

fn licence(manifest: &Manifest) -> Result<(), Stop> {
    if manifest.licence.trim().is_empty() {
        return Err(Fault::new("a licence", "none", "set `license` in Cargo.toml").into());
    }
    Ok(())
}

fn patterns(manifest: &Manifest) -> Result<(), Stop> {
    for pattern in &manifest.url_patterns {
        Regex::new(pattern).map_err(|error| {
            let problem = error.to_string().lines().last().unwrap_or_default().to_owned();
            Fault::new("expressions of the crate `regex`", format!("`{pattern}`: {problem}"), "correct it")
        })?;
    }
    Ok(())
}

fn hosts(manifest: &Manifest) -> Result<(), Stop> {
    for host in &manifest.hosts {
        host.parse::<HostPort>().map_err(|error| {
            Fault::new("a host or host:port", format!("`{host}` {error}"), "leave scheme and path out")
        })?;
    }
    Ok(())
}

fn options_schema(manifest: &Manifest, options: &Map<String, Value>) -> Result<(), Stop> {
    let expected = "a JSON Schema";
    if manifest.options_schema.is_empty() {
        return match options.is_empty() {
            true => Ok(()),
            false => {
                Err(Fault::new("no options", "some were given", "name `options_schema` in the manifest")
                    .into())
            }
        };
    }
    let schema: Value = serde_json::from_str(&manifest.options_schema)
        .map_err(|error| Fault::new(expected, format!("no JSON: {error}"), "correct `options_schema`"))?;
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| Fault::new(expected, error.to_string(), "correct `options_schema`"))?;
    let given = Value::Object(options.clone());
    if let Err(error) = validator.validate(&given) {
        let came = format!("{error}, at `{}`", error.instance_path());
        return Err(
            Fault::new("options that fit the plugin's own schema", came, "correct one of both").into()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(change: impl FnOnce(&mut Manifest)) -> Vec<&'static str> {
        let mut manifest = Manifest { licence: "MIT".to_owned(), ..Manifest::default() };
        change(&mut manifest);
        let options = Map::from_iter([("region".to_owned(), Value::from("eu"))]);
        let checks = [
            ("licence", licence(&manifest).is_err()),
            ("patterns", patterns(&manifest).is_err()),
            ("hosts", hosts(&manifest).is_err()),
            ("options", options_schema(&manifest, &Map::new()).is_err()),
            ("given options", options_schema(&manifest, &options).is_err()),
        ];
        checks.into_iter().filter(|check| check.1).map(|check| check.0).collect()
    }

    #[test]
    fn what_a_manifest_says_has_to_make_sense() {
        let with_schema = |schema: &str| faults(|manifest| schema.clone_into(&mut manifest.options_schema));
        assert_eq!(faults(|_| {}), ["given options"]);
        assert_eq!(faults(|manifest| manifest.licence = " ".to_owned()), ["licence", "given options"]);
        assert_eq!(faults(|it| it.url_patterns.push("(".to_owned())), ["patterns", "given options"]);
        assert_eq!(faults(|it| it.hosts.push("https://x/".to_owned())), ["hosts", "given options"]);
        assert_eq!(with_schema(r#"{"properties": {"region": {"type": "string"}}}"#), Vec::<&str>::new());
        assert_eq!(with_schema(r#"{"properties": {"region": {"type": "integer"}}}"#), ["given options"]);
        assert_eq!(with_schema(r#"{"type": "no type"}"#), ["options", "given options"]);
        assert_eq!(with_schema("{"), ["options", "given options"]);
    }
}
