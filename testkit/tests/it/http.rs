use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use acteon_testkit::http::{Receiver, Reply};

const SOON: Duration = Duration::from_secs(20);

/// Sends one request by hand, so that no client library's retries hide what the server does.
fn post(receiver: &Receiver, target: &str, body: &str) -> String {
    let address = receiver.url();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {target} HTTP/1.1\r\nHost: x\r\nX-Key: k1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    // A receiver told to hang runs into the read timeout: the answer stays empty.
    stream.read_to_string(&mut answer).ok();
    answer
}

#[test]
fn requests_are_recorded() {
    let receiver = Receiver::start().unwrap();
    let answer = post(&receiver, "/hook/a?x=1", r#"{"n":1}"#);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let requests = receiver.wait_for(1, SOON).unwrap();
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook/a"));
    assert_eq!(request.query, "x=1");
    assert_eq!(request.header("X-KEY"), Some("k1"));
    assert_eq!(request.json().unwrap()["n"], 1);
    receiver.clear();
    assert_eq!(receiver.count(), 0);
}

#[test]
fn scripts_are_followed_in_order() {
    let receiver = Receiver::start().unwrap();
    receiver.respond_first(2, Reply::status(503).header("Retry-After", "7"));
    receiver.respond_first_at("/b", 1, Reply::status(404).body("none"));
    receiver.respond(Reply::status(201));
    let status = |target: &str| post(&receiver, target, "")[9..12].to_owned();
    assert_eq!(status("/b"), "404");
    let busy = post(&receiver, "/a", "");
    assert!(busy.starts_with("HTTP/1.1 503"), "{busy}");
    assert!(busy.to_lowercase().contains("retry-after: 7"), "{busy}");
    assert_eq!(status("/b"), "503");
    assert_eq!(status("/a"), "201");
    receiver.respond_at("/b", Reply::status(410));
    assert_eq!(status("/b"), "410");
    assert_eq!(receiver.requests_to("/b").len(), 3);
}

#[test]
fn a_rule_goes_before_scripts() {
    let receiver = Receiver::start().unwrap();
    receiver.respond_first(1, Reply::status(503));
    receiver.respond_by(|request| (request.body == b"no").then(|| Reply::status(422)));
    let status = |body: &str| post(&receiver, "/", body)[9..12].to_owned();
    assert_eq!(["no", "yes", "no", "yes"].map(status), ["422", "503", "422", "200"]);
}

#[test]
#[allow(clippy::disallowed_methods)] // Times the server from the outside.
fn delays_and_hangs() {
    let receiver = Receiver::start().unwrap();
    receiver.respond_first(1, Reply::status(200).delay(Duration::from_millis(150)));
    receiver.respond(Reply::hang());
    let start = Instant::now();
    assert!(post(&receiver, "/", "").starts_with("HTTP/1.1 200"));
    assert!(start.elapsed() >= Duration::from_millis(150));
    assert_eq!(post(&receiver, "/", ""), "");
    assert_eq!(receiver.count(), 2);
}
