//! Child processes that never outlive the test: started, watched, measured, killed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use regex::Regex;
use tempfile::TempDir;

use crate::{POLL_INTERVAL, clock};

/// Becomes the program in `$2…`, leaving a watchdog behind that holds the read end of a pipe whose
/// write end only the test process has. A line on the pipe means that the [`Process`] was dropped: what
/// is left of the process group is killed. End of file means that the test process is gone: the
/// directory `$1` is removed, too. The watchdog is in the group that it kills, so that the id cannot
/// have been reused.
const GUARDED: &str = r#"
dir=$1; shift
exec 3<&0
(
  trap '' INT TERM HUP
  read -r _ <&3 && kill -s KILL -- -$$
  kill -s KILL $$
  sleep 0.2
  rm -rf -- "$dir"
  kill -s KILL -- -$$
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// Lines of output shown in errors.
const TAIL_LINES: usize = 20;
/// Ticks of `/proc/PID/stat` in a second (`USER_HZ`, 100 on every Linux architecture Rust runs on).
const TICKS_PER_SECOND: u64 = 100;

/// What a process is to be started with.
#[derive(Debug)]
pub struct Builder {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    current_dir: Option<PathBuf>,
    work_dir: Option<PathBuf>,
}

impl Builder {
    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable; the others are inherited.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the directory that the process runs in (default: that of the test).
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(dir.into());
        self
    }

    /// Sets the existing directory that the output files are appended to. The caller removes it;
    /// the watchdog does so if the test process is killed. Default: a temporary directory that goes
    /// with the [`Process`].
    #[must_use]
    pub fn work_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.work_dir = Some(dir.into());
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    /// The program does not exist, or the process cannot be started.
    pub fn start(self) -> Result<Process> {
        let program = find_program(&self.program)?;
        let (own_dir, dir) = match self.work_dir {
            Some(dir) => (None, dir),
            None => {
                let own = TempDir::with_prefix("acteon-process-")?;
                let path = own.path().to_owned();
                (Some(own), path)
            }
        };
        let append = |name: &str| -> Result<File> {
            let path = dir.join(name);
            File::options()
                .create(true)
                .append(true)
                .open(&path)
                .with_context(|| format!("cannot open {}", path.display()))
        };
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", GUARDED, "sh"])
            .arg(&dir)
            .arg(&program)
            .args(&self.args)
            .envs(self.env)
            .stdin(Stdio::piped())
            .stdout(append("stdout")?)
            .stderr(append("stderr")?)
            // An interrupt from the terminal goes to the test alone, whose end the watchdog sees.
            .process_group(0);
        if let Some(current) = self.current_dir {
            command.current_dir(current);
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        // Taken out because `Child::wait` closes it, which is the watchdog's signal.
        let guard = child.stdin.take();
        Ok(Process { program, child, guard, dir, _own_dir: own_dir })
    }
}

/// A running (or ended) child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    program: PathBuf,
    child: Child,
    guard: Option<ChildStdin>,
    dir: PathBuf,
    _own_dir: Option<TempDir>,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads, to 10 ms.
    pub cpu: Duration,
    /// The largest resident set it has had, in bytes.
    pub peak_rss: u64,
}

impl Process {
    /// Describes a process to be started: `program` is a path, or a name looked up in `PATH`.
    pub fn command(program: impl Into<PathBuf>) -> Builder {
        Builder { program: program.into(), args: Vec::new(), env: Vec::new(), current_dir: None, work_dir: None }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All of the standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read_lossy(&self.dir.join("stdout"))
    }

