//! What the stories share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use forgewatch_tests::browser::Browser;
use forgewatch_tests::gallery::{Gallery, OPERATE};

/// A browser before the gallery.
pub(crate) struct Site {
    /// The first to be dropped, while there is still somebody to answer it.
    pub(crate) browser: Browser,
    pub(crate) gallery: Arc<Gallery>,
}

impl Site {
    /// One that nobody has logged in to. Stories share their gallery with those that run meanwhile, so none of them
    /// takes access away or does anything about an incident.
    pub(crate) fn strange() -> Self {
        Self { browser: Browser::start(), gallery: shared() }
    }

    /// One that somebody has logged in to who may do everything.
    pub(crate) fn open() -> Self {
        Self::strange().logged_in()
    }

    /// The same with a gallery of its own, for stories in which something changes.
    pub(crate) fn own() -> Self {
        Self::alone(20).logged_in()
    }

    /// One with a gallery of its own of so many repositories that nobody has logged in to.
    pub(crate) fn alone(repositories: usize) -> Self {
        Self { browser: Browser::start(), gallery: Arc::new(Gallery::open(repositories)) }
    }

    fn logged_in(self) -> Self {
        self.gallery.log_in(&self.browser, OPERATE);
        self
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

/// The gallery of the stories that run now; it closes after the last one.
fn shared() -> Arc<Gallery> {
    static OPEN: Mutex<Weak<Gallery>> = Mutex::new(Weak::new());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.upgrade().unwrap_or_else(|| {
        let gallery = Arc::new(Gallery::open(120));
        *open = Arc::downgrade(&gallery);
        gallery
    })
}
