//! A Git server as administrators run it: nginx, with TLS and passwords, before fcgiwrap and `git http-backend`.
//!
//! Both programs are given their listening socket as standard input. So no port is somebody else's by the time that it
//! is used, and nobody waits for a start: who connects early waits in the socket's queue.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, thread};

use forgewatch_tests::process::Process;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use tempfile::TempDir;

/// The password of the user `reader`.
pub(crate) const PASSWORD: &str = "planted0reader/päss+word \"quoted\"";
/// The password of the user `git`, as forges take tokens.
pub(crate) const TOKEN: &str = "planted0personal0access0token";
/// What opens `app/`, as a bearer token.
pub(crate) const APP_TOKEN: &str = "planted0app0token";
/// What `moved/` has in the target of its redirect.
pub(crate) const IN_REDIRECT: &str = "planted0redirect";

/// A running server and its repositories, in a folder with its configuration and logs. Killed when it is dropped; its
/// logs are printed then, if a test has failed.
pub(crate) struct GitServer {
    dir: TempDir,
    port: u16,
    programs: Vec<Child>,
}

impl GitServer {
    /// Starts one without repositories.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let [nginx, fcgiwrap, git] = ["nginx", "fcgiwrap", "git"].map(installed);
        let dir = TempDir::new().expect("a temporary folder");
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("repositories")).expect("a folder");
        fs::write(path("passwords"), format!("reader:{{PLAIN}}{PASSWORD}\ngit:{{PLAIN}}{TOKEN}\n"))
            .expect("a file");
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        fs::write(path("certificate.pem"), certified.cert.pem()).expect("a file");
        fs::write(path("key.pem"), certified.signing_key.serialize_pem()).expect("a file");

        let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let backend = UnixListener::bind(path("backend.sock")).expect("a socket");
        let mut server =
            Self { port: port.local_addr().expect("an address").port(), dir, programs: Vec::new() };
        server.configure(&git);
        let configuration = server.path("nginx.conf");
        let mut command = Command::new(nginx);
        // So nginx takes a socket over that it was given, by the number of its descriptor.
        command.arg("-c").arg(configuration).arg("-p").arg(server.dir.path()).env("NGINX", "0;");
        server.launch(command, port.into());
        let mut command = Command::new(fcgiwrap);
        command.args(["-c", "2"]).env("PATH", env::var_os("PATH").unwrap_or_default());
        server.launch(command, backend.into());
        server
    }

    fn configure(&self, git: &Path) {
        let output = Command::new(git).arg("--exec-path").output().expect("git can be started");
        let backend = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()).join("git-http-backend");
        assert!(backend.exists(), "there is no {}: {NEEDED}", backend.display());
        let configuration = include_str!("nginx.conf")
            .replace("@APP_TOKEN@", APP_TOKEN)
            .replace("@BACKEND@", &backend.to_string_lossy())
            .replace("@PORT@", &self.port.to_string())
            .replace("@DIR@", &self.dir.path().to_string_lossy());
        fs::write(self.path("nginx.conf"), configuration).expect("a file");
    }

    /// Starts a program as the head of a process group, which is ended as a whole.
    fn launch(&mut self, mut command: Command, socket: OwnedFd) {
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
        let log = File::create(self.path(&format!("{}.log", program.display()))).expect("a file");
        command.env("HOME", self.dir.path()).env("GIT_CONFIG_NOSYSTEM", "1").process_group(0);
        command.stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(log);
        self.programs.push(command.spawn().expect("it is installed"));
    }

    /// The URL below which its repositories are.
    pub(crate) fn base_url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.port)
    }

    /// The file with the certificate that it shows, which vouches for itself.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a repository without commits.
    pub(crate) fn make_empty(&self, path: &str) {
        self.git(&["init", "--quiet", "--bare", "--initial-branch=main", path]);
    }

    /// Makes a repository with a commit.
    pub(crate) fn make(&self, path: &str) {
        self.make_empty(path);
        let tree = self.git(&["-C", path, "hash-object", "-w", "-t", "tree", "/dev/null"]);
        let commit = self.git(&["-C", path, "commit-tree", "-m", "The first", &tree]);
        self.git(&["-C", path, "update-ref", "refs/heads/main", &commit]);
    }

    /// Runs Git in the folder of the repositories and gives back what it prints.
    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(installed("git"));
        command.current_dir(self.path("repositories")).args(arguments);
        command.env("HOME", self.dir.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A").env(format!("GIT_{role}_EMAIL"), "a@example.org");
        }
        let output = command.output().expect("git can be started");
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Whether Git itself is shown the refs of a repository with a password of `reader`.
    pub(crate) fn shows_git(&self, path: &str, password: &str) -> bool {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let path = path.split('/').map(encode).collect::<Vec<_>>().join("/").replace("%2Egit", ".git");
        let place = format!("reader:{}@127.0.0.1:{}", encode(password), self.port);
        let mut command = Command::new(installed("git"));
        command.args(["ls-remote", &format!("https://{place}/{path}")]).stdin(Stdio::null());
        command.env("GIT_SSL_CAINFO", self.ca_file()).env("GIT_TERMINAL_PROMPT", "0");
        command.env("HOME", self.dir.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.output().expect("git can be started").status.success()
    }

    /// Gives a repository another name.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        let repositories = self.path("repositories");
        fs::rename(repositories.join(from), repositories.join(to)).expect("a repository can be renamed");
    }

    /// Ends it; its repositories stay.
    pub(crate) fn stop(&mut self) {
        for mut program in self.programs.drain(..) {
            Process::of(&program).signal_group(Signal::KILL);
            let _ = program.wait();
        }
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            for name in ["nginx.log", "error.log", "access.log", "fcgiwrap.log"] {
                let log = fs::read(self.path(name)).unwrap_or_default();
                eprintln!("--- {name}\n{}", String::from_utf8_lossy(&log));
            }
        }
    }
}

const NEEDED: &str =
    "these tests run a real Git server: install the Debian packages nginx-light, fcgiwrap and git";

/// A program of the system. Servers lie where the search path of people does not lead.
#[track_caller]
fn installed(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("`{program}` is not installed, and {NEEDED}"))
}
