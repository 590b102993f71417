//! The cloud's host names.

/// Whose host a normalised host name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site<'a> {
    /// `github.com`, or a company's own `{name}.ghe.com`.
    Web(&'a str),
    /// Where the interface of such a one is, by the name of the web's host.
    Api(&'a str),
    /// `ssh.github.com`, for networks that let nothing out but port 443.
    Ssh,
    /// Some other host of the cloud: it serves no repositories.
    Service,
    /// Not the cloud's.
    Server,
}

impl<'a> Site<'a> {
    pub(crate) fn of(host: &'a str) -> Self {
        if host == "ssh.github.com" {
            return Self::Ssh;
        }
        if is_web(host) {
            return Self::Web(host);
        }
        if let Some(web) = host.strip_prefix("api.").filter(|web| is_web(web)) {
            return Self::Api(web);
        }
        // With the dot of a fully qualified name the same hosts, and yet not the same origin.
        let bare = host.strip_suffix('.').unwrap_or(host);
        let is_within = |domain: &str| {
            bare.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if ["github.com", "ghe.com", "githubusercontent.com"].into_iter().any(is_within) {
            Self::Service
        } else {
            Self::Server
        }
    }
}

fn is_web(host: &str) -> bool {
    let company = host.strip_suffix(".ghe.com");
    host == "github.com"
        || company.is_some_and(|name| !name.is_empty() && !name.contains('.') && name != "api")
}
