//! What keeps a process from starting: each says in one line what it is.

use crate::support::{Ran, acteon};
use acteon_testkit::free_port;
use std::fs;
use std::net::TcpListener;

fn one_line(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.stderr);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors, [ran.error()], "one line, and the last one:\n{}", ran.stderr);
    for part in parts {
        assert!(ran.error().contains(part), "{} lacks {part}", ran.error());
    }
}

#[test]
fn a_taken_port_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = acteon(&["dev", "--data-dir", data, "--broker-port", "0", "--port", &port]);
    one_line(&ran, 1, &[&format!("port {port} on 127.0.0.1 is in use"), "--port"]);
    let ran = acteon(&["dev", "--data-dir", data, "--broker-port", &port, "--port", "0"]);
    one_line(&ran, 1, &[&format!("port {port} on 127.0.0.1 is in use"), "another port"]);
}

#[test]
fn a_data_directory_that_can_t_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let data = file.join("data");
    let ran = acteon(&["dev", "--data-dir", data.to_str().unwrap(), "--broker-port", "0", "--port", "0"]);
    one_line(&ran, 1, &[data.to_str().unwrap(), "can't be written"]);
}

#[test]
fn a_kafka_that_does_not_answer_ends_every_command_with_4() {
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let run = ["run", "--kafka-timeout", "3s", "--port", "0", "--bootstrap-servers", &address];
    let ran = acteon(&run);
    one_line(&ran, 4, &[&address, "gave up after 3s"]);
    assert!(ran.stderr.contains("waiting up to"), "it says that it waits:\n{}", ran.stderr);
    let ran = acteon(&["topology", "check", "--bootstrap-servers", &address]);
    one_line(&ran, 4, &[&address]);
}

#[test]
fn bad_rules_keep_a_process_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let (rules, config) = (dir.path().join("rules"), dir.path().join("acteon.toml"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("a.yaml"), "rules:\n  - nme: x\n").unwrap();
    fs::write(&config, format!("[rules]\ndirectory = \"{}\"\n", rules.display())).unwrap();
    let ran = acteon(&["run", "-c", config.to_str().unwrap(), "--port", "0"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("a.yaml:2:5: error: "), "{}", ran.stderr);
}
