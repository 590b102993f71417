//! Reading secrets: from variables, files and commands, only for identities that are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;
use tokio::time::timeout;

use super::{World, kept};
use crate::config::{Entra, Identity as Configured, Loaded, Oauth2, Problem, SecretRef, SiloMode, Timestamp};
use crate::services::identity::{Identity, Material};

/// How long a command may take to print a secret; people may have to unlock something.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than any secret is.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// The kind of an identity, as plugins know it.
pub(super) fn kind(identity: &Configured) -> &'static str {
    match identity {
        Configured::Pat { .. } => "pat",
        Configured::Bearer { .. } => "bearer",
        Configured::Basic { .. } => "basic",
        Configured::Header { .. } => "header",
        Configured::Oauth2(_) => "oauth2",
        Configured::Entra(_) => "entra",
        Configured::GithubApp(_) => "github_app",
    }
}

/// The identities of these integrations, by name; the `former` ones where their material is the same. A region holds
/// none.
pub(super) async fn resolve(
    loaded: &Loaded,
    integrations: BTreeSet<&str>,
    former: Option<&World>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Arc<Identity>> {
    let config = &loaded.config;
    if config.silo_mode == SiloMode::Region {
        return BTreeMap::new();
    }
    let names: BTreeSet<&String> =
        integrations.iter().filter_map(|name| config.integrations.get(*name)?.identity.as_ref()).collect();
    let mut identities = BTreeMap::new();
    for name in names {
        let Some(configured) = config.identities.get(name) else {
            continue;
        };
        let mut reader = Reader { loaded, name, problems: &mut *problems };
        let Some(material) = reader.material(configured).await else {
            continue;
        };
        match Identity::new(name, material) {
            Ok(identity) => {
                let former = former.and_then(|former| former.identities.get(name));
                identities.insert(name.clone(), kept(identity, former));
            }
            Err(error) => {
                let path = ["identities", name, error.key()];
                problems.push(loaded.problem(&path, error.to_string(), None));
            }
        }
    }
    identities
}

struct Reader<'a> {
    loaded: &'a Loaded,
    name: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The material, or nothing after telling of everything that is missing.
    async fn material(&mut self, identity: &Configured) -> Option<Material> {
        Some(match identity {
            Configured::Pat { token } => Material::Pat { token: self.read("token", token).await? },
            Configured::Bearer { token } => Material::Bearer { token: self.read("token", token).await? },
            Configured::Basic { username, password } => Material::Basic {
                username: username.clone(),
                password: self.read("password", password).await?,
            },
            Configured::Header { header, token } => {
                Material::Header { header: header.clone(), value: self.read("token", token).await? }
            }
            Configured::Oauth2(client) => self.oauth2(client).await?,
            Configured::Entra(application) => self.entra(application).await?,
            Configured::GithubApp(app) => Material::Application {
                token_url: app.token_url(),
                app_id: app.app_id.clone(),
                private_key: self.read_lines("private_key", &app.private_key).await?,
            },
        })
    }

    async fn oauth2(&mut self, client: &Oauth2) -> Option<Material> {
        let client_secret = self.read_optional("client_secret", client.client_secret.as_ref()).await;
        let access_token = self.read_optional("access_token", client.access_token.as_ref()).await;
        let refresh_token = self.read_optional("refresh_token", client.refresh_token.as_ref()).await;
        Some(Material::OAuth2 {
            token_url: client.token_url.expose().to_string(),
            client_id: client.client_id.clone(),
            client_secret: client_secret?,
            scope: client.scope.clone(),
            access_token: access_token?,
            expires_at: client.expires_at.map(Timestamp::get),
            refresh_token: refresh_token?,
            redirect_uri: client.redirect_uri.clone(),
        })
    }

    async fn entra(&mut self, application: &Entra) -> Option<Material> {
        let token_url = match &application.token_url {
            Some(url) => url.expose().to_string(),
            None => format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", application.tenant),
        };
        Some(Material::Entra {
            token_url,
            client_id: application.client_id.clone(),
            client_secret: self.read("client_secret", &application.client_secret).await?,
            scope: application.scope.clone(),
        })
    }

    /// `None` after a problem, `Some(None)` where nothing is configured.
    async fn read_optional(&mut self, key: &str, secret: Option<&SecretRef>) -> Option<Option<SecretString>> {
        match secret {
            Some(secret) => self.read(key, secret).await.map(Some),
            None => Some(None),
        }
    }

    async fn read(&mut self, key: &str, secret: &SecretRef) -> Option<SecretString> {
        self.told(key, read_secret(secret).await)
    }

    /// The same for what may have several lines; whoever uses it judges them.
    async fn read_lines(&mut self, key: &str, secret: &SecretRef) -> Option<SecretString> {
        self.told(key, read_bytes(secret).await.and_then(text))
    }

    fn told(&mut self, key: &str, read: Result<SecretString, Trouble>) -> Option<SecretString> {
        match read {
            Ok(secret) => Some(secret),
            Err((message, help)) => {
                let path = ["identities", self.name, key];
                self.problems.push(self.loaded.problem(&path, message, help));
                None
            }
        }
    }
}

