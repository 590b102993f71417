//! Pages that stay true while they are open.

use std::sync::Arc;

use forgewatch_tests::gallery::EVENTFUL;

use crate::support::Site;

/// What is lost when a page is loaded again.
const MARK: &str = "window.isTheSame = true";

#[test]
fn a_loss_shows_without_loading_the_page_again_and_leaves_what_is_typed_alone() {
    let site = Site::own();
    let browser = &site.browser;
    site.visit("/repositories?q=large-00000");
    browser.until("document.querySelector('#live-word')?.textContent === 'Live'");
    browser.ask(MARK, Vec::new());
    browser.ask("document.querySelector('[name=q]').focus()", Vec::new());
    browser.type_text("-not sent");
    let typed = browser.ask("return document.activeElement.value", Vec::new());

    site.gallery.turn(5, false);
    let row =
        |verdict: &str| format!("document.querySelector('[data-key=\"large-000005\"] .verdict.{verdict}')");
    browser.until(&row("denied"));
    assert!(browser.is("window.isTheSame && document.activeElement.name === 'q'"));
    assert_eq!(browser.ask("return document.activeElement.value", Vec::new()), typed);

    site.gallery.turn(5, true);
    browser.until(&row("granted"));
    assert!(browser.is("window.isTheSame && document.activeElement.name === 'q'"));
}

#[test]
fn a_change_is_said_aloud_once_and_the_focus_stays() {
    let site = Site::own();
    let browser = &site.browser;
    site.visit(&format!("/repositories/{EVENTFUL}"));
    browser.until("document.querySelector('#live-word')?.textContent === 'Live'");
    browser.ask(MARK, Vec::new());
    browser.ask("document.querySelector('main form button').focus()", Vec::new());
    let said = "document.querySelector('[aria-live=polite]').textContent.trim()";
    assert!(browser.is(&format!("{said} === ''")), "nothing has changed yet");
    let rows = "return document.querySelectorAll('main tbody tr').length";
    let before = browser.ask(rows, Vec::new()).as_u64();

    site.gallery.turn(3, false);
    browser.until("document.querySelector('main .hero.denied')");
    assert!(browser.is(&format!("{said} !== ''")), "who cannot see it hears it");
    assert!(browser.ask(rows, Vec::new()).as_u64() > before, "the history has grown");
    assert!(browser.is("window.isTheSame && document.activeElement.textContent === 'Check now'"));
}

#[test]
fn a_page_says_when_its_daemon_is_gone() {
    let Site { browser, gallery } = Site::own();
    browser.open(&gallery.url("/"));
    browser.until("document.querySelector('#live-word')?.textContent === 'Live'");
    for complaint in ["net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING"] {
        browser.expect(complaint);
    }
    Arc::into_inner(gallery).expect("nobody shares it").close();
    browser.until("document.querySelector('#live-word')?.textContent === 'Not live'");
    assert!(browser.is("document.querySelector('main h1')"), "what it showed is still there");
}
