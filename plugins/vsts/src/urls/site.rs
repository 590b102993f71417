//! The cloud's host names.

/// Whose host a normalised host name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site<'a> {
    /// `dev.azure.com`
    DevAzure,
    /// `{organisation}.visualstudio.com`
    VisualStudio(&'a str),
    /// `ssh.dev.azure.com`
    DevAzureSsh,
    /// `vs-ssh.visualstudio.com`
    VisualStudioSsh,
    /// Some other host of the cloud: it serves no repositories.
    Service,
    /// Not the cloud's.
    Foreign,
}

impl<'a> Site<'a> {
    pub(crate) fn of(host: &'a str) -> Self {
        match host {
            "dev.azure.com" => return Self::DevAzure,
            "ssh.dev.azure.com" => return Self::DevAzureSsh,
            "vs-ssh.visualstudio.com" => return Self::VisualStudioSsh,
            _ => {}
        }
        if let Some(label) = host.strip_suffix(".visualstudio.com") {
            let is_label = !label.is_empty() && !label.contains('.');
            return if is_label { Self::VisualStudio(label) } else { Self::Service };
        }
        // With the dot of a fully qualified name the same hosts, and yet not the same origin.
        let bare = host.strip_suffix('.').unwrap_or(host);
        let is_within = |domain: &str| {
            bare.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if is_within("dev.azure.com") || is_within("visualstudio.com") {
            Self::Service
        } else {
            Self::Foreign
        }
    }
}

/// Whether an organisation's name can stand in a host name.
pub(crate) fn is_label(organisation: &str) -> bool {
    !organisation.is_empty()
        && organisation.len() <= 63
        && organisation.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The base URL on `dev.azure.com`. The organisation is encoded already.
pub(crate) fn dev_azure(organisation: &str) -> String {
    format!("https://dev.azure.com/{organisation}/")
}

/// The base URL on `visualstudio.com`.
pub(crate) fn visual_studio(organisation: &str) -> String {
    format!("https://{}.visualstudio.com/", organisation.to_ascii_lowercase())
}
