//! `exec`: runs a program of this machine, once a call. Refused unless `[connectors] allow_exec = true`.

mod run;

use super::webhook::whole_action;
use super::{Call, Outcome, Provider, Tools, code};
use crate::error::Error;
use crate::secret::Secret;
use acteon_schemas::check_depth;
use futures::future::BoxFuture;
use run::{Ended, Run};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

pub use run::MAX_OUTPUT_BYTES;

/// Most parts of a command.
const MAX_COMMAND_PARTS: usize = 64;
/// Most configured environment variables.
const MAX_ENV: usize = 64;
/// Environment variable with the dispatch's id, the same on every attempt.
const DISPATCH_ID: &str = "ACTEON_DISPATCH_ID";
/// Environment variables that Acteon sets itself; those of the trace context are W3C's and OpenTelemetry's.
const OWN_ENV: [&str; 3] = [DISPATCH_ID, "TRACEPARENT", "TRACESTATE"];

/// A program that is run for each dispatch.
///
/// It reads the action as JSON from its standard input. It is done when it has ended and its standard output and error
/// are closed: 0 is success, and what it wrote is the response where that is JSON; 75 (`EX_TEMPFAIL`) is tried again; any
/// other exit code is a failure for good. When the call's time is up, its whole process group is killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecSettings {
    /// The program, by its whole path, and its arguments. No shell reads them. Everyone on the machine may see arguments:
    /// secrets belong into `env`.
    pub command: Vec<String>,
    /// The directory that it runs in; Acteon's own where absent.
    #[serde(default)]
    pub working_directory: Option<PathBuf>,
    /// Its environment: these variables and nothing else, beside `ACTEON_DISPATCH_ID`, the idempotency key.
    #[serde(default)]
    pub env: BTreeMap<String, Secret>,
}

impl ExecSettings {
    /// Checks the settings of the provider `name`. Whether the program is there shows when it is run.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        let bad = |key: &str, problem: &str| Err(Error::provider(name, key, problem));
        let Some(program) = self.command.first() else {
            return bad("command", "is empty; give the program by its whole path, and its arguments");
        };
        if !program.starts_with('/') {
            return bad("command", "must begin with the program's whole path, as /usr/local/bin/notify");
        }
        if self.command.len() > MAX_COMMAND_PARTS {
            return bad("command", &format!("has more than {MAX_COMMAND_PARTS} parts"));
        }
        if self.command.iter().any(|part| part.contains('\0')) {
            return bad("command", "has a part with a zero byte");
        }
        if self.working_directory.as_ref().is_some_and(|directory| !directory.is_absolute()) {
            return bad("working_directory", "must be a whole path, as /var/lib/notify");
        }
        if self.env.len() > MAX_ENV {
            return bad("env", &format!("has more than {MAX_ENV} variables"));
        }
        for (variable, value) in &self.env {
            let key = format!("env.{variable}");
            if OWN_ENV.contains(&variable.as_str()) {
                return bad(&key, "is set by Acteon; leave it out");
            }
            if variable.is_empty() || variable.contains(['=', '\0']) || value.expose().contains('\0') {
                return bad(&key, "is not a name and a value that an environment can have");
            }
        }
        Ok(())
    }
}

/// Runs the program.
pub(crate) struct Exec {
    name: String,
    settings: ExecSettings,
}

impl Exec {
    pub(crate) fn new(name: &str, settings: &ExecSettings, _tools: &Tools) -> Result<Self, Error> {
        settings.validate(name)?;
        Ok(Self { name: name.to_owned(), settings: settings.clone() })
    }

    async fn run(&self, call: Call<'_>) -> Outcome {
        let input = match whole_action(call.dispatch) {
            Ok(input) => input,
            Err(error) => {
                return Outcome::reject(code::SERIALIZATION, format!("the action can't be written as JSON: {error}"));
            }
        };
        let Some(mut command) = self.command(call) else {
            return Outcome::reject(code::VALIDATION, "the dispatch's id can't be an environment variable's value");
        };
        let run = match Run::start(&mut command) {
            Ok(run) => run,
            Err(error) => return not_started(&error),
        };
        match run.end(&input).await {
            Ok(ended) => {
                // It may hold secrets, so that it stays out of results.
                if let Some(line) = &ended.last_complaint {
                    let dispatch_id = &*call.dispatch.dispatch_id;
                    tracing::debug!(
                        provider = self.name,
                        dispatch_id,
                        line,
                        "the program's last line of standard error"
                    );
                }
                classify(&ended)
            }
            Err(error) => Outcome::retry(code::EXECUTION_FAILED, format!("the program is lost: {error}"), None),
        }
    }

    /// The command for a call; `None` where a value has a zero byte.
    fn command(&self, call: Call<'_>) -> Option<Command> {
        let (program, arguments) = self.settings.command.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        command.envs(self.settings.env.iter().map(|(variable, value)| (variable, value.expose())));
        let trace = [call.trace.traceparent.as_deref(), call.trace.tracestate.as_deref()];
        let own = OWN_ENV.into_iter().zip([Some(&*call.dispatch.dispatch_id)].into_iter().chain(trace));
        for (variable, value) in own.filter_map(|(variable, value)| Some((variable, value?))) {
            if value.contains('\0') {
                return None;
            }
            command.env(variable, value);
        }
        if let Some(directory) = &self.settings.working_directory {
            command.current_dir(directory);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what it starts can be killed with it, and so that an interrupt from a terminal
        // reaches Acteon alone.
        command.process_group(0);
        Some(command)
    }
}

impl Provider for Exec {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run(call))
    }
}

/// What it means that the program can't be started.
fn not_started(error: &std::io::Error) -> Outcome {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
    let message = format!("the program can't be started: {error}");
    match error.kind() {
        NotFound | PermissionDenied | NotADirectory | IsADirectory => Outcome::reject(
            code::CONFIGURATION,
            format!("{message}; see to `command` and `working_directory`, and that Acteon may run it"),
        ),
        // `ENOEXEC` has no kind: neither a binary of this machine nor a script that begins with `#!`.
        _ if error.raw_os_error() == Some(8) => Outcome::reject(code::CONFIGURATION, message),
        _ => Outcome::retry(code::EXECUTION_FAILED, message, None),
    }
}

/// What a program's end means. The codes are those of `sysexits.h`.
fn classify(ended: &Ended) -> Outcome {
    let failed = match (ended.code, ended.signal) {
        (Some(0), _) => {
            let output = ended.output.as_deref().filter(|output| check_depth(output).is_ok());
            let response: Option<Value> = output.and_then(|output| serde_json::from_slice(output).ok());
            return Outcome::delivered(&response.unwrap_or_else(|| json!({"exit_code": 0})));
        }
        (Some(code), _) => format!("the program ended with exit code {code}"),
        (None, Some(signal)) => format!("the program was ended by signal {signal}"),
        (None, None) => "the program ended in an unknown way".to_owned(),
    };
    match ended.code {
        Some(75) => Outcome::retry(code::EXECUTION_FAILED, failed, None),
        Some(65) => Outcome::reject(code::VALIDATION, failed),
        Some(77) => Outcome::reject(code::CREDENTIALS, failed),
        Some(64 | 78) => Outcome::reject(code::CONFIGURATION, failed),
        _ => Outcome::reject(code::EXECUTION_FAILED, failed),
    }
}

#[cfg(test)]
mod tests;
