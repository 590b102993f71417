//! Real processes under the sandbox: this test executable starts itself, and a function that the loader calls before
//! `main` becomes the worker, so that it has one thread as a real one has.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use libc::c_int;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::*;

/// The first argument that turns this executable into a worker, and into a worker's host.
const WORKER: &str = "sandboxed-worker";
const HOST: &str = "host-of-a-sandboxed-worker";

const CALL: u64 = 0x0102_0304_0506_0708;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

type Act = fn(&mut UnixStream) -> String;

/// What the worker does: its name, whether already while the library is opened, and what it answers.
const SCENARIOS: &[(&str, bool, Act)] = &[
    ("ordinary", false, ordinary),
    ("descriptors", false, |_| {
        // SAFETY: asking for flags changes nothing.
        let open = |number| unsafe { libc::fcntl(number, libc::F_GETFD) }.ge(&0);
        format!("{:?}", (0..100).filter(|number| open(*number)).collect::<Vec<c_int>>())
    }),
    ("refused", false, refused),
    ("escape the memory limit", false, escape_the_memory_limit),
    ("refused at open", true, refused_at_open),
    ("host's descriptor", true, hosts_descriptor),
    ("connect at open", true, |_| error(TcpListener::bind("127.0.0.1:0"))),
    ("connect", false, |_| error(TcpListener::bind("127.0.0.1:0"))),
    ("program", false, |_| error(Command::new("/bin/true").spawn())),
    // SAFETY: plain system calls, which the sandbox refuses.
    ("fork", false, |_| unsafe { libc::fork() }.to_string()),
    // SAFETY: as above.
    ("kill", false, |_| unsafe { libc::kill(libc::getppid(), libc::SIGKILL) }.to_string()),
    // SAFETY: as above.
    ("ptrace", false, |_| unsafe { libc::ptrace(libc::PTRACE_TRACEME) }.to_string()),
    ("abort", false, |_| std::process::abort()),
    // SAFETY: none, that is the point.
    ("null", false, |_| unsafe { black_box(std::ptr::null::<u8>()).read_volatile() }.to_string()),
    ("overflow", false, |_| overflow(1).to_string()),
    ("small pieces", false, |_| allocate(64 * 1024)),
    ("doubling", false, |_| {
        let mut buffer = vec![1_u8];
        loop {
            buffer.extend_from_within(..);
        }
    }),
    ("hang", false, |socket| {
        send(socket, b"hanging");
        loop {
            std::hint::spin_loop();
        }
    }),
];

fn error<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| error.raw_os_error().unwrap_or(-1).to_string(), |_| "done".to_owned())
}

fn returned(status: i64) -> String {
    error(if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
}

fn ordinary(_: &mut UnixStream) -> String {
    let large = vec![1_u8; 64 << 20];
    let caught = catch_unwind(|| HashMap::from([(1, 2)])[&3]).is_err();
    let start = Instant::now();
    thread::sleep(Duration::from_millis(1));
    let slept = start.elapsed() >= Duration::from_millis(1);
    let dated = SystemTime::now() > SystemTime::UNIX_EPOCH;
    println!("into nothing");
    format!("{} {caught} {slept} {dated}", large.iter().map(|byte| u64::from(*byte)).sum::<u64>())
}

fn refused(_: &mut UnixStream) -> String {
    let map = |protection, flags| {
        // SAFETY: a new mapping touches nothing that exists.
        let mapped = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
        returned(mapped as i64)
    };
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: system calls without pointers but to constants.
    let plain = unsafe {
        [
            returned(libc::syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0)),
            returned(libc::prctl(libc::PR_SET_PDEATHSIG, 0).into()),
            returned(libc::raise(libc::SIGTERM).into()),
            returned(libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()).into()),
            returned(libc::syscall(libc::SYS_io_uring_setup, 1, 0)),
            returned(libc::syscall(libc::SYS_clone3, 0, 0)),
        ]
    };
    let answers = [
        error(File::open("/etc/passwd")),
        error(thread::Builder::new().spawn(|| ())),
        map(libc::PROT_READ, libc::MAP_SHARED | libc::MAP_ANONYMOUS),
        map(libc::PROT_READ | libc::PROT_EXEC, private),
        map(libc::PROT_READ, private),
    ];
    format!("{} {}", answers.join(" "), plain.join(" "))
}

