//! A forge in small on this machine, for as long as one `forgewatch check` takes.
//!
//! `cargo run --example demo` builds the plugin, serves one repository, `acme/shop`, to whoever brings the token
//! `sesame`, and runs forgewatch with `forgewatch.toml` against it. Arguments are handed on to `forgewatch check`.

use std::io::{BufRead, BufReader, ErrorKind, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, exit};
use std::thread;

fn main() -> Result<()> {
    let built = Command::new(env!("CARGO")).args(["build", "--release", "--quiet"]).status()?;
    if !built.success() {
        exit(built.code().unwrap_or(1));
    }
    // It is target/debug/examples/demo, wherever cargo has its target.
    let this = std::env::current_exe()?;
    let release = this.ancestors().nth(3).unwrap_or(Path::new("target")).join("release");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/", listener.local_addr()?);
    thread::spawn(move || listener.incoming().flatten().try_for_each(answer));
    let status = Command::new("forgewatch")
        .args(["--config", "forgewatch.toml", "--set"])
        .arg(format!("integrations.try.domain_name={address}"))
        .arg("--set")
        .arg(format!("plugins.dirs=[{release:?}]"))
        .arg("check")
        .args(std::env::args().skip(1))
        .env("MY_FORGE_TOKEN", "sesame")
        .status();
    let status = match status {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("there is no forgewatch on PATH: install it, it is what checks the plugin");
            exit(2);
        }
        status => status?,
    };
    exit(status.code().unwrap_or(1));
}

/// Answers one request.
fn answer(mut stream: TcpStream) -> Result<()> {
    let lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let knows = lines.iter().any(|line| line.eq_ignore_ascii_case("authorization: bearer sesame"));
    let (status, body) = match path {
        _ if !knows => ("401 Unauthorized", "{}"),
        "/api/repos/acme/shop" => ("200 OK", r#"{"id": 1, "name": "shop", "owner": "acme"}"#),
        _ => ("404 Not Found", "{}"),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}
