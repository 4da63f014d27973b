#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::clock;
use crate::provider::TraceContext;
use acteon_schemas::Dispatch;
use std::path::Path;
use std::time::Duration;

/// Longest wait for anything that shall happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(command: &[&str]) -> ExecSettings {
    ExecSettings {
        command: command.iter().map(|part| (*part).to_owned()).collect(),
        working_directory: None,
        env: BTreeMap::new(),
    }
}

fn script(text: &str) -> ExecSettings {
    settings(&["/bin/sh", "-c", text])
}

fn with_env(mut settings: ExecSettings, variable: &str, value: &str) -> ExecSettings {
    settings.env.insert(variable.to_owned(), Secret::new(value));
    settings
}

/// The outcome of one call; `None` where it takes longer than `limit`, and is dropped.
fn run_for(settings: &ExecSettings, limit: Duration) -> Option<Outcome> {
    let provider = Exec::new("p", settings, &Tools::default()).unwrap();
    let text = crate::testing::dispatch(&json!({"message": "hello"})).to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    let trace = TraceContext { traceparent: Some("00-ab-cd-01".into()), tracestate: None };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let call = Call { dispatch: &dispatch, trace: &trace };
    runtime.block_on(async { tokio::time::timeout(limit, provider.call(call)).await.ok() })
}

/// `Ok` with the response, or `Err` with code, message and whether it is retryable.
fn run(settings: &ExecSettings) -> Result<Value, (String, String, bool)> {
    match run_for(settings, PATIENCE).unwrap() {
        Outcome::Delivered(response) => Ok(serde_json::from_str(response.body.get()).unwrap()),
        Outcome::Retry { error, .. } | Outcome::Reject(error) => {
            Err((error.code.into_owned(), error.message.into_owned(), error.retryable))
        }
    }
}

