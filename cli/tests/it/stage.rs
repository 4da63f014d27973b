//! Where an example plays: `acteon dev`, or three processors, two gateways and two connectors on Apache Kafka. Its scripts
//! ask the gateways in turn.

use crate::dev::Dev;
use crate::support::{acteon, binary, http, listening, root};
use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::Process;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Far more than a process takes to start or to stop.
const LIMIT: Duration = Duration::from_secs(90);
/// The processes of a fleet and their roles.
const FLEET: [(&str, &str); 7] = [
    ("processor-1", "processor"),
    ("processor-2", "processor"),
    ("processor-3", "processor"),
    ("connectors-1", "connectors"),
    ("connectors-2", "connectors"),
    ("gateway-1", "gateway"),
    ("gateway-2", "gateway"),
];

/// What runs.
enum Cast {
    Dev(Dev),
    Fleet(Vec<Process>, Kafka),
}

pub(crate) struct Stage {
    cast: Cast,
    gateways: Vec<String>,
    /// Which gateway is asked next.
    turn: AtomicUsize,
    environment: Vec<(&'static str, String)>,
    pub(crate) dir: TempDir,
}

impl Stage {
    /// Plays an example of a directory below `examples` on `acteon dev`, its rules changed by `edit`.
    pub(crate) fn dev(example: &str, edit: impl Fn(&str) -> String, environment: &[(&'static str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = configured(example, dir.path(), &edit);
        let data = dir.path().join("data");
        let dev = Dev::start_with(&data, &config, environment);
        let gateways = vec![dev.http().to_owned()];
        Self { cast: Cast::Dev(dev), gateways, turn: AtomicUsize::new(0), environment: environment.to_vec(), dir }
    }

    /// The same on seven processes.
    pub(crate) fn fleet(example: &str, edit: impl Fn(&str) -> String, environment: &[(&'static str, String)]) -> Self {
        let (dir, kafka) = (tempfile::tempdir().unwrap(), Kafka::start().unwrap());
        let config = configured(example, dir.path(), &edit);
        let common = ["--bootstrap-servers", kafka.bootstrap()];
        let applied = acteon(&[&["topology", "apply", "-c", config.to_str().unwrap()], &common[..]].concat());
        assert_eq!(applied.code, 0, "{}", applied.stderr);
        let text = fs::read_to_string(&config).unwrap();
        let (mut processes, mut gateways) = (Vec::new(), Vec::new());
        for (name, roles) in FLEET {
            let own = dir.path().join(name);
            fs::create_dir(&own).unwrap();
            let processor = format!("\n[processor]\nworkers = 1\nstate_dir = {:?}\n", own.join("state"));
            let config = own.join("acteon.toml");
            fs::write(&config, text.clone() + &processor).unwrap();
            let mut command = Process::command(binary())
                .args(["run", "--port", "0", "--roles", roles, "--bootstrap-servers", kafka.bootstrap(), "-c"])
                .arg(&config)
                .env("RUST_LOG", "info")
                .current_dir(root());
            for (name, value) in environment {
                command = command.env(name, value);
            }
            let mut process = command.start().unwrap();
            // One behind the other: the first ones begin to read topics that have been made a moment ago.
            let address = listening(&mut process, LIMIT);
            if roles == "gateway" {
                gateways.push(address);
            }
            processes.push(process);
        }
        let cast = Cast::Fleet(processes, kafka);
        Self { cast, gateways, turn: AtomicUsize::new(0), environment: environment.to_vec(), dir }
    }

    /// Kafka's address.
    pub(crate) fn kafka(&self) -> &str {
        match &self.cast {
            Cast::Dev(dev) => dev.kafka(),
            Cast::Fleet(_, kafka) => kafka.bootstrap(),
        }
    }

    /// The configuration's path.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("acteon.toml")
    }

    /// The gateway that is asked next.
    fn gateway(&self) -> &str {
        &self.gateways[self.turn.fetch_add(1, Ordering::Relaxed) % self.gateways.len()]
    }

    /// What a gateway answers to a GET; it must be 200.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = http(self.gateway(), "GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.text, self.tail());
        answer.body
    }

    /// Runs a script below `examples`; returns whether it went well, and all that it said.
    pub(crate) fn try_script(&self, script: &str, args: &[&str]) -> (bool, String) {
        let output = Command::new(root().join("examples").join(script))
            .args(args)
            .env("ACTEON_ENDPOINT", format!("http://{}", self.gateway()))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), said(&output.stdout) + &said(&output.stderr))
    }

    /// Runs a script that must go well; returns what it said.
    #[track_caller]
    pub(crate) fn script(&self, script: &str, args: &[&str]) -> String {
        let (done, said) = self.try_script(script, args);
        assert!(done, "{script}: {said}\n{}", self.tail());
        said
    }

    /// The end of what the processes said.
    pub(crate) fn tail(&self) -> String {
        match &self.cast {
            Cast::Dev(dev) => dev.output(),
            Cast::Fleet(processes, _) => processes.iter().map(Process::tail).collect::<Vec<_>>().join("\n"),
        }
    }

    pub(crate) fn stop(self) {
        match self.cast {
            Cast::Dev(dev) => dev.stop(),
            Cast::Fleet(processes, _kafka) => {
                for mut process in processes {
                    assert!(process.terminate(LIMIT).unwrap().success(), "{}", process.tail());
                }
            }
        }
    }
}

/// An example's configuration with its rules changed, both in a directory.
fn configured(example: &str, dir: &Path, edit: &impl Fn(&str) -> String) -> PathBuf {
    let own = root().join("examples").join(example);
    let text = fs::read_to_string(own.join("acteon.toml")).unwrap();
    crate::pipeline::copy_rules(&text, dir, edit);
    let rules = dir.join("rules").display().to_string();
    let config = dir.join("acteon.toml");
    fs::write(&config, text.replace(&format!("examples/{example}/rules"), &rules)).unwrap();
    config
}
