//! moto as a child process: the Python stand-in for AWS that its own clients are tested with, on a free loopback port.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use crate::process::Process;
use crate::{clock, free_port, tools};

/// The packages and their versions.
const REQUIREMENTS: &str = include_str!("../moto/requirements.txt");
/// The version in [`REQUIREMENTS`], which the directory is named by.
const VERSION: &str = "5.2.5";
/// Longest wait for the server to answer; it takes 3 s on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// The account of a server that is started without one.
const ACCOUNT: &str = "123456789012";
/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A running moto server. Dropping it kills it, and everything in it is gone.
#[derive(Debug)]
pub struct Moto {
    process: Process,
    port: u16,
    /// Where it is not [`ACCOUNT`].
    account: Option<String>,
}

impl Moto {
    /// Starts a server with nothing in it and waits until it answers. Functions of Lambda are not run: each answers with
    /// its event, or with what [`Moto::answer_lambda`] gave.
    ///
    /// # Errors
    /// Python is missing (the message says which Debian package to install), or the server does not come up (with the
    /// tail of its log).
    pub fn start() -> Result<Self> {
        Self::start_at(free_port()?)
    }

    /// Starts a server on a port, as [`Moto::start`].
    ///
    /// # Errors
    /// As [`Moto::start`].
    pub fn start_at(port: u16) -> Result<Self> {
        Self::launch(port, None)
    }

    /// Starts a server that has everything in the account of this number of 12 digits, as [`Moto::start`].
    ///
    /// # Errors
    /// As [`Moto::start`].
    pub fn start_as(account: &str) -> Result<Self> {
        Self::launch(free_port()?, Some(account.to_owned()))
    }

    fn launch(port: u16, account: Option<String>) -> Result<Self> {
        let process = start_process(port, account.as_deref())?;
        let mut moto = Self { process, port, account };
        moto.configure()?;
        Ok(moto)
    }

    /// Kills the server: nobody answers at its address, and everything in it is gone.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.process.kill_9()?;
        Ok(())
    }

    /// Starts the server anew at the same address, with nothing in it; after [`Moto::stop`] if it still runs.
    ///
    /// # Errors
    /// As [`Moto::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.process = start_process(self.port, self.account.as_deref())?;
        self.configure()
    }

    fn configure(&mut self) -> Result<()> {
        self.wait_until_ready()?;
        self.post("/moto-api/config", &json!({"lambda": {"use_docker": false}}))
    }

    /// A server started at first use and shared by all tests of this process; it ends with the process. Tests keep apart
    /// by using names of their own.
    ///
    /// # Errors
    /// As [`Moto::start`], the same one at every call.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Moto, String>> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::start().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|message| anyhow!("{message}"))
    }

    /// The server's address, for `aws_endpoint_url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The server's process, to stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Everything that is in the server, by service and kind, as moto tells it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn contents(&self) -> Result<Value> {
        let text = self.request("GET", "/moto-api/data.json", "", "")?;
        serde_json::from_str(&text).context("moto's contents are not JSON")
    }

    /// What the next call of a Lambda function returns, in the region us-east-1.
    ///
    /// # Errors
    /// It does not answer.
    pub fn answer_lambda(&self, result: &str) -> Result<()> {
        self.post("/moto-api/static/lambda-simple/response", &json!({"results": [result], "region": "us-east-1"}))
    }

    /// From now on signatures and permissions are checked, which moto does not do by itself.
    ///
    /// # Errors
    /// It does not answer.
    pub fn check_permissions(&self) -> Result<()> {
        self.request("POST", "/moto-api/reset-auth", "text/plain", "0").map(drop)
    }

    /// Takes all messages that are in a queue of the region us-east-1: the bodies, in the order in which they are given.
    ///
    /// # Errors
    /// There is no such queue, or the server does not answer.
    pub fn take_messages(&self, queue: &str) -> Result<Vec<String>> {
        let url = format!("{}/{}/{queue}", self.url(), self.account.as_deref().unwrap_or(ACCOUNT));
        let mut bodies = Vec::new();
        loop {
            let answer = self.sqs("ReceiveMessage", &json!({"QueueUrl": url, "MaxNumberOfMessages": 10}))?;
            let Some(messages) = answer["Messages"].as_array().filter(|messages| !messages.is_empty()) else {
                return Ok(bodies);
            };
            for message in messages {
                bodies.push(message["Body"].as_str().context("a message has no body")?.to_owned());
                self.sqs("DeleteMessage", &json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}))?;
            }
        }
    }

    /// The bytes of an object.
    ///
    /// # Errors
    /// There is none of that key, or the server does not answer.
    pub fn object(&self, bucket: &str, key: &str) -> Result<String> {
        self.request("GET", &format!("/{bucket}/{key}"), &format!("text/plain\r\n{}", signature("s3")), "")
    }

    /// Calls an action of SQS.
    fn sqs(&self, action: &str, body: &Value) -> Result<Value> {
        let kind = format!("application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.{action}\r\n{}", signature("sqs"));
        let text = self.request("POST", "/", &kind, &body.to_string())?;
        // What has nothing to say answers with nothing.
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).context("SQS's answer is not JSON") }
    }

    /// Calls an action of a service with the query protocol, as IAM and STS have it. Returns the answer's XML.
    ///
    /// # Errors
    /// It is refused, or does not answer.
    pub fn query(&self, service: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let encode = |text: &str| -> String {
            let byte = |byte: u8| {
                if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            };
            text.bytes().map(byte).collect()
        };
        let form: Vec<String> =
            parameters.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        let kind = format!("application/x-www-form-urlencoded\r\n{}", signature(service));
        self.request("POST", "/", &kind, &form.join("&"))
    }

    fn post(&self, path: &str, body: &Value) -> Result<()> {
        self.request("POST", path, "application/json", &body.to_string()).map(drop)
    }

    fn request(&self, method: &str, path: &str, content_type: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            self.port
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("moto's answer has no end of its headers")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with('2'), "moto answered {method} {path} with {status}: {body}");
        Ok(body.to_owned())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = clock::now() + START_TIMEOUT;
        while self.request("GET", "/moto-api/", "", "").is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("moto did not start ({status}):\n{}", self.process.tail());
            }
            ensure!(
                clock::now() < deadline,
                "moto did not answer at {} in {START_TIMEOUT:?}:\n{}",
                self.url(),
                self.process.tail()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn start_process(port: u16, account: Option<&str>) -> Result<Process> {
    let python = tools::python(&format!("moto-{VERSION}"), REQUIREMENTS)?;
    let mut command = Process::command(python)
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .env("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(account) = account {
        command = command.env("MOTO_ACCOUNT_ID", account);
    }
    command.start()
}

/// The header by whose scope moto tells the service; it checks no more of it.
fn signature(service: &str) -> String {
    let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
    format!("Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_by_the_version_of_the_package() {
        assert!(REQUIREMENTS.lines().any(|line| line == format!("moto=={VERSION}")));
        assert!(
            REQUIREMENTS.lines().all(|line| line.starts_with('#') || line.contains("==")),
            "a version is not pinned"
        );
    }
}