fn escape_the_memory_limit(_: &mut UnixStream) -> String {
    const HUGE: usize = 2 << 30;
    let (page, private) = (4096, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let here = std::ptr::from_ref(&page).addr() & !(page - 1);
    let there = std::ptr::null_mut();
    // SAFETY: only new mappings are made.
    let answers = unsafe {
        [
            libc::mmap(there, HUGE, libc::PROT_READ, private, -1, 0),
            libc::mmap(there, page, libc::PROT_READ, private | libc::MAP_GROWSDOWN, -1, 0),
            libc::mremap(here as *mut libc::c_void, 0, HUGE, libc::MREMAP_MAYMOVE),
            libc::mremap(here as *mut libc::c_void, page, HUGE, libc::MREMAP_MAYMOVE),
        ]
        .map(|mapped| (mapped == libc::MAP_FAILED).to_string())
    };
    answers.join(" ")
}

fn refused_at_open(_: &mut UnixStream) -> String {
    let answers = [
        error(File::open("/etc/passwd")),
        error(File::create("/tmp/forgewatch-sandbox")),
        error(std::fs::read_dir("/")),
        error(thread::Builder::new().spawn(|| ())),
    ];
    answers.join(" ")
}

fn hosts_descriptor(socket: &mut UnixStream) -> String {
    let path = receive(socket).expect("the test names a file");
    error(File::open(String::from_utf8(path).expect("a path")))
}

#[expect(unconditional_recursion, reason = "it is to overflow")]
fn overflow(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    overflow(depth + 1) + room[0]
}

fn allocate(bytes: usize) -> String {
    let mut pieces = Vec::new();
    loop {
        pieces.push(black_box(vec![1_u8; bytes]));
    }
}

fn send(socket: &mut UnixStream, message: &[u8]) {
    let length = (message.len() as u32).to_le_bytes();
    socket.write_all(&[&length, message].concat()).expect("the host reads");
}

fn receive(socket: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).ok()?;
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    socket.read_exact(&mut message).ok().map(|()| message)
}

#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [WORKER, scenario] => worker(scenario),
        [HOST] => host(),
        _ => return,
    }
    std::process::exit(0);
}

fn worker(scenario: &str) {
    let Inherited { mut socket, library } = inherit().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2);
    });
    let entered = enter(socket.as_fd());
    let coverage = entered.coverage().clone();
    let (_, at_open, act) = SCENARIOS.iter().find(|(name, ..)| *name == scenario).expect("a scenario");
    note_call(CALL);
    if *at_open {
        let answer = act(&mut socket);
        send(&mut socket, answer.as_bytes());
    }
    let path = format!("/proc/self/fd/{}", library.as_raw_fd());
    // SAFETY: a library of the system; its constructors are harmless.
    let opened = unsafe { libloading::Library::new(path) };
    entered.seal().expect("it can be sealed");
    let text =
        format!("{coverage}, {}", opened.map_or_else(|error| error.to_string(), |_| "opened".to_owned()));
    send(&mut socket, text.as_bytes());
    if !*at_open {
        let answer = act(&mut socket);
        send(&mut socket, answer.as_bytes());
    }
}

/// A host that tells its worker's process number and then waits to be killed.
fn host() {
    let mut worker = Worker::start("hang");
    worker.expect_set_up();
    assert_eq!(receive(&mut worker.socket).as_deref(), Some(&b"hanging"[..]));
    println!("{}", worker.process.id());
    let _ = io::stdin().read(&mut [0]);
}

/// A process's descriptor becomes readable at its end.
fn ends_within_patience(process: &OwnedFd) -> bool {
    let patience = Timespec::try_from(PATIENCE).expect("it is short");
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&patience)).expect("it can be polled") == 1
}

struct Worker {
    process: Child,
    socket: UnixStream,
}

impl Worker {
    fn start(scenario: &str) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a socket pair");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let mut command = Command::new(std::env::current_exe().expect("this executable"));
        command.args([WORKER, scenario]).env_clear().current_dir("/").stderr(Stdio::null());
        command.stdin(OwnedFd::from(theirs)).stdout(any_library());
        Self { process: command.spawn().expect("this executable starts"), socket }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn expect_set_up(&mut self) {
        let message = receive(&mut self.socket).expect("the worker is set up");
        assert_eq!(String::from_utf8_lossy(&message), "full, opened");
    }

    /// The last thing it said, how it ended, and its report if it was one.
    fn end(mut self) -> (String, ExitStatus, Option<CrashReport>) {
        let mut last = Vec::new();
        while let Some(message) = receive(&mut self.socket) {
            last = message;
        }
        if !ends_within_patience(&pidfd_open(self.pid(), PidfdFlags::empty()).expect("it is not reaped")) {
            let _ = self.process.kill();
        }
        let status = self.process.wait().expect("it ended");
        (String::from_utf8_lossy(&last).into_owned(), status, CrashReport::parse(&last))
    }
}

/// A sealed copy of a library that this process uses; another file than the original, so the loader opens it.
fn any_library() -> OwnedFd {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let path = maps.split_whitespace().find(|word| word.contains("/libgcc_s")).expect("libgcc_s is mapped");
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut copy = File::from(memfd_create("library", flags).expect("a memory file"));
    copy.write_all(&std::fs::read(path).expect("a library")).expect("memory");
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&copy, seals).expect("seals");
    copy.into()
}

#[track_caller]
fn answers(scenario: &str, wanted: &str) {
    let mut worker = Worker::start(scenario);
    worker.expect_set_up();
    let (last, status, _) = worker.end();
    assert_eq!((last.as_str(), status.code()), (wanted, Some(0)), "{scenario}");
}

#[test]
fn ordinary_code_works() {
    answers("ordinary", "67108864 true true true");
}