    /// All of the standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_lossy(&self.dir.join("stderr"))
    }

    /// The last lines of the standard output and standard error, for error messages.
    #[must_use]
    pub fn tail(&self) -> String {
        let all = self.stdout() + &self.stderr();
        let lines: Vec<&str> = all.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Waits for a line of standard output or standard error that matches the regular expression
    /// `pattern`, and returns the first one. Lines written before the call count.
    ///
    /// # Errors
    /// The pattern is wrong, the process ended without such a line, or `timeout` passed: with the
    /// tail of the output.
    pub fn wait_for_line(&mut self, pattern: &str, timeout: Duration) -> Result<String> {
        let regex = Regex::new(pattern)?;
        let deadline = clock::now() + timeout;
        loop {
            // Looked at before the output: what an ended process wrote is all there.
            let ended = self.try_wait()?;
            let output = self.stdout() + &self.stderr();
            if let Some(line) = output.lines().find(|line| regex.is_match(line)) {
                return Ok(line.to_owned());
            }
            let what = match ended {
                Some(status) => format!("ended ({status})"),
                None if clock::now() >= deadline => format!("ran for {timeout:?}"),
                None => {
                    std::thread::sleep(POLL_INTERVAL);
                    continue;
                }
            };
            let program = self.program.display();
            bail!("{program} {what} without a line matching `{pattern}`:\n{}", self.tail());
        }
    }

    /// Whether the process has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.try_wait(), Ok(None))
    }

    /// The exit status if the process has ended.
    ///
    /// # Errors
    /// The operating system refuses to tell.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let program = &self.program;
        self.child.try_wait().with_context(|| format!("cannot wait for {}", program.display()))
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// `timeout` passed: with the tail of the output. The process goes on.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = clock::now() + timeout;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if clock::now() >= deadline {
                return Err(anyhow!("{} did not end in {timeout:?}:\n{}", self.program.display(), self.tail()));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// It did not end within `timeout`; it goes on.
    pub fn terminate(&mut self, timeout: Duration) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait(timeout)
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`, …). Nothing happens if the process has ended.
    ///
    /// # Errors
    /// The signal could not be sent.
    pub fn signal(&mut self, name: &str) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        let status = Command::new("/bin/sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", name])
            .arg(self.pid().to_string())
            .status()?;
        ensure!(status.success() || !self.is_running(), "cannot send SIG{name} to {}", self.program.display());
        Ok(())
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill_9(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// What the process has used so far.
    ///
    /// # Errors
    /// The process has ended.
    pub fn usage(&self) -> Result<Usage> {
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.pid()))
                .with_context(|| format!("{} has ended", self.program.display()))
        };
        usage(&read("stat")?, &read("status")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if there is nothing left to kill.
        self.kill_9().ok();
        if let Some(mut guard) = self.guard.take() {
            guard.write_all(b"\n").ok();
        }
    }
}

/// Reads the CPU time and peak memory out of `/proc/PID/stat` and `/proc/PID/status`.
fn usage(stat: &str, status: &str) -> Result<Usage> {
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("strange /proc/PID/stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> Result<u64> {
        let field = fields.next().context("short /proc/PID/stat")?;
        Ok(field.parse()?)
    };
    let cpu = Duration::from_millis((ticks()? + ticks()?) * 1000 / TICKS_PER_SECOND);
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|value| value.trim().strip_suffix(" kB"))
        .context("no VmHWM in /proc/PID/status: the process has ended")?;
    Ok(Usage { cpu, peak_rss: peak.trim().parse::<u64>()? * 1024 })
}

/// The path of `program`: itself if it has a directory, else looked up in `PATH`.
///
/// # Errors
/// There is no such file.
pub fn find_program(program: &Path) -> Result<PathBuf> {
    if program.components().count() > 1 {
        ensure!(program.is_file(), "{} does not exist", program.display());
        return Ok(program.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("`{}` is not in PATH", program.display()))
}

/// The file as text; empty if it is not there.
fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn usage_survives_odd_program_names() {
        let stat = "7 (a) b 9) S 1 7 7 0 -1 4194560 1 2 3 4 250 31 0 0 20 0 1 0 100 1 2";
        let status = "Name:\ta\nVmPeak:\t  900 kB\nVmHWM:\t  512 kB\nVmRSS:\t 400 kB\n";
        let used = usage(stat, status).unwrap();
        assert_eq!(used.cpu, Duration::from_millis(2810));
        assert_eq!(used.peak_rss, 512 * 1024);
    }

    #[test]
    fn usage_of_a_zombie_is_an_error() {
        let stat = "7 (a) Z 1 7 7 0 -1 4194560 1 2 3 4 250 31 0 0 20 0 1 0 100 1 2";
        assert!(usage(stat, "Name:\ta\nState:\tZ (zombie)\n").is_err());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Process::command("no-such-program").start().unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` is not in PATH");
    }
}
