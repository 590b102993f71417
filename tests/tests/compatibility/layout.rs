//! ABI 1 is what was reviewed.

use std::fs;

use forgewatch_tests::{abi, build};
use similar::TextDiff;

/// What a difference means, and what to do about it.
const MEANING: &str = "\
ABI 1 is not what it was: plugins and hosts that are in use would refuse each other.
A new ability is an extension (see `What is promised` in plugin-api/README.md), and what comes later about a type goes
into its attributes. Only before ABI 1 is released may it still change: then say why in CHANGELOG.md and run
`cargo renew-baseline`.";

#[test]
fn everything_of_abi_1_is_as_it_was() {
    let library = fs::read(build::workspace().plugin("vsts")).expect("the library is there");
    let described = abi::describe(&library);
    let golden = fs::read_to_string(abi::golden_file()).expect("the description is there");
    let difference = TextDiff::from_lines(&golden, &described);
    let told = difference.unified_diff().context_radius(4).header("as reviewed", "as built").to_string();
    assert!(told.is_empty(), "{MEANING}\n\n{told}");
}
