//! What looks at pages sees what it is there to see.

use forgewatch_tests::browser::{Browser, Look};

/// A page without a server.
fn page(body: &str) -> String {
    format!(
        "data:text/html,<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1>{body}</main>"
    )
}

#[test]
fn a_browser_tells_what_a_page_makes_it_complain_about() {
    let browser = Browser::start();
    browser.open(&page("<p>All is well"));
    assert_eq!(browser.complaints(), [""; 0]);
    let policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">";
    browser.open(&page(&format!("{policy}<p style='color: red'>refused")));
    let complaints = browser.complaints();
    assert!(complaints.len() == 1 && complaints[0].contains("Content Security Policy"), "{complaints:?}");
    browser.open(&page("<script>nobody.knows()</script>"));
    let complaints = browser.complaints();
    assert!(complaints.len() == 1 && complaints[0].contains("nobody is not defined"), "{complaints:?}");
    assert_eq!(browser.complaints(), [""; 0], "each is told once");
    browser.expect("nobody is not defined");
    browser.open(&page("<script>nobody.knows()</script>"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_page_is_judged_and_looked_at_in_all_ways() {
    let browser = Browser::start();
    browser.open(&page("<p>All is well"));
    let well = browser.judge();
    assert_eq!(well.violations, [""; 0]);
    assert!(well.passes > 0, "{well:?}");
    for (broken, rule) in [
        ("<img src='data:,' width=9 height=9>", "image-alt: "),
        (
            "<button style='width: 9px; height: 9px'>x</button><button style='width: 9px; height: 9px'>y</button>",
            "target-size: ",
        ),
    ] {
        browser.open(&page(broken));
        let found = browser.judge();
        assert!(found.violations.iter().any(|it| it.starts_with(rule)), "{found:?}");
    }
    let faint = "<style>body { background: white } \
                 @media (prefers-color-scheme: dark) { body { background: black; color: %23111 } }</style><p>Faint";
    browser.open(&page(faint));
    for look in Look::ALL {
        browser.look(look);
        let violations = browser.judge().violations;
        assert_eq!(
            violations.iter().any(|it| it.starts_with("color-contrast: ")),
            look.dark,
            "{violations:#?}"
        );
        assert!(browser.is(&format!("innerWidth === {}", look.width)), "{look:?}");
        assert!(browser.is(&format!("matchMedia('(prefers-color-scheme: {})').matches", look.scheme())));
        assert_eq!(&browser.screenshot()[1..4], b"PNG");
    }
    let both = page("<script>document.title = 'with'</script><noscript><p>without</noscript>");
    browser.open(&both);
    assert!(browser.is("document.title === 'with' && !document.querySelector('noscript p')"));
    browser.allow_scripts(false);
    browser.open(&both);
    assert!(browser.is("document.title === 'A page' && document.querySelector('noscript p')"));
}
