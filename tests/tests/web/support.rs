//! What the stories share.

use forgewatch_tests::browser::Browser;
use forgewatch_tests::gallery::{Gallery, OPERATE};

/// A browser before the gallery.
pub(crate) struct Site {
    /// The first to be dropped, while there is still somebody to answer it.
    pub(crate) browser: Browser,
    pub(crate) gallery: Gallery,
}

impl Site {
    /// One that nobody has logged in to.
    pub(crate) fn strange() -> Self {
        Self { browser: Browser::start(), gallery: Gallery::open(120) }
    }

    /// One that somebody has logged in to who may do everything.
    pub(crate) fn open() -> Self {
        let site = Self::strange();
        site.gallery.log_in(&site.browser, OPERATE);
        site
    }

    /// Opens a page.
    #[track_caller]
    pub(crate) fn visit(&self, path: &str) {
        self.browser.open(&self.gallery.url(path));
    }

    /// Path and query of the page that is open.
    #[track_caller]
    pub(crate) fn place(&self) -> String {
        let url = self.browser.url();
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    /// The names of the repositories in the list.
    #[track_caller]
    pub(crate) fn listed(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('main tbody tr')].map(row => row.dataset.key)";
        let names = self.browser.ask(script, Vec::new());
        serde_json::from_value(names).expect("a list of names")
    }
}