#[test]
fn bad_settings_are_refused_with_the_key() {
    let own = |variable: &str| with_env(script("true"), variable, "hunter2");
    let mut relative = script("true");
    relative.working_directory = Some("var".into());
    let mut many = script("true");
    many.env = (0..=MAX_ENV).map(|n| (format!("V{n}"), Secret::new("hunter2"))).collect();
    for (settings, key) in [
        (settings(&[]), "`command` is empty"),
        (settings(&["notify"]), "`command` must begin with the program's whole path"),
        (settings(&["/bin/echo", "a\0b"]), "`command` has a part with a zero byte"),
        (settings(&["/x"; MAX_COMMAND_PARTS + 1]), "`command` has more than 64 parts"),
        (relative, "`working_directory` must be a whole path"),
        (own("ACTEON_DISPATCH_ID"), "`env.ACTEON_DISPATCH_ID` is set by Acteon"),
        (own("A=B"), "`env.A=B` is not a name"),
        (own(""), "`env.` is not a name"),
        (with_env(script("true"), "A", "hunter2\0"), "`env.A` is not a name and a value"),
        (many, "`env` has more than 64 variables"),
    ] {
        let error = settings.validate("p").unwrap_err().to_string();
        assert!(error.contains("provider `p`") && error.contains(key), "{error} lacks {key}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn it_reads_the_whole_action() {
    let action = run(&settings(&["/bin/cat"])).unwrap();
    assert_eq!((&action["id"], &action["payload"]), (&json!("a-1"), &json!({"message": "hello"})));
    assert_eq!((&action["namespace"], &action["provider"]), (&json!("shop"), &json!("hook")));
}

#[test]
fn it_has_the_environment_and_the_directory_that_are_configured_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings =
        with_env(script(r#"/usr/bin/env > seen; echo "\"$ACTEON_DISPATCH_ID $TOKEN\"""#), "TOKEN", "hunter2");
    settings.working_directory = Some(directory.path().to_owned());
    assert_eq!(run(&settings), Ok(json!("d-1 hunter2")));
    let seen = std::fs::read_to_string(directory.path().join("seen")).unwrap();
    let mut variables: Vec<&str> = seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    // The shell's own.
    variables.retain(|variable| !["PWD", "OLDPWD", "SHLVL", "_"].contains(variable));
    variables.sort_unstable();
    assert_eq!(variables, ["ACTEON_DISPATCH_ID", "TOKEN", "TRACEPARENT"]);
}

#[test]
fn its_end_says_what_became_of_it() {
    let ended = |code| Ended { code: Some(code), ..Ended::default() };
    for (code, kind, wanted) in [
        (75, "retry", "EXECUTION_FAILED"),
        (1, "reject", "EXECUTION_FAILED"),
        (127, "reject", "EXECUTION_FAILED"),
        (64, "reject", "CONFIGURATION"),
        (65, "reject", "VALIDATION"),
        (77, "reject", "CREDENTIALS"),
        (78, "reject", "CONFIGURATION"),
    ] {
        let (found, error) = match classify(&ended(code)) {
            Outcome::Retry { error, .. } => ("retry", error),
            Outcome::Reject(error) => ("reject", error),
            Outcome::Delivered(_) => panic!("{code} is no success"),
        };
        assert_eq!((found, &*error.code), (kind, wanted), "{code}");
        assert!(error.message.contains(&format!("exit code {code}")), "{}", error.message);
    }
    let ended = Ended { signal: Some(9), ..Ended::default() };
    let Outcome::Reject(error) = classify(&ended) else { panic!("not refused") };
    assert!(error.message.contains("signal 9"), "{}", error.message);
}

#[test]
fn what_it_writes_is_the_response_where_that_is_json() {
    let deep = format!("printf '%s' '{}{}'", "[".repeat(65), "]".repeat(65));
    for (text, wanted) in [
        (r#"echo '{"id": "n-1"}'"#, json!({"id": "n-1"})),
        ("echo done", json!({"exit_code": 0})),
        ("exit 0", json!({"exit_code": 0})),
        ("head -c 1000000 /dev/zero | tr '\\0' 1", json!({"exit_code": 0})),
        (&deep, json!({"exit_code": 0})),
        // It need not read its input.
        ("exec 0<&-; echo 7", json!(7)),
    ] {
        assert_eq!(run(&with_env(script(text), "PATH", "/usr/bin:/bin")), Ok(wanted), "{text}");
    }
}

#[test]
fn a_failure_tells_nothing_of_what_it_wrote() {
    for (code, name, is_retryable) in [(75, "EXECUTION_FAILED", true), (3, "EXECUTION_FAILED", false)] {
        let settings = with_env(script(&format!("echo $TOKEN; echo $TOKEN >&2; exit {code}")), "TOKEN", "hunter2");
        let (found, message, retryable) = run(&settings).unwrap_err();
        assert_eq!((&*found, retryable), (name, is_retryable));
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn what_can_t_be_started_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data");
    std::fs::write(&file, "not a program").unwrap();
    for command in ["/no/such/program", directory.path().to_str().unwrap(), file.to_str().unwrap()] {
        let (found, message, retryable) = run(&settings(&[command])).unwrap_err();
        assert_eq!((&*found, retryable), ("CONFIGURATION", false), "{message}");
        assert!(message.contains("can't be started"), "{message}");
    }
}

/// Whether a process still runs; a zombie that nobody has waited for yet does not.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn its_whole_process_group_ends_with_the_call() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pids");
    let text = format!("sleep 600 & echo $! $$ > {0}.new; mv {0}.new {0}; wait", file.display());
    let settings = with_env(script(&text), "PATH", "/usr/bin:/bin");
    let started = clock::now();
    assert!(run_for(&settings, Duration::from_secs(2)).is_none(), "it ended");
    let pids = std::fs::read_to_string(&file).unwrap();
    let is_over = || pids.split_whitespace().all(|pid| !is_running(pid));
    assert!(acteon_testkit::wait_until(PATIENCE, is_over), "{pids} still run");
    assert_eq!(pids.split_whitespace().count(), 2);
    assert!(clock::now() - started < PATIENCE);
}
