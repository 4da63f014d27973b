use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use acteon_testkit::process::Process;
use acteon_testkit::{acteon_bin, free_port, wait_until};

const SOON: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Process {
    Process::command("sh").args(["-c", script]).start().unwrap()
}

/// Whether a process of this id exists and is not merely unreaped.
fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn output_is_captured_and_awaited() {
    let mut child = sh("echo one; echo two >&2; sleep 60");
    assert_eq!(child.wait_for_line("^two", SOON).unwrap(), "two");
    assert!(child.is_running());
    let status = child.kill_9().unwrap();
    assert!(!status.success());
    assert_eq!(child.stdout(), "one\n");
}

#[test]
fn dropping_kills_the_children_of_the_process_too() {
    let mut child = sh("sleep 60 & echo pid $!; wait");
    let line = child.wait_for_line("pid", SOON).unwrap();
    let pid = line.trim_start_matches("pid ");
    assert!(alive(pid));
    drop(child);
    assert!(wait_until(SOON, || !alive(pid)), "{pid} lives on");
}

#[test]
fn a_line_that_never_comes_is_an_error_with_the_output() {
    let mut child = sh("echo broken pipework; exit 3");
    let error = child.wait_for_line("ready", SOON).unwrap_err().to_string();
    assert!(error.contains("exit status: 3"), "{error}");
    assert!(error.contains("broken pipework"), "{error}");
}

#[test]
fn terminate_lets_the_process_finish() {
    let mut child = sh("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done");
    child.wait_for_line("up", SOON).unwrap();
    assert_eq!(child.terminate(SOON).unwrap().code(), Some(7));
    assert_eq!(child.stdout(), "up\nbye\n");
}

#[test]
fn environment_directory_and_pid_are_the_programs_own() {
    let child = Process::command("sh")
        .args(["-c", "echo $WORD $PWD $$; exec sleep 60"])
        .env("WORD", "hello")
        .current_dir("/")
        .start();
    let mut child = child.unwrap();
    let line = child.wait_for_line("hello", SOON).unwrap();
    assert_eq!(line, format!("hello / {}", child.pid()));
}

#[test]
fn usage_grows_with_work() {
    let mut child = sh("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; sleep 60");
    child.wait_for_line("done", Duration::from_secs(60)).unwrap();
    let usage = child.usage().unwrap();
    assert!(usage.cpu >= Duration::from_millis(20), "{usage:?}");
    assert!(usage.peak_rss > 100 * 1024, "{usage:?}");
}

/// This test runs itself as the "test process" that is killed: only that shows that the watchdog
/// of a real one does its work.
#[test]
fn nothing_is_left_behind_by_a_killed_test() {
    const INNER: &str = "ACTEON_TESTKIT_INNER";
    if std::env::var_os(INNER).is_some() {
        let child = sh("echo $$ $PWD; exec sleep 60");
        // Read by the outer test; the harness' own capture of stdout is off.
        writeln!(std::io::stdout(), "inner child {}", child.pid()).unwrap();
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let mut inner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::nothing_is_left_behind_by_a_killed_test"])
        .arg("--nocapture")
        .env(INNER, "1")
        .env("TMPDIR", work.path())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    let started = wait_until(SOON, || {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        if let Some((_, rest)) = text.split_once("inner child ") {
            pid = rest.lines().next().unwrap_or_default().to_owned();
        }
        !pid.is_empty()
    });
    assert!(started && alive(&pid));
    inner.kill().unwrap();
    inner.wait().unwrap();
    assert!(wait_until(SOON, || !alive(&pid)), "{pid} lives on");
    let dirs = || std::fs::read_dir(work.path()).unwrap().count();
    assert!(wait_until(SOON, || dirs() == 1), "temporary files are left");
}

#[test]
fn free_ports_differ_and_lie_below_those_of_outgoing_connections() {
    let ports: Vec<u16> = (0..50).map(|_| free_port().unwrap()).collect();
    let mut distinct = ports.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ports.len());
    assert!(ports.iter().all(|port| *port < 32_768));
}

#[test]
fn the_binary_is_looked_for_where_this_test_was_built() {
    let own = std::env::current_exe().unwrap();
    let target = own.parent().unwrap().parent().unwrap();
    match acteon_bin() {
        Ok(path) => assert_eq!(path, target.join("acteon")),
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with(&format!("{}/acteon is missing", target.display())), "{text}");
            assert!(text.ends_with("`cargo build -p acteon`"), "{text}");
        }
    }
}
