//! Running the binary.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The repository's root, which the examples' configuration is written for.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
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

impl Ran {
    /// The last line of standard error, where the error is.
    pub(crate) fn error(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }
}

/// Status line, headers and body of a GET.
pub(crate) fn http_get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
