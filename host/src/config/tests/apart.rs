//! Repositories go apart from other settings, and a TOML file is read in pieces: neither may be told from outside.

use super::*;
use crate::config::{
    pieces,
    syntax::{FileFormat, parse},
};

/// What a file says, read in pieces and as a whole; none where it is not read in pieces, or is wrong.
fn readings(text: &str) -> [Option<Value>; 2] {
    let in_pieces = pieces::parse(text).map(|(settings, repositories)| {
        let settings = serde_json::to_value(settings).unwrap();
        Merged { settings, repositories }.whole()
    });
    [in_pieces, parse(FileFormat::Toml, text).ok().map(|values| serde_json::to_value(values).unwrap())]
}

#[test]
fn plain_files_are_read_in_pieces_and_say_the_same() {
    for text in [
        "[repositories.a]\nurl = 'x'\n",
        "[repositories]\n[repositories.a]\n",
        "check_timeout = '1m'\n[http]\n[repositories.a]\nname = 'a'\n[repositories.b]\nname = 'b'\n",
        "[repositories.a]\nname = 'a'\n[repositories.a.labels]\nteam = 't'\n[repositories.b]\n",
        "[repositories.a]\n[integrations.x]\nprovider = 'p'\n# so\n[repositories.b]\n[plugins]\ndirs = [\n'a',\n]\n",
        "  [repositories.a]\r\n\tname = 'a'\r\n[repositories.\"b.c\"]\r\n[repositories.\"b.d\".labels]\r\nx = 'y'",
        "[repositories.a]\nname = \"\"\"\nfirst\nsecond\"\"\"\nlabels = { a = 'b', c.d = 1.5 }\n[repositories.b]\n",
        "[profiles.p.repositories.a]\nname = 'b'\n[repositories.a]\nat = 2026-01-05T10:00:00Z\n",
    ] {
        let [in_pieces, whole] = readings(text);
        assert!(in_pieces.is_some(), "{text}");
        assert_eq!(in_pieces, whole, "{text}");
    }
}

#[test]
fn unusual_files_are_read_as_a_whole() {
    for text in [
        "[http]\n",
        "repositories.a.name = 'a'\n[repositories.b]\n",
        "[repositories.a]\n[repositories.b]\n[repositories.a.labels]\n",
        "[\"repositories\".a]\n[repositories.b]\n",
        "[[repositories.a]]\n[repositories.b]\n",
        "[a]\ntext = '''\n[repositories.a]\n[b]\n'''\n",
        "[repositories.a]\nname = '''\n[repositories.b]\n'''\n",
        "[repositories.a]\nname = '''\n[other]\n'''\n",
    ] {
        let [in_pieces, whole] = readings(text);
        assert!(in_pieces.is_none() && whole.is_some(), "{text}");
    }
}

#[test]
fn wrong_files_are_wrong_in_pieces() {
    for text in [
        "[repositories.a]\n[repositories.a]\n",
        "[repositories.a]\n[repositories.b]\n[repositories.a]\n",
        "[repositories.a]\n[repositories]\n[repositories.b]\n[repositories]\n",
        "[repositories.a]\nname = 'a'\nname = 'b'\n",
        "[repositories.a]\nname = \n[repositories.b]\n",
        "[a]\nlist = [\n[repositories.a]\n[1],\n]\n",
        "[repositories.a]\n[http]\n[repositories.b]\n[http]\n",
    ] {
        assert_eq!(readings(text), [None, None], "{text}");
    }
}

#[test]
fn repositories_merge_like_everything_else() {
    let world = World::new()
        .file("1.toml", "[integrations.i]\nprovider = 'p'\ndomain_name = 'd'\n[repositories.a]\nname = 'a'\nlabels = { x = '1', y = '1' }\n[repositories.alone]\nurl = 'u'\n")
        .file("2.yaml", "repositories:\n  a:\n    integration: i\n    labels: { y: '2' }\n  b: { url: u }\n")
        .file("3.json", r#"{"profiles": {"p": {"repositories": {"a": {"project": "q"}, "c": {"url": "u"}}}}}"#)
        .config("1.toml")
        .config("2.yaml")
        .config("3.json")
        .profile("p")
        .set("repositories.a.failure_threshold=7.0")
        .set("repositories.b.url=v");
    let loaded = world.loaded();
    let repositories = &loaded.config.repositories;
    assert_eq!(repositories.keys().collect::<Vec<_>>(), ["a", "alone", "b", "c"]);
    let a = &repositories["a"];
    let texts = [&a.integration, &a.project, &a.name].map(Option::as_deref);
    assert_eq!(texts, [Some("i"), Some("q"), Some("a")]);
    assert_eq!(
        *a.labels,
        BTreeMap::from([("x", "1"), ("y", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())))
    );
    assert_eq!(a.overrides.failure_threshold, Some(7));
    assert_eq!(repositories["b"].url.as_ref().map(Address::expose), Some("v"));
    assert_eq!(loaded.effective()["repositories"]["a"]["labels"], json!({ "x": "1", "y": "2" }));
    assert_eq!(world.winner("repositories.b.url"), "--set repositories.b.url");
}

#[test]
fn what_is_no_table_hides_the_repositories_of_earlier_layers() {
    let first = World::new().file("1.toml", "[repositories.a]\nurl = 'u'\n").config("1.toml");
    let hidden = first.file("2.json", r#"{"repositories": 1}"#).config("2.json");
    assert_eq!(hidden.problems(), ["repositories | 2.json:1 | must be a table, not a number"]);
    let again = hidden.file("3.toml", "[repositories.b]\nurl = 'u'\n").config("3.toml").loaded();
    assert_eq!(again.config.repositories.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_faulty_repository_leaves_the_others() {
    let world =
        World::of("[repositories.a]\nurl = 1\n[repositories.b]\nurl = 'u'\n[repositories.c]\nnme = 'c'\n");
    let loaded = load(&world.request);
    assert_eq!(loaded.config.repositories.keys().collect::<Vec<_>>(), ["b"]);
    assert!(loaded.lacks(&["repositories"]));
    let places: Vec<_> =
        world.problems().iter().map(|it| it.split(" | ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        places,
        ["repositories.a.url c.toml:2", "repositories.c c.toml:5", "repositories.c.nme c.toml:6"]
    );
}

#[test]
fn equal_labels_are_kept_once() {
    let entry = |name: &str| format!("[repositories.{name}]\nurl = 'u'\nlabels = {{ team = 't' }}\n");
    let loaded = World::of(&(entry("a") + &entry("b"))).loaded();
    let repositories = &loaded.config.repositories;
    assert!(Arc::ptr_eq(&repositories["a"].labels, &repositories["b"].labels));
}