#[test]
fn what_is_not_allowed_fails() {
    let (eperm, enosys) = (libc::EPERM, libc::ENOSYS);
    let five = [eperm; 5].map(|errno| errno.to_string()).join(" ");
    answers("refused", &format!("{eperm} {eperm} {eperm} {eperm} done {five} {enosys}"));
}

#[test]
fn nothing_but_socket_and_library_is_inherited() {
    // Unlike what the standard library opens, a plain duplicate is inherited.
    let stray = rustix::io::dup(io::stderr()).unwrap();
    assert!(stray.as_raw_fd() > 2);
    answers("descriptors", "[0, 1, 2, 3, 4]");
}

#[test]
fn the_kernel_knows_what_it_gave_up() {
    let mut worker = Worker::start("hang");
    worker.expect_set_up();
    assert_eq!(receive(&mut worker.socket).as_deref(), Some(&b"hanging"[..]));
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", worker.process.id())).unwrap();
    let fields = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (status, limits) = (fields(read("status")), fields(read("limits")));
    for gone in
        ["CapPrm: 0000000000000000", "CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "Threads: 1"]
    {
        assert!(status.contains(gone), "{gone}: {status}");
    }
    for limit in ["core file size 0 0", "file size 0 0", "open files 16 16", "stack size 8388608 8388608"] {
        assert!(limits.contains(limit), "{limit}: {limits}");
    }
    assert_eq!(read("oom_score_adj").trim(), "1000");
    kill_process(worker.pid(), Signal::KILL).unwrap();
    assert_eq!(worker.end().1.signal(), Some(libc::SIGKILL));
}

#[test]
fn the_memory_limit_holds() {
    answers("escape the memory limit", "true true true true");
}

#[test]
fn constructors_get_no_further() {
    let worker = Worker::start("refused at open");
    let mut socket = worker.socket.try_clone().unwrap();
    let message = receive(&mut socket).unwrap();
    let (eacces, eperm) = (libc::EACCES, libc::EPERM);
    assert_eq!(String::from_utf8_lossy(&message), format!("{eacces} {eperm} {eperm} {eperm}"));
    assert_eq!(worker.end().0, "full, opened");
}

#[test]
fn the_hosts_own_files_stay_out_of_reach() {
    let (pipe, _writer) = io::pipe().unwrap();
    let mut worker = Worker::start("host's descriptor");
    let path = format!("/proc/{}/fd/{}", std::process::id(), pipe.as_raw_fd());
    assert!(std::path::Path::new(&path).exists());
    send(&mut worker.socket, path.as_bytes());
    let answer = receive(&mut worker.socket).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), libc::EACCES.to_string());
}

#[test]
fn every_end_is_reported() {
    for (scenario, phrase) in [
        (
            "connect at open",
            "it tried to open a network connection (`socket`), which the sandbox does not allow",
        ),
        ("connect", "it tried to open a network connection (`socket`), which the sandbox does not allow"),
        ("program", "it tried to start a process (`clone`), which the sandbox does not allow"),
        ("fork", "it tried to start a process (`clone`), which the sandbox does not allow"),
        ("kill", "it tried to send another process a signal (`kill`), which the sandbox does not allow"),
        ("ptrace", "it tried to look into another process (`ptrace`), which the sandbox does not allow"),
        ("abort", "it aborted (SIGABRT)"),
        ("null", "it crashed with a segmentation fault (SIGSEGV) at address 0x0"),
        ("overflow", "its stack overflowed"),
        ("small pieces", "it aborted after it had used up its memory of 512 MiB"),
        ("doubling", "it aborted (SIGABRT) with more than half of its memory of 512 MiB in use"),
    ] {
        let (last, status, report) = Worker::start(scenario).end();
        let report = report.unwrap_or_else(|| panic!("{scenario}: {last}, {status}"));
        assert_eq!((report.to_string().as_str(), report.call()), (phrase, CALL), "{scenario}");
        assert_eq!(status.code(), Some(128 + report.signal));
        assert!(!report.is_from_outside());
    }
}

#[test]
fn signals_from_outside_are_told_apart() {
    for (signal, phrase, outside) in [
        (Signal::ALARM, "it did not answer: plugin code kept its thread", false),
        (Signal::SEGV, "it was sent SIGSEGV from outside", true),
        (Signal::ABORT, "it was sent SIGABRT from outside", true),
    ] {
        let mut worker = Worker::start("hang");
        worker.expect_set_up();
        assert_eq!(receive(&mut worker.socket).as_deref(), Some(&b"hanging"[..]));
        kill_process(worker.pid(), signal).unwrap();
        let report = worker.end().2.expect("a report");
        assert_eq!(
            (report.to_string().as_str(), report.is_from_outside(), report.call()),
            (phrase, outside, CALL)
        );
    }
}

#[test]
fn nobody_runs_it_by_hand() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([WORKER, "ordinary"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("do not run it"), "{text}");
}

#[test]
fn a_worker_dies_with_its_host() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut host = command.arg(HOST).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(host.stdout.take().unwrap()), &mut line).unwrap();
    let worker = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    let process = pidfd_open(worker, PidfdFlags::empty()).unwrap();
    host.kill().unwrap();
    assert_eq!(host.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert!(ends_within_patience(&process), "the worker outlived its host");
}
