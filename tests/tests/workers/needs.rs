//! A plugin that needs a library which the host has not: nothing for a sandbox, and told everywhere.

use std::path::Path;
use std::process::Command;

use forgewatch_tests::build;
use forgewatch_tests::sandbox::Sandbox;

use crate::support::assert_has;

/// As small as a plugin can be, but for the library that it is linked to.
const PLUGIN: &str = r#"
use forgewatch_plugin_api::prelude::*;

#[derive(Default)]
struct Needy;

impl Provider for Needy {
    type Client = ();

    fn parse_repository_url(&self, _: &str, _: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        Err(UrlError::new(UrlErrorKind::UNSUPPORTED_HOST, "none"))
    }

    async fn get_base_url(&self, _: &Host, integration: &Integration) -> Result<String, Failure> {
        Ok(integration.domain_name().to_owned())
    }

    async fn get_client(&self, _: Host, _: Integration) -> Result<(), Failure> {
        Ok(())
    }

    async fn has_repo_access(&self, _: &(), _: &Repository) -> Result<Access, Failure> {
        Ok(Access::granted())
    }
}

export_provider! {
    provider: Needy,
    key: "needy",
    name: "Needy",
    url_patterns: [r"^https://needy\.example/"],
    hosts: [],
}
"#;

/// Compiles `code` to a library in `folder`, whose other libraries it may link to.
fn compile(folder: &Path, name: &str, code: &str, arguments: &[&str]) {
    let source = folder.join(format!("{name}.rs"));
    std::fs::write(&source, code).expect("a file can be written");
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.args(["--edition=2024", "--crate-type=cdylib", "--crate-name", name]).arg(&source);
    command.arg("-L").arg(folder).arg("--out-dir").arg(folder).args(arguments);
    // What cargo gave this test's own package is not the plugin's.
    for name in ["CARGO_PKG_VERSION", "CARGO_PKG_LICENSE"] {
        command.env(name, "0");
    }
    assert!(command.status().expect("the compiler can be started").success());
}

#[test]
fn another_library_is_only_for_plugins_that_are_trusted() {
    let mut sandbox = Sandbox::new();
    // A folder here that is called like the plugin is not taken for its file.
    let folder = sandbox.path("needy");
    std::fs::create_dir(&folder).expect("a folder");
    compile(&folder, "strange", "", &[]);
    let api = &build::workspace().plugin_api;
    let dependencies = format!("dependency={}", api.parent().expect("a folder").join("deps").display());
    let external = format!("forgewatch_plugin_api={}", api.display());
    let link = "-Clink-arg=-Wl,--no-as-needed,-lstrange";
    compile(&folder, "forgewatch_needy", PLUGIN, &["-L", &dependencies, "--extern", &external, link]);
    sandbox.install(&folder.join("libforgewatch_needy.so"));
    sandbox.set_variable("LD_LIBRARY_PATH", &folder.to_string_lossy());

    let verified = sandbox.run(&["plugin", "verify", "needy"]).exits(1);
    assert_has(
        &verified.stdout,
        &[
            "failed  needs     the sandbox does not give it libstrange.so: link what it needs into it, or set \
             `isolation = \"in_process\"` if you trust it\n",
        ],
    );
    assert!(!verified.stdout.contains("start"), "{}", verified.stdout);

    let listed = sandbox.run(&["plugin", "list"]).exits(0);
    assert_has(
        &listed.stdout,
        &[
            "refused       needy ",
            "libstrange.so: cannot open shared object file",
            "; the sandbox does not give it",
        ],
    );

    let trusted = sandbox.run(&["plugin", "verify", "needy", "--set=plugins.isolation=in_process"]).exits(0);
    assert_has(
        &trusted.stdout,
        &["ok      needs     also: libstrange.so; they are opened unverified\n", "in this process"],
    );
}
