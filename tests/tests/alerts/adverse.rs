//! Those who answer in order to do harm: they say again what they were sent, or never stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forgewatch::alerts::{Happening, Message};
use forgewatch_tests::receivers::{Answer, Certified, MailServer, MailSettings, Receiver, Step};
use rustls::ServerConnection;
use tempfile::TempDir;

use crate::support::{
    AUTHORIZATION, PASSWORD, SIGNING, addressed, message, refused, target, told, unavailable,
};

/// What is waited for at most, where a fault would mean to wait without end.
const LIMIT: Duration = Duration::from_secs(60);
/// More than buffers of connections take.
const MANY_BYTES: usize = 64 << 20;

fn sent() -> Message {
    message(Happening::Opened, vec![told(1, Happening::Opened)])
}

/// Checks that what is said of an answer has a mask in the place of the secret in it.
#[track_caller]
fn is_masked(detail: &str, form: &str) {
    assert!(detail.contains("it was ***"), "{form}: {detail}");
    assert!(!detail.contains(form) && !detail.contains("planted"), "{form}: {detail}");
}

fn basic(account: &str) -> String {
    format!("Basic {}", STANDARD.encode(account))
}

#[tokio::test]
async fn a_receiver_that_says_secrets_again_is_quoted_without_them() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let url = hook.url("/hook/planted%2Fp%61th?key=planted%2Bqu%65ry+x&plantedflag");
    let url = url.replace("http://", "http://planted%40n%61me:planted%2Fw%6frd@");
    let settings = addressed(dir.path(), &url);
    let webhook = format!(
        "{settings}kind = \"webhook\"\nsecret = {{ file = \"signing\" }}\nauthorization = {{ file = \"authorization\" }}\n"
    );
    let slack = format!("{settings}kind = \"slack\"\n");
    let alertmanager = format!(
        "kind = \"alertmanager\"\nurl = {url:?}\nallow_insecure_http = true\nauthorization = {{ file = \"account\" }}\n"
    );
    std::fs::write(dir.path().join("account"), basic("planted-me:planted-word")).unwrap();
    let of_address = [
        &url,
        "/hook/planted%2Fp%61th",
        "planted%2Fp%61th",
        "planted/path",
        "planted%2Fpath",
        "planted%2Bqu%65ry+x",
        "planted+query x",
        "planted%2Bquery%20x",
        "plantedflag",
        "planted%40n%61me",
        "planted@name",
        "planted%2Fw%6frd",
        "planted/word",
        &STANDARD.encode("planted@name:planted/word"),
        "planted@name:planted/word",
    ];
    let of_headers = [
        AUTHORIZATION,
        AUTHORIZATION.trim_start_matches("Bearer "),
        &STANDARD.encode(AUTHORIZATION),
        SIGNING,
        SIGNING.trim_start_matches("whsec_"),
        "planted0signing0secret0000",
    ];
    let of_account = [
        &basic("planted-me:planted-word"),
        &STANDARD.encode("planted-me:planted-word"),
        "planted-me:planted-word",
        "planted-word",
    ];
    for (settings, more) in [(webhook, &of_headers[..]), (slack, &[]), (alertmanager, &of_account)] {
        let target = target(dir.path(), "", &settings).await;
        for form in of_address.iter().chain(more) {
            let answer = Answer::With(400, Vec::new(), format!("it was {form}, and that is wrong"));
            hook.answer_next([answer]);
            is_masked(&refused(target.send(&sent()).await), form);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_says_the_password_again_is_quoted_without_it() {
    let plain = STANDARD.encode(format!("\0watch\0{PASSWORD}"));
    let account = format!("watch:{PASSWORD}");
    let forms = [PASSWORD, &STANDARD.encode(PASSWORD), &account, &STANDARD.encode(&account), &plain];
    let said = |form| format!("554 5.7.0 it was {form}").leak();
    let steps = forms.map(|form| Some(Step { at: "connect", answer: said(form) }));
    let server = MailServer::start(&MailSettings { steps: &steps, ..Default::default() });
    let dir = TempDir::new().unwrap();
    let settings = mail(server.port(), "none") + "username = \"watch\"\npassword = { file = \"password\" }\n";
    let target = target(dir.path(), "", &settings).await;
    for form in forms {
        is_masked(&unavailable(target.send(&sent()).await).0, form);
    }
}

fn mail(port: u16, tls: &str) -> String {
    format!(
        "kind = \"email\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = {tls:?}\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n"
    )
}

/// Serves one connection; its port, and what comes of that.
fn serve<T: Send + 'static>(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> (u16, mpsc::Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        stream.set_write_timeout(Some(LIMIT)).expect("a limit");
        let _ = tell.send(serve(stream));
    });
    (port, told)
}

