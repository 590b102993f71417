//! People, in both of the forms that the service has for them: `Name <mail>` as text, and objects since version 5.

use forgewatch_plugin_api::Person;
use serde::Deserialize;

use crate::answer;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    unique_name: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

/// The person in a field; none for nobody.
pub(crate) fn of_json(json: &str) -> Option<Person> {
    if let Ok(text) = serde_json::from_str::<String>(json) {
        return of_text(&text);
    }
    let identity: Identity = answer::object_of(json.as_bytes())?;
    let is_there = |text: &String| !text.is_empty();
    let unique = identity.unique_name.filter(is_there);
    let name = identity.display_name.filter(is_there).or_else(|| unique.clone());
    let id = identity.id.filter(is_there);
    let mut person = Person::new(name.or_else(|| id.clone())?);
    if let Some(unique) = unique.filter(|unique| is_mail(unique)) {
        person = person.with_email(unique);
    }
    Some(match id {
        Some(id) => person.with_id(id),
        None => person,
    })
}

fn of_text(text: &str) -> Option<Person> {
    let text = text.trim();
    let (name, unique) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, unique)) => (name.trim(), unique.trim()),
        // A unique name may stand alone.
        None => (text, text),
    };
    let name = if name.is_empty() { unique } else { name };
    if name.is_empty() {
        return None;
    }
    let person = Person::new(name);
    Some(if is_mail(unique) { person.with_email(unique) } else { person })
}

/// On-premises a unique name may be that of a domain's account.
fn is_mail(unique: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '<' | '>');
    matches!(unique.split_once('@'), Some((user, host)) if !user.is_empty() && !host.is_empty() && !host.contains('@'))
        && !unique.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_in_every_form() {
        let ada = || Person::new("Ada Quill").with_email("ada@contoso.example");
        for (json, expected) in [
            (r#""Ada Quill <ada@contoso.example>""#, Some(ada())),
            (r#""  Ada Quill<ada@contoso.example> ""#, Some(ada())),
            (
                r#""A <b> Quill <ada@contoso.example>""#,
                Some(Person::new("A <b> Quill").with_email("ada@contoso.example")),
            ),
            (
                r#""<ada@contoso.example>""#,
                Some(Person::new("ada@contoso.example").with_email("ada@contoso.example")),
            ),
            (
                r#""ada@contoso.example""#,
                Some(Person::new("ada@contoso.example").with_email("ada@contoso.example")),
            ),
            (r#""Ada Quill""#, Some(Person::new("Ada Quill"))),
            (r#""Ada Quill <CONTOSO\\ada>""#, Some(Person::new("Ada Quill"))),
            (r#""Ada <ada@contoso.example""#, Some(Person::new("Ada <ada@contoso.example"))),
            (
                r#"{"displayName":"Ada Quill","uniqueName":"ada@contoso.example","id":"6a5f","descriptor":"aad.x"}"#,
                Some(ada().with_id("6a5f")),
            ),
            (r#"{"displayName":"Ada","uniqueName":"CONTOSO\\ada"}"#, Some(Person::new("Ada"))),
            (r#"{"id":"6a5f"}"#, Some(Person::new("6a5f").with_id("6a5f"))),
            (r#""""#, None),
            (r#""<>""#, None),
            ("null", None),
            ("{}", None),
            ("[]", None),
            ("7", None),
            (r#"{"displayName":7}"#, None),
        ] {
            assert_eq!(of_json(json), expected, "{json}");
        }
    }
}
