use forgewatch_plugin_api::manifest::{Manifest, ManifestError, parse};

const WHOLE: &str = "forgewatch-plugin=1\0abi=1\0key=my-forge\0name=My Forge\0version=0.1.0\0licence=MIT\0\
    url-pattern=^https://a=b/\0url-pattern=x\0host=api.example\0options-schema={\"type\": \"object\"}\0";

#[test]
fn reads_what_the_macro_writes() {
    let expected = Manifest {
        key: "my-forge".into(),
        name: "My Forge".into(),
        version: "0.1.0".into(),
        abi: 1,
        licence: "MIT".into(),
        url_patterns: vec!["^https://a=b/".into(), "x".into()],
        hosts: vec!["api.example".into()],
        options_schema: "{\"type\": \"object\"}".into(),
    };
    assert_eq!(parse(WHOLE.as_bytes()), Ok(expected));
}

#[test]
fn judges_what_it_cannot_use() {
    let cases: [(&[u8], _); 7] = [
        (b"", ManifestError::Foreign),
        (b"\xff\xfe", ManifestError::Malformed),
        (b"something=else\0", ManifestError::Foreign),
        (b"forgewatch-plugin=1\0abi=one\0", ManifestError::Entry("abi")),
        (b"forgewatch-plugin=1\0key=a\0name=A\0version=1\0", ManifestError::Entry("abi")),
        (b"forgewatch-plugin=1\0abi=1\0key=../a\0name=A\0version=1\0", ManifestError::Entry("key")),
        (b"forgewatch-plugin=1\0abi=1\0key=a\0name=A\0cut o", ManifestError::Malformed),
    ];
    for (section, expected) in cases {
        assert_eq!(parse(section), Err(expected), "{}", section.escape_ascii());
    }
}

#[test]
fn another_abi_needs_nothing_but_its_number() {
    let manifest = parse(b"forgewatch-plugin=1\0abi=2\0unknown=entry\0").unwrap();
    assert_eq!(manifest.abi, 2);
}