/// Says the same until the other side hangs up; how many bytes it took before. None if it only stops to listen.
fn go_on(stream: &mut TcpStream, words: &[u8], most: usize) -> Option<usize> {
    let mut count = 0;
    while count < most {
        match stream.write(words) {
            Ok(more) => count += more,
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => {
                return Some(count);
            }
            Err(_) => return None,
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_without_an_end_of_line_is_not_listened_to() {
    for tls in ["none", "starttls"] {
        for greeting in ["", "220 hello\r\n"] {
            let (port, ended) = serve(move |mut stream| {
                stream.write_all(greeting.as_bytes()).unwrap();
                go_on(&mut stream, &[b'2'; 64 << 10], MANY_BYTES)
            });
            let dir = TempDir::new().unwrap();
            let target = target(dir.path(), "", &mail(port, tls)).await;
            let (detail, _) = unavailable(target.send(&sent()).await);
            assert_eq!(detail, format!("127.0.0.1:{port}: it answers more than 1 MiB"));
            assert!(ended.recv_timeout(LIMIT).unwrap().is_some(), "it was listened to");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_without_tls_is_no_answer_with_it() {
    let certified = Certified::new();
    let config = certified.config();
    let (port, handshake) = serve(move |mut stream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        stream.write_all(b"220 hello\r\n").unwrap();
        lines.read_line(&mut line).unwrap();
        stream.write_all(b"250-hello\r\n250 STARTTLS\r\n").unwrap();
        lines.read_line(&mut line).unwrap();
        assert!(line.ends_with("STARTTLS\r\n"), "{line}");
        let injected = "250 yes\r\n".repeat(3) + "354 go on\r\n250 taken\r\n221 bye\r\n";
        stream.write_all(format!("220 go on\r\n{injected}").as_bytes()).unwrap();
        let mut connection = ServerConnection::new(config).unwrap();
        connection.complete_io(&mut stream).is_ok() && !connection.is_handshaking()
    });
    let dir = TempDir::new().unwrap();
    let top = format!("http.ca_file = {:?}\nhttp.timeout = \"10s\"\n", certified.ca_file());
    let target = target(dir.path(), &top, &mail(port, "starttls")).await;
    unavailable(target.send(&sent()).await);
    assert!(!handshake.recv_timeout(LIMIT).unwrap(), "there was a handshake");
}

#[tokio::test]
async fn a_receiver_that_is_always_about_to_answer_is_left() {
    let (port, ended) = serve(|mut stream| {
        let request = stream.read(&mut [0; 1 << 16]).expect("a request");
        assert_ne!(request, 0);
        let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
        go_on(&mut stream, &hints, usize::MAX)
    });
    let dir = TempDir::new().unwrap();
    let settings = addressed(dir.path(), &format!("http://127.0.0.1:{port}/")) + "kind = \"slack\"\n";
    let target = target(dir.path(), "http.timeout = \"3s\"\n", &settings).await;
    let outcome = tokio::time::timeout(LIMIT, target.send(&sent())).await;
    let (detail, _) = unavailable(outcome.expect("it ends in time"));
    assert!(detail.ends_with("timed out after 3 s"), "{detail}");
    assert!(ended.recv_timeout(LIMIT).unwrap().is_some(), "it is still listened to");
}
