//! The GitLab that most tests start from. Tokens are as long as real ones and easy to tell apart.

use super::{App, Life, Project, Server, Visibility};
use crate::fake::World;

/// The server of their own, below the relative root `gitlab`.
pub const OWN_HOST: &str = "git.example.org";
/// Its base URL.
pub const OWN_BASE_URL: &str = "https://git.example.org/gitlab/";
/// Id of `contoso/web/storefront`.
pub const STOREFRONT: u64 = 4711;
/// Access token of a bot that is Developer in the group `contoso`.
pub const TOKEN: &str = "glpat-fake0bot0aaaaaaaaaa";
/// Access token of an administrator, who is a member of nothing.
pub const ADMIN_TOKEN: &str = "glpat-fake0admin0bbbbbbbb";
/// Access token of the bot that ran out.
pub const ENDED_TOKEN: &str = "glpat-fake0ended0cccccccc";
/// Access token of the bot that was revoked.
pub const REVOKED_TOKEN: &str = "glpat-fake0revoked0dddddd";
/// Access token of the bot for Git alone.
pub const GIT_TOKEN: &str = "glpat-fake0git0eeeeeeeeee";
/// A client of the token end point, whose tokens speak for the bot.
pub const CLIENT_ID: &str = "fakegitlabclient0ffffffff";
/// Its secret.
pub const CLIENT_SECRET: &str = "fakegitlabsecret0gggggggg";
/// The access token that it has at first.
pub const ACCESS_TOKEN: &str = "fakegitlabaccess0hhhhhhhh";
/// The refresh token that it has at first.
pub const REFRESH_TOKEN: &str = "fakegitlabrefresh0iiiiiii";
/// The address used at authorisation.
pub const REDIRECT_URI: &str = "https://forgewatch.example/callback";

const BOT: &str = "group_7_bot_contoso";

impl World {
    /// The same groups and projects on gitlab.com and on a server with a relative root: one for each of the usual
    /// fates, for a bot that is Developer in the group `contoso` and a stranger or little more elsewhere.
    pub fn contoso_gitlab() -> Self {
        Self::default().gitlab(contoso("gitlab.com", "")).gitlab(contoso(OWN_HOST, "gitlab"))
    }
}

fn contoso(host: &str, root: &str) -> Server {
    let (public, internal) = (Visibility::Public, Visibility::Internal);
    let mut server = Server::new(host, root)
        .group("contoso", &[(BOT, 30)])
        .group("fabrikam/guests", &[(BOT, 10)])
        .project(STOREFRONT, Project::new("contoso/web/storefront").moved_from("contoso/storefront"))
        .project(4712, Project::new("contoso/web/shop/deep/kitchen").empty())
        .project(4713, Project::new("contoso/legacy").archived())
        .project(4714, Project::new("contoso/wiki-only").without_repository())
        .project(4715, Project::new("contoso/public").visibility(public))
        .project(4720, Project::new("fabrikam/secret"))
        .project(4721, Project::new("fabrikam/public").visibility(public))
        .project(4722, Project::new("fabrikam/internal").visibility(internal))
        .project(4723, Project::new("fabrikam/guests/guarded"))
        .project(4724, Project::new("fabrikam/guests/public").visibility(public))
        .project(4725, Project::new("fabrikam/invited").member(BOT, 20))
        .project(4726, Project::new("fabrikam/shared").shared_with(BOT, 30))
        .project(4727, Project::new("fabrikam/shared-public").visibility(public).shared_with(BOT, 30))
        .token(TOKEN, BOT, "read_api", Life::Good)
        .token(ENDED_TOKEN, BOT, "read_api", Life::Ended)
        .token(REVOKED_TOKEN, BOT, "read_api", Life::Revoked)
        .token(GIT_TOKEN, BOT, "read_repository", Life::Good)
        .token(ADMIN_TOKEN, "root", "api", Life::Good)
        .app(App {
            client_id: CLIENT_ID.to_owned(),
            secret: CLIENT_SECRET.to_owned(),
            user: BOT.to_owned(),
            refresh_token: REFRESH_TOKEN.to_owned(),
            access_token: Some(ACCESS_TOKEN.to_owned()),
            redirect_uri: None,
        });
    server.administrators.push("root".to_owned());
    server
}
