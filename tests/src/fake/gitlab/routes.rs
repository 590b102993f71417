//! From a path to what is asked for. A server has its host for itself.

use percent_encoding::percent_decode_str;

use super::Server;
use crate::fake::World;
use crate::fake::recording::Kind;
use crate::fake::routes::Ask;

/// What is asked of a server.
pub(crate) enum Route {
    /// The token end point.
    Token,
    /// One project, by id or path.
    Project(String),
    /// The branches of a project.
    Branches(String),
    Projects,
    User,
    OwnToken,
    /// Below the API, and nothing there.
    Unknown,
    /// Some page.
    Page,
}

impl Route {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Token => Kind::Token,
            Self::Project(_) | Self::Branches(_) => Kind::Repository,
            Self::Projects => Kind::RepositoryList,
            Self::User | Self::OwnToken => Kind::ConnectionData,
            Self::Unknown | Self::Page => Kind::Other,
        }
    }
}

/// The server at the host of a request, by its position, and what is asked of it.
pub(crate) fn locate(world: &World, ask: &Ask<'_>) -> Option<(usize, Route)> {
    let at = world.gitlabs.iter().position(|server| server.host == ask.host)?;
    Some((at, route(&world.gitlabs[at], ask.path)))
}

fn route(server: &Server, path: &str) -> Route {
    let decoded;
    let path = if server.decodes_slashes {
        decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
        &decoded
    } else {
        path
    };
    let segments = path.trim_start_matches('/').split('/');
    let segments: Vec<String> =
        segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let root: Vec<&str> = server.root.split('/').filter(|part| !part.is_empty()).collect();
    match segments.strip_prefix(&root[..]) {
        Some(["oauth", "token"]) => Route::Token,
        Some(["api", "v4", "projects"]) => Route::Projects,
        Some(["api", "v4", "projects", key]) => Route::Project((*key).to_owned()),
        Some(["api", "v4", "projects", key, "repository", "branches"]) => Route::Branches((*key).to_owned()),
        Some(["api", "v4", "user"]) => Route::User,
        Some(["api", "v4", "personal_access_tokens", "self"]) => Route::OwnToken,
        Some(["api", "v4", ..]) => Route::Unknown,
        _ => Route::Page,
    }
}
