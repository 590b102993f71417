//! A ready-made GitHub and the names in it.

use super::{
    App, Block, Github, Installation, Permission, Repository, Standing, Token, Visibility, public_key,
};

/// Key of the application, as GitHub hands them out. It was made for these tests and opens nothing.
pub const APP_KEY: &str = include_str!("app.pem");
/// Number of the application.
pub const APP_ID: u64 = 4711;
/// The other name that the application goes by.
pub const CLIENT_ID: &str = "Iv1.fakeclient0000";
/// Its installation on `contoso`: on `storefront`, `handbook` and `attic`.
pub const INSTALLATION: u64 = 1001;
/// An installation that its owner has suspended.
pub const SUSPENDED: u64 = 1002;
/// Classic token of `deploy-bot`.
pub const CLASSIC: &str = "ghp_fakeclassic0reader0tttttttttttttttt";
/// Fine-grained token of `deploy-bot`, made for `storefront` alone.
pub const FINE_GRAINED: &str = "github_pat_fakefine0reader0uuuuuuuuuuuuuuuu";
/// Classic token of `deploy-bot` that was not authorised for the sign-on of `fabrikam`.
pub const WITHOUT_SIGN_ON: &str = "ghp_fakeclassic0signon0vvvvvvvvvvvvvvvv";
/// Classic token that was revoked.
pub const REVOKED: &str = "ghp_fakeclassic0revoked0wwwwwwwwwwwwwww";
/// Number of `storefront`.
pub const STOREFRONT_ID: u64 = 1_296_269;

impl Github {
    /// Two owners, a repository for each of the usual fates, and a credential for each of the usual standings. Also
    /// an Enterprise Server at `github.example.org`.
    pub fn contoso() -> Self {
        let repository =
            |id, name| Repository::new(id, "contoso", name).grant("deploy-bot", Permission::Push);
        let mut moved = repository(1_296_275, "moved");
        moved.rename("contoso", "new-home");
        Self::default()
            .enterprise("github.example.org")
            .repository(repository(STOREFRONT_ID, "storefront"))
            .repository(repository(1_296_270, "handbook").visibility(Visibility::Public))
            .repository(repository(1_296_271, "attic").archived())
            .repository(repository(1_296_272, "frozen").disabled())
            .repository(repository(1_296_273, "taken-down").blocked(Block::Takedown))
            .repository(repository(1_296_274, "against-terms").blocked(Block::Terms))
            .repository(moved)
            .repository(Repository::new(1_296_276, "contoso", "vault"))
            .repository(Repository::new(1_296_277, "contoso", "showcase").visibility(Visibility::Public))
            .repository(Repository::new(1_296_278, "contoso", "wiki").visibility(Visibility::Internal))
            .repository(
                Repository::new(1_296_279, "fabrikam", "robots").grant("deploy-bot", Permission::Pull),
            )
            .token(Token::classic("deploy-bot", CLASSIC, &["repo", "read:org"]))
            .token(
                Token::fine_grained("deploy-bot", FINE_GRAINED)
                    .only(&["contoso/storefront"])
                    .expires("2099-08-14 08:15:54 UTC"),
            )
            .token(Token::classic("deploy-bot", WITHOUT_SIGN_ON, &["repo"]).without_sign_on("fabrikam"))
            .token(Token::classic("deploy-bot", REVOKED, &["repo"]).standing(Standing::Ended))
            .app(App::new(APP_ID, CLIENT_ID, public_key(APP_KEY)))
            .installation(Installation::new(INSTALLATION, APP_ID, "contoso").only(&[
                "storefront",
                "handbook",
                "attic",
            ]))
            .installation(Installation::new(SUSPENDED, APP_ID, "fabrikam").suspended())
    }
}
