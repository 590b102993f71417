//! The page for people at `/`: what the API says, as HTML.
//!
//! - Every page is made here and works without its script; the script keeps it up to date.
//! - It shows the API's own projections (`api::view`), so the two never say different things. The API knows nothing of it.
//! - Fetching a page changes nothing. What is posted comes from a page of ours, and says so twice.
//! - Text of others is made printable and escaped where it is put out, in `render`, whoever wrote it.
//! - Absent: accounts (an API token signs in), and anything of another server: no font, no script, no picture.

mod alerts;
mod assets;
mod attempts;
mod bar;
mod headers;
mod history;
mod incidents;
mod integrations;
mod live;
mod login;
mod numbered;
mod overview;
mod plugins;
mod refusals;
mod render;
mod repositories;
mod sessions;
mod visit;
mod words;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::middleware::from_fn;
use tokio::sync::Semaphore;

use crate::api::view::{Pages, View};
use attempts::Attempts;
use sessions::{Secret, Sessions};
use visit::{page, posted};

/// What all pages share.
struct Site {
    view: View,
    /// Whether people come over TLS, which something in front of the daemon ends.
    is_https: Arc<AtomicBool>,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    /// Places for pages that are kept up to date.
    live: Arc<Semaphore>,
    /// What forms carry where nobody has to sign in.
    form_token: Secret,
}

/// All pages. Cookies are for TLS alone while `is_https`, and those of browsers that come over TLS always.
pub(crate) fn pages(view: View, is_https: Arc<AtomicBool>) -> Pages {
    let site = Arc::new(Site {
        view,
        is_https,
        sessions: Mutex::default(),
        attempts: Mutex::default(),
        live: Arc::new(Semaphore::new(live::MOST)),
        form_token: Secret::random(),
    });
    let routes = Router::new()
        .route("/", page(&site, "/", overview::show))
        .route("/repositories", page(&site, "/repositories", repositories::list))
        .route(
            "/repositories/{*name}",
            page(&site, "/repositories/", repositories::show).merge(posted(
                &site,
                "/repositories/",
                repositories::check,
            )),
        )
        .route("/incidents", page(&site, "/incidents", incidents::list))
        .route(
            "/incidents/{*name}",
            page(&site, "/incidents/", incidents::show).merge(posted(&site, "/incidents/", incidents::act)),
        )
        .route("/integrations", page(&site, "/integrations", integrations::list))
        .route("/alerts", page(&site, "/alerts", alerts::list))
        .route("/plugins", page(&site, "/plugins", plugins::list))
        .route("/live", page(&site, "/live", live::open))
        .merge(login::routes(&site))
        .merge(assets::routes());
    Pages { routes, around: Box::new(|router| router.layer(from_fn(refusals::for_people))) }
}

impl Site {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everybody is known to come over TLS.
    fn is_https(&self) -> bool {
        self.is_https.load(Ordering::Relaxed)
    }
}
