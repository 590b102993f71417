//! Every page, at a desk and on a telephone, by day and by night: accessible, as far as a machine can tell, and nothing of
//! it beyond the edge.

use std::collections::BTreeMap;

use forgewatch_tests::browser::Look;
use forgewatch_tests::gallery::OPERATE;

use crate::support::Site;

const IS_ONE_LINE: &str =
    "new Set([...document.querySelectorAll('.top nav a')].map(it => it.offsetTop)).size <= 1";

#[test]
fn every_page_is_accessible_and_fits() {
    let site = Site::strange();
    site.gallery.until_stale();
    let mut wrong = Vec::new();
    for page in site.gallery.pages() {
        if page.is_for_members && site.browser.cookies().is_empty() {
            site.gallery.log_in(&site.browser, OPERATE);
        }
        if let Some(complaint) = page.complaint {
            site.browser.expect(complaint);
        }
        site.visit(&page.path);
        let mut backgrounds = BTreeMap::new();
        for look in Look::ALL {
            site.browser.look(look);
            let found = site.browser.judge();
            let place = format!("{} at {} px, {}", page.name, look.width, look.scheme());
            println!("{place}: {found}");
            wrong.extend(found.violations.iter().map(|violation| format!("{place}: {violation}")));
            if !site.browser.is("document.documentElement.scrollWidth <= innerWidth") {
                wrong.push(format!("{place}: wider than the window: {}", widest(&site)));
            }
            if !site.browser.is(IS_ONE_LINE) {
                wrong.push(format!("{place}: the navigation takes more than one line"));
            }
            let background =
                site.browser.ask("return getComputedStyle(document.body).backgroundColor", Vec::new());
            backgrounds.insert(look.scheme(), background);
        }
        if backgrounds["light"] == backgrounds["dark"] {
            wrong.push(format!("{}: the same background by day and by night", page.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What reaches farthest to the right.
fn widest(site: &Site) -> String {
    let script = "const right = it => it.getBoundingClientRect().right; \
                  const all = [...document.body.querySelectorAll('*')].sort((a, b) => right(b) - right(a)); \
                  return all[0].outerHTML.slice(0, 200)";
    site.browser.ask(script, Vec::new()).to_string()
}