/// What is wrong, and perhaps how to fix it.
pub(crate) type Trouble = (String, Option<String>);

/// Reads a secret of one line from where it is kept.
pub(crate) async fn read_secret(secret: &SecretRef) -> Result<SecretString, Trouble> {
    read_bytes(secret).await.and_then(text).and_then(|secret| match secret.expose_secret() {
        text if text.chars().any(char::is_control) => {
            let help = "it must be one line of text: the secret and nothing else".to_owned();
            Err(("the secret has a line break or another control character in it".to_owned(), Some(help)))
        }
        _ => Ok(secret),
    })
}

async fn read_bytes(secret: &SecretRef) -> Result<Vec<u8>, Trouble> {
    match secret {
        SecretRef::Env(name) => from_variable(name),
        SecretRef::File(path) => read_bounded(path).map_err(|error| {
            let help = "check that the file exists and that this user may read it".to_owned();
            (format!("cannot read `{}`: {error}", path.display()), Some(help))
        }),
        SecretRef::Command(command) => from_command(command).await,
    }
}

/// Reads no more than shows that it is too much, and waits for nobody who would have to write first.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    file.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn from_variable(name: &str) -> Result<Vec<u8>, Trouble> {
    match std::env::var_os(name) {
        Some(value) => Ok(value.into_encoded_bytes()),
        None => {
            let help = format!("set `{name}` in the environment that forgewatch runs in");
            Err((format!("environment variable `{name}` is not set"), Some(help)))
        }
    }
}

async fn from_command(command: &[String]) -> Result<Vec<u8>, Trouble> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(("the command is empty".to_owned(), None));
    };
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = match timeout(COMMAND_TIMEOUT, process.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            let help = match program.contains(' ') {
                true => {
                    "write the program and each argument apart, like [\"pass\", \"ado\"]; no shell runs it"
                }
                false => "install it, or write its whole path",
            };
            return Err((format!("there is no command `{program}`"), Some(help.to_owned())));
        }
        Ok(Err(error)) => return Err((format!("cannot run `{program}`: {error}"), None)),
        Err(_) => {
            let help = "run it by hand: it must not wait for input".to_owned();
            return Err((format!("`{program}` took longer than {COMMAND_TIMEOUT:?}"), Some(help)));
        }
    };
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err((format!("`{program}` failed ({})", output.status), Some("run it by hand to see why".to_owned())))
}

/// A secret without the line end that files and commands put behind it.
fn text(mut bytes: Vec<u8>) -> Result<SecretString, Trouble> {
    if bytes.len() > MAX_SECRET_BYTES {
        return Err((format!("the secret is longer than {MAX_SECRET_BYTES} bytes"), None));
    }
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.trim().is_empty() => Err(("the secret is empty".to_owned(), None)),
        Ok(text) => Ok(text.into()),
        Err(_) => Err(("the secret is not UTF-8 text".to_owned(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_a_regular_file_and_nothing_else_is_waited_for() {
        let folder = tempfile::TempDir::new().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), folder.path()] {
            assert_eq!(read_bounded(path).unwrap_err().to_string(), "it is no regular file");
        }
    }
}
