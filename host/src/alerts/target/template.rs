//! Bodies of the operator's own making: Jinja templates that make JSON.
//!
//! - Whatever is put in becomes a JSON literal, so that no text of a forge can break out.
//! - A template reads nothing but its message, and is bounded in time, memory and what it makes.
//! - It is tried on samples when the configuration is loaded, with the worst text in them, and what it makes is JSON
//!   there and whenever it is sent.

use std::io;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde::de::IgnoredAny;

use super::Message;
use super::sample::samples;
use crate::text::printable;

/// What one message may cost: instructions, and bytes by the 64.
const FUEL: u64 = 200_000;
/// What one message may make.
const LARGEST_BYTES: usize = 256 << 10;
const NAME: &str = "template";

/// A template that makes JSON of samples.
pub(super) struct Template(Environment<'static>);

/// What is wrong with a template.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Template {
    /// Compiles a template and tries it on messages that are grouped by these labels.
    pub(super) fn compile(source: &str, group_by: &[String]) -> Result<Self, Wrong> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| Wrong { help: help(&error).to_owned(), message: described(&error) })?;
        let template = Self(environment);
        for sample in samples(group_by) {
            let made = template.made(&sample).map_err(|error| Wrong {
                message: format!("{}, for {}", described(&error), sample.label),
                help: help(&error).to_owned(),
            })?;
            if let Some(problem) = no_json(&made) {
                return Err(Wrong {
                    message: format!("{problem}, for {}", sample.label),
                    help: NO_JSON.to_owned(),
                });
            }
        }
        Ok(template)
    }

    /// The body of a message, or why there is none.
    pub(super) fn render(&self, message: &Message) -> Result<String, String> {
        let made = self.made(message).map_err(|error| format!("its `template`: {}", described(&error)))?;
        match no_json(&made) {
            Some(problem) => Err(format!("its `template`: {problem}")),
            None => Ok(made),
        }
    }

    fn made(&self, message: &Message) -> Result<String, Error> {
        let mut made = Bounded(Vec::new());
        let template = self.0.get_template(NAME)?;
        template.render_captured_to(Value::from(Serde(message)), &mut made)?;
        String::from_utf8(made.0).map_err(|_| Error::new(ErrorKind::WriteFailure, "it is no text"))
    }
}

/// A buffer with an end.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_BYTES {
            return Err(io::Error::other(format!("it makes more than {} KiB", LARGEST_BYTES >> 10)));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NO_JSON: &str = "write values without quotes around them, like `\"text\": {{ event }}`, join text as in \
                       `{{ \"at \" ~ at }}`, and put commas between the items of a loop with \
                       `{% if not loop.last %},{% endif %}`";

/// Why a body is no JSON.
fn no_json(made: &str) -> Option<String> {
    let error = serde_json::from_str::<IgnoredAny>(made).err()?;
    let line = made.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    // The place is told in characters of one byte, and the line may be long.
    let before: String = line.bytes().take(error.column()).map(char::from).collect();
    let near: String = match before.is_ascii() {
        true => before.chars().skip(before.len().saturating_sub(40)).collect(),
        false => line.chars().take(40).collect(),
    };
    Some(format!("what it makes is no JSON: {error}, at the end of `{}`", printable(near.trim(), 60)))
}

/// What is wrong, and where.
fn described(error: &Error) -> String {
    let detail = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    printable(&format!("{line}{detail}{cause}"), 300).into_owned()
}

