//! Ready-made worlds and the names in them.

use super::tokens::App;
use super::world::{Credential, Organisation, Project, Repository, Standing, World};

/// Account id of the organisation `contoso`.
pub const ACCOUNT_ID: &str = "c0470500-5e1f-4b0a-9c3d-00000000c001";
/// Id of the project `Web Shop`.
pub const WEB_SHOP_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000a0001";
/// Id of the project `Tools`.
pub const TOOLS_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000a0002";
/// Id of `storefront` in `Web Shop`: readable.
pub const STOREFRONT_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000b0001";
/// Id of `legacy-shop` in `Web Shop`: disabled.
pub const LEGACY_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000b0002";
/// Id of `vault` in `Web Shop`: readable by the auditor alone.
pub const VAULT_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000b0003";
/// Id of [`ODD_NAME`] in `Web Shop`: readable.
pub const ODD_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000b0004";
/// Id of [`FOREIGN_NAME`] in `Web Shop`: readable, in maintenance.
pub const FOREIGN_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000b0005";
/// Id of `Tools` in `Tools`, the project's default repository: readable, empty.
pub const TOOLS_REPOSITORY_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000b0006";
/// A name made of everything that needs escaping in a URL.
pub const ODD_NAME: &str = "50% off #1 + more & (all)";
/// A name beyond ASCII.
pub const FOREIGN_NAME: &str = "Küche 厨房";

/// Personal access token that reads everything but the vault.
pub const PAT: &str = "fakepat0reader0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// Personal access token that reads everything.
pub const AUDITOR_PAT: &str = "fakepat0auditor0bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
/// Personal access token that ran out.
pub const EXPIRED_PAT: &str = "fakepat0expired0cccccccccccccccccccccccccccccccccccc";
/// Personal access token of somebody outside the organisation.
pub const OUTSIDER_PAT: &str = "fakepat0outsider0ddddddddddddddddddddddddddddddddddd";
/// Personal access token without the scope for code.
pub const UNSCOPED_PAT: &str = "fakepat0unscoped0eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
/// Personal access token that a policy keeps out.
pub const POLICY_PAT: &str = "fakepat0policy0fffffffffffffffffffffffffffffffffffff";
/// Access token that reads everything but the vault.
pub const BEARER: &str = "fakebearer0reader0gggggggggggggggggggggggggggggggggg";
/// Access token that ran out.
pub const EXPIRED_BEARER: &str = "fakebearer0expired0hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh";
/// Client of the Microsoft identity platform.
pub const CLIENT_ID: &str = "c0470500-5e1f-4b0a-9c3d-0000000c0001";
/// Its secret.
pub const CLIENT_SECRET: &str = "fakeclientsecret0iiiiiiiiiiiiiiiiiiiiiii";
/// A refresh token of it that is good to start with.
pub const REFRESH_TOKEN: &str = "fakerefresh0first0jjjjjjjjjjjjjjjjjjjjjj";
/// Secret of the client of the older token endpoint, which sends no id.
pub const CLASSIC_SECRET: &str = "fakeclassicsecret0kkkkkkkkkkkkkkkkkkkkkk";
/// A refresh token of it that is good to start with.
pub const CLASSIC_REFRESH_TOKEN: &str = "fakerefresh0classic0llllllllllllllllllll";

impl World {
    /// One organisation with two projects, a repository for each of the usual fates, and a credential for
    /// each of the usual standings. Reached as `dev.azure.com/contoso/`, `contoso.visualstudio.com` and
    /// `tfs/Contoso/` on this machine.
    pub fn contoso() -> Self {
        let web_shop = Project::new(WEB_SHOP_ID, "Web Shop")
            .repository(Repository::new(STOREFRONT_ID, "storefront"))
            .repository(Repository::new(LEGACY_ID, "legacy-shop").disabled())
            .repository(Repository::new(VAULT_ID, "vault").only_for(&["auditor"]))
            .repository(Repository::new(ODD_ID, ODD_NAME))
            .repository(Repository::new(FOREIGN_ID, FOREIGN_NAME).in_maintenance());
        let tools =
            Project::new(TOOLS_ID, "Tools").repository(Repository::new(TOOLS_REPOSITORY_ID, "Tools").empty());
        let contoso =
            Organisation::cloud(ACCOUNT_ID, "contoso").also_local("tfs").project(web_shop).project(tools);
        let member = |credential: Credential| credential.member_of("contoso");
        Self::default()
            .organisation(contoso)
            .credential(member(Credential::pat("reader", PAT)))
            .credential(member(Credential::pat("auditor", AUDITOR_PAT)))
            .credential(member(Credential::pat("expired", EXPIRED_PAT)).standing(Standing::Expired))
            .credential(Credential::pat("outsider", OUTSIDER_PAT))
            .credential(member(Credential::pat("unscoped", UNSCOPED_PAT)).standing(Standing::MissingScope))
            .credential(member(Credential::pat("policy", POLICY_PAT)).standing(Standing::RefusedByPolicy))
            .credential(member(Credential::bearer("bearer", BEARER)))
            .credential(member(Credential::bearer("stale", EXPIRED_BEARER)).standing(Standing::Expired))
            .app(App::entra(CLIENT_ID, CLIENT_SECRET).member_of("contoso").refresh_token(REFRESH_TOKEN))
            .app(App::classic(CLASSIC_SECRET).member_of("contoso").refresh_token(CLASSIC_REFRESH_TOKEN))
    }

    /// One organisation, `large`, with [`PAT`] as its only credential. Projects are called `project-0` and so
    /// on, their repositories `repository-0` and so on; see [`large_repository_id`]. Reached like contoso.
    pub fn large(projects: usize, repositories_per_project: usize) -> Self {
        let mut large =
            Organisation::cloud("1a46e000-5e1f-4b0a-9c3d-000000000001", "large").also_local("tfs");
        for p in 0..projects {
            let mut project =
                Project::new(&format!("1a46e000-0000-4000-8000-{p:012x}"), &format!("project-{p}"));
            project.repositories = (0..repositories_per_project)
                .map(|r| Repository::new(&large_repository_id(p, r), &format!("repository-{r}")))
                .collect();
            large.projects.push(project);
        }
        Self::default().organisation(large).credential(Credential::pat("reader", PAT).member_of("large"))
    }
}

/// Id of a repository in [`World::large`].
pub fn large_repository_id(project: usize, repository: usize) -> String {
    format!("{project:08x}-0000-4000-9000-{repository:012x}")
}
