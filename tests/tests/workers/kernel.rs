//! Kernels that lack a part of the sandbox. A call filter plays them: it is inherited, and makes calls fail as an older
//! kernel would.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread;

use forgewatch_tests::build;
use forgewatch_tests::sandbox::{Run, Sandbox};
use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use crate::support::{INTEGRATIONS, LIBRARY, assert_has, fake, lines, result, sandbox};

/// A kernel, by the calls that it does not do: each with the cases, or none for all, and the error.
#[derive(Clone, Copy)]
enum Kernel {
    WithoutLandlock,
    LandlockOff,
    WithoutCallFilters,
}

impl Kernel {
    fn program(self) -> BpfProgram {
        let landlock: &[c_long] = &[
            libc::SYS_landlock_create_ruleset,
            libc::SYS_landlock_add_rule,
            libc::SYS_landlock_restrict_self,
        ];
        let all = |calls: &[c_long]| calls.iter().map(|call| (*call, Vec::new())).collect::<Vec<_>>();
        let (calls, error): (_, c_int) = match self {
            Self::WithoutLandlock => (all(landlock), libc::ENOSYS),
            Self::LandlockOff => (all(landlock), libc::EOPNOTSUPP),
            Self::WithoutCallFilters => (vec![(libc::SYS_seccomp, vec![setting_a_filter()])], libc::EINVAL),
        };
        let calls: BTreeMap<_, _> = calls.into_iter().collect();
        let machine = std::env::consts::ARCH.try_into().expect("a machine with filters");
        let filter =
            SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno(error as u32), machine);
        filter.expect("a filter").try_into().expect("a program")
    }

    /// Runs a command to its end on it. The filter holds for the thread that starts the command, and all that
    /// follows from it.
    fn run(self, mut command: Command) -> Run {
        let thread = thread::spawn(move || {
            apply_filter(&self.program()).expect("this kernel has filters");
            command.output().expect("the binary can be started").into()
        });
        thread.join().expect("the thread ends")
    }
}

fn setting_a_filter() -> SeccompRule {
    let is_filter = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::from(libc::SECCOMP_SET_MODE_FILTER),
    );
    SeccompRule::new(vec![is_filter.expect("a condition")]).expect("a rule")
}

/// How what is said of each kernel begins.
const KERNELS: [(Kernel, &str); 3] = [
    (
        Kernel::WithoutLandlock,
        "partial: no Landlock (not in this kernel), so a plugin can read files while it is opened",
    ),
    (
        Kernel::LandlockOff,
        "partial: no Landlock (switched off in this kernel), so a plugin can read files while it is opened",
    ),
    (
        Kernel::WithoutCallFilters,
        // What follows depends on this kernel's version of Landlock.
        "partial: no system call filter (Invalid argument (os error 22)), so a plugin can ",
    ),
];

#[test]
fn what_is_missing_is_told_once_and_listed() {
    let repositories = [("a", "forge", "fine"), ("b", "contoso", "storefront")];
    let fake = fake();
    let library = fs::read(build::hostile()).expect("the library is there");
    let sandbox = sandbox(&fake, &library, &repositories);
    for (kernel, gap) in KERNELS {
        let run = kernel.run(sandbox.command(&["check", "--format=ndjson"])).exits(0);
        for (repository, ..) in repositories {
            assert_eq!(result(&run, repository).0, "granted");
        }
        let warnings = lines(&run, "WARN");
        assert_eq!((warnings.len(), run.stderr.lines().count()), (1, 1), "{}", run.stderr);
        assert_has(
            warnings[0],
            &["plugins do not run in the whole sandbox here: ", gap, "`plugins.require_sandbox = true`"],
        );

        let listing = kernel.run(sandbox.command(&["plugin", "list", "--format=json"])).exits(0).json();
        for entry in listing["plugins"].as_array().expect("a list") {
            let covered = entry["sandbox"].as_str().expect("text");
            assert!(entry["state"] == "ready" && covered.starts_with(gap), "{entry:#}");
        }
        let table = kernel.run(sandbox.command(&["plugin", "list"])).exits(0).stdout;
        assert_has(&table, &[&format!("in a worker process, sandbox {gap}")]);
    }
}

#[test]
fn where_the_whole_sandbox_is_required_nothing_runs_in_less() {
    let library = fs::read(build::hostile()).expect("the library is there");
    let fake = fake();
    let sandbox = sandbox(&fake, &library, &[("a", "forge", "fine")]);
    let config = fs::read_to_string(sandbox.path("forgewatch.toml")).expect("it was written");
    sandbox.write("forgewatch.toml", format!("plugins.require_sandbox = true\n{config}"));
    // On this very kernel it is whole.
    assert_eq!(result(&sandbox.run(&["check", "--format=ndjson"]).exits(0), "a").0, "granted");
    for (kernel, gap) in KERNELS {
        let run = kernel.run(sandbox.command(&["check", "--format=ndjson"])).exits(3);
        let (reason, detail) = result(&run, "a");
        assert_eq!(reason, "plugin_failed");
        assert_has(
            &detail,
            &["the plugin `hostile` does not start: the sandbox is not whole here", gap, "require_sandbox"],
        );
        let verified = kernel.run(sandbox.command(&["plugin", "verify", "hostile"])).exits(1);
        assert_has(&verified.stdout, &["failed  start ", gap]);
        let dry = kernel.run(sandbox.command(&["check", "--dry-run"])).exits(2);
        assert_has(&dry.stderr, &["providers.hostile", gap]);
    }
}

/// A constructor runs before the last filter and after Landlock, so a kernel without it lets it read.
#[test]
fn without_landlock_a_constructor_reads_files_as_the_coverage_says() {
    let sandbox = Sandbox::new();
    sandbox.write("forgewatch.toml", INTEGRATIONS);
    sandbox.write(LIBRARY, build::hostile_with(&[("constructor", "open")]));
    sandbox.run(&["plugin", "verify", "hostile"]).exits(0);
    // It crashes where it could read.
    let run = Kernel::WithoutLandlock.run(sandbox.command(&["plugin", "verify", "hostile"])).exits(1);
    assert_has(&run.stdout, &["segmentation fault"]);
}
