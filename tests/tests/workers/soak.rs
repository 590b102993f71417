//! The soak in short; `dev soak` is the long form.

use std::time::Duration;

use forgewatch_tests::soak::soak;

#[test]
fn a_hail_of_kills_costs_no_verdict_and_no_descriptor() {
    let report = soak(Duration::from_secs(10));
    assert_eq!((report.missing(), report.zombies, report.left), (0, 0, 0), "{report}");
    assert_eq!(report.of("granted") + report.of("plugin_failed"), report.repositories, "{report}");
    assert!(report.kills >= 8 && report.restarts >= report.kills, "{report}");
    assert!(report.of("plugin_failed") <= 2, "{report}");
    // Connections to the forge come and go.
    let (first, last) = (report.descriptors.first(), report.descriptors.last());
    assert!(last.copied() <= first.map(|first| first + 2), "{report}");
    assert_eq!(report.other_lines, [""; 0], "{report}");
}