fn help(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::UndefinedError => {
            "the README names what there is; what may be null is asked for first, as in \
             `{% if incident.repository %}`, and a label that not all have is \
             `labels.team | default(\"\")`"
        }
        ErrorKind::OutOfFuel => "make less of it: there may be a loop in a loop",
        ErrorKind::WriteFailure => "make less of it: leave some of the incidents out, as in `incidents[:20]`",
        _ => {
            "it is a Jinja template: `{{ … }}` puts a value in, `{% for … %}` and `{% if … %}` end with \
              `{% endfor %}` and `{% endif %}`"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{assigned, test_message, usual};
    use super::*;
    use crate::alerts::Happening;

    fn wrong(source: &str) -> String {
        let wrong = Template::compile(source, &usual()).err().expect("it is wrong");
        format!("{}; {}", wrong.message, wrong.help)
    }

    #[test]
    fn values_become_json_and_nothing_breaks_out() {
        let source = r#"{"summary": {{ "[" ~ event ~ "] " ~ incidents[0].detail }}, "all": {{ incidents }},
            "list": [{% for incident in incidents %}{{ incident.repository or "all of " ~ incident.integration }}
            {%- if not loop.last %},{% endif %}{% endfor %}], "labels": {{ group }}, "url": {{ url }}}"#;
        let template = Template::compile(source, &usual()).ok().unwrap();
        let mut message = test_message(Happening::Opened, None, &usual());
        message.incidents[0].detail = "\"}, \"injected\": [\n</script>".to_owned();
        let made: serde_json::Value = serde_json::from_str(&template.render(&message).unwrap()).unwrap();
        assert_eq!(made["summary"], format!("[opened] {}", message.incidents[0].detail));
        assert_eq!(made["all"], serde_json::to_value(&message.incidents).unwrap());
        assert_eq!(made["list"], serde_json::json!(["all of example"]));
        assert!(made["url"].is_null() && made.get("injected").is_none());
    }

    #[test]
    fn who_has_it_may_be_put_in_and_may_be_nobody() {
        let source = r#"{% set it = incidents[0] %}{"who": {{ it.assignee }},
            "issue": {{ it.issue.key if it.issue else "none" }}}"#;
        let template = Template::compile(source, &usual()).ok().unwrap();
        for (message, expected) in [
            (assigned(), serde_json::json!({ "who": "ada", "issue": "31" })),
            (
                test_message(Happening::Opened, None, &usual()),
                serde_json::json!({ "who": null, "issue": "none" }),
            ),
        ] {
            let made: serde_json::Value = serde_json::from_str(&template.render(&message).unwrap()).unwrap();
            assert_eq!(made, expected);
        }
    }

    #[test]
    fn what_makes_no_json_or_nothing_is_told_with_the_line_and_the_way_out() {
        let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}1";
        let cases = [
            (
                "{\"text\": \"{{ event }}\"}",
                "what it makes is no JSON: expected `,` or `}`",
                "without quotes",
            ),
            ("{\n\"x\": {{ nothing }}}", "line 2: undefined value", "the README names"),
            ("{{ incidents[0].repository.x }}", "line 1: ", "asked for first"),
            ("{% for x in incidents %}", "line 1: syntax error", "{% endfor %}"),
            ("{{ event | nosuch }}", "line 1: unknown filter", "Jinja"),
            ("{{ incidents[0].detail | safe }}", "what it makes is no JSON", "without quotes"),
            (
                "[{% for x in incidents %}{{ x.id }}{% endfor %}]",
                "for several incidents",
                "{% if not loop.last %}",
            ),
            ("{% include \"/etc/passwd\" %}", "line 1: template not found", "Jinja"),
            (loops, "fuel", "a loop in a loop"),
            ("[\"{{ \"x\" * 300000 }}\"]", "it makes more than 256 KiB", "`incidents[:20]`"),
            ("", "what it makes is no JSON", ""),
        ];
        for (source, problem, help) in cases {
            let wrong = wrong(source);
            assert!(wrong.contains(problem) && wrong.contains(help), "{source}: {wrong}");
        }
    }

    #[test]
    fn a_message_of_another_shape_than_the_samples_is_no_reason_to_send_garbage() {
        let template =
            Template::compile("{% if incidents|length > 50 %}{{ nothing }}{% else %}1{% endif %}", &usual());
        let template = template.ok().unwrap();
        let mut message = test_message(Happening::Opened, None, &usual());
        assert_eq!(template.render(&message).unwrap(), "1");
        message.incidents = vec![message.incidents[0].clone(); 51];
        assert!(
            template.render(&message).unwrap_err().starts_with("its `template`: line 1: undefined value")
        );
    }
}
