//! Style, script and icon. Their names hold a digest of what is in them, so browsers may keep them for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::headers::dressed;
use crate::api::response;
use crate::text::hex;

/// A file of the page.
pub(super) struct Asset {
    /// Where it is.
    pub(super) path: String,
    media: &'static str,
    text: &'static str,
}

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css")));
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("page", "js", "text/javascript; charset=utf-8", include_str!("assets/page.js"))
});
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

impl Asset {
    fn new(name: &str, extension: &str, media: &'static str, text: &'static str) -> Self {
        let digest = hex(&Sha256::digest(text)[..8]);
        Self { path: format!("/assets/{name}.{digest}.{extension}"), media, text }
    }

    fn answer(&self) -> Response<Body> {
        let mut answer = dressed(response(StatusCode::OK, self.media, self.text));
        let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
        answer.headers_mut().insert(header::CACHE_CONTROL, keep);
        answer
    }
}

/// They say nothing of what is watched, so nobody has to sign in for them.
pub(super) fn routes() -> Router {
    [&STYLE, &SCRIPT, &ICON]
        .into_iter()
        .fold(Router::new(), |router, asset| router.route(&asset.path, get(async || asset.answer())))
}
