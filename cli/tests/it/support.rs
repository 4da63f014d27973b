//! Running the binary.

use acteon_testkit::process::Process;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Far more than a process takes to start.
const START_LIMIT: Duration = Duration::from_secs(90);

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The repository's root, which the examples' configuration is written for: tests run in their crate's folder. The place
/// that they were built in may be another checkout's.
pub(crate) fn root() -> PathBuf {
    std::env::current_dir().unwrap().parent().unwrap().to_owned()
}

pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_acteon")
}

/// Runs the binary in the repository's root, with `input` on its standard input.
pub(crate) fn acteon_with(args: &[&str], input: &str) -> Ran {
    let mut child = Command::new(binary())
        .args(args)
        .current_dir(root())
        .env_remove("ACTEON_CONFIG")
        .env_remove("ACTEON_KAFKA_BOOTSTRAP_SERVERS")
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().expect("not ended by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn acteon(args: &[&str]) -> Ran {
    acteon_with(args, "")
}

/// Starts `acteon run` with all roles on a free port, in the repository's root, with these environment variables, and
/// waits until it listens.
pub(crate) fn run(bootstrap: &str, config: &Path, environment: &[(&str, &str)]) -> Process {
    let mut command = Process::command(binary())
        .args(["run", "--port", "0", "--bootstrap-servers", bootstrap, "-c"])
        .arg(config)
        .env("RUST_LOG", "info")
        .current_dir(root());
    for (name, value) in environment {
        command = command.env(name, value);
    }
    let mut process = command.start().unwrap();
    listening(&mut process, START_LIMIT);
    process
}

/// Waits until a process listens, and returns where.
pub(crate) fn listening(process: &mut Process, limit: Duration) -> String {
    process.wait_for_line("^Listening on ", limit).unwrap().trim_start_matches("Listening on ").to_owned()
}

impl Ran {
    /// The last line of standard error, where the error is.
    pub(crate) fn error(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }
}

/// Status line, headers and body of a GET.
pub(crate) fn http_get(address: &str, path: &str) -> String {
    http(address, "GET", path, "").text
}

/// What came back over HTTP.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    /// The body, null where it is no JSON.
    pub(crate) body: Value,
    /// Status line, headers and body.
    pub(crate) text: String,
}

/// A request on a connection of its own, without a content type.
pub(crate) fn http(address: &str, method: &str, path: &str, body: &str) -> HttpAnswer {
    http_with(address, method, path, "", body)
}

/// The same with header lines, each with its line break.
pub(crate) fn http_with(address: &str, method: &str, path: &str, headers: &str, body: &str) -> HttpAnswer {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}");
    // A server that refuses a body need not read it.
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {path}: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    HttpAnswer { status, body: serde_json::from_str(body).unwrap_or_default(), text }
}
