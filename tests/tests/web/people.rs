//! Who has an incident, and its issue: given, looked for, linked and parted.

use forgewatch_tests::gallery::{PERSON, TITLES, name};

use crate::support::Site;

#[test]
fn an_incident_is_given_to_somebody_linked_to_an_issue_and_parted_from_it() {
    let site = Site::own();
    let browser = &site.browser;
    let incident = site.gallery.incident(|incident| incident["repository"] == name(11));
    let place = format!("/incidents/{incident}");
    site.visit("/incidents");
    browser.click(&format!("main a[href='{place}']"));
    browser.until("document.querySelector('[name=person]')");

    browser.choose("[name=person]", PERSON);
    browser.click("form[aria-label=Assign] button");
    browser.until("document.querySelector('#answer [role=status]')");
    assert_eq!(browser.text("#answer"), format!("{PERSON} has it now."));
    browser.until(&format!("location.pathname === '{place}' && location.search === ''"));
    browser.until("document.querySelector('[name=person]').value !== ''");

    // What was found stays while the page keeps itself up to date.
    browser.fill("[name=query]", "back");
    browser.click("form[role=search] button");
    browser.until("document.querySelectorAll('#found li').length === 3");
    browser.until("document.querySelector('#live-word')?.textContent === 'Live'");
    site.gallery.assign(&incident, None);
    browser.until("document.querySelector('#people + dl dd').textContent === 'nobody'");
    assert!(browser.is("document.querySelectorAll('#found li').length === 3"));
    let found = browser.text("#found");
    assert!(found.contains("<script>alert(1)</script> \"back\" & \\u{202e}gnp.exe"), "{found}");
    browser.click("#found li:nth-child(2) button");
    browser.until("document.querySelector('form[aria-label=\"Part from the issue\"]')");
    assert!(browser.text("#people + dl").contains("<script>alert(1)</script>"));
    let rel = browser.ask("return document.querySelector('#people + dl a').rel", Vec::new());
    assert_eq!(rel, "noopener noreferrer");

    browser.click("form[aria-label='Part from the issue'] button");
    browser.until("document.querySelector('[name=issue]')");
    browser.expect("404 (Not Found)");
    browser.fill("#issue", "4711");
    browser.click("form[aria-label='Link an issue by its number'] button");
    browser.until("document.querySelector('#answer [role=alert]')");
    let told = browser.text("#answer");
    assert!(told.contains("shows no issue 4711"), "{told}");
    assert_eq!(browser.ask("return document.querySelector('#issue').value", Vec::new()), "4711");
    browser.fill("#issue", "31");
    browser.click("form[aria-label='Link an issue by its number'] button");
    browser.until("document.querySelector('form[aria-label=\"Part from the issue\"]')");
    assert!(browser.text("#people + dl").contains(TITLES[0]));
    site.visit("/incidents");
    let row = format!("tr[data-key='{incident}'] [data-label='Who has it']");
    let listed = browser.text(&row);
    assert!(listed.contains("31"), "{listed}");
}
