use acteon_scenario::{Mode, Report, Scenario, Setup, parse, run};
use std::fs;
use tempfile::TempDir;

/// Every mode that a scenario must come out the same in.
pub(crate) const MODES: [Mode; 6] = [
    Mode { partitions: 1, restored: false },
    Mode { partitions: 3, restored: false },
    Mode { partitions: 8, restored: false },
    Mode { partitions: 1, restored: true },
    Mode { partitions: 3, restored: true },
    Mode { partitions: 8, restored: true },
];

/// A folder with a rule file, and the scenarios that are run on it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yaml"), rules).unwrap();
        Self(folder)
    }

    /// A scenario with these steps, which begin at line 4, on the folder's rules.
    pub(crate) fn scenario(&self, steps: &str) -> Scenario {
        let head = "name: test\nrules: rules.yaml\ndefaults: {namespace: n, tenant: t, provider: email, action_type: a, payload: {}}\n";
        let file = self.0.path().join("test.yaml");
        parse(file.to_str().unwrap(), &format!("{head}{steps}")).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// Runs steps in every mode, which must come to the same.
    pub(crate) fn run(&self, steps: &str) -> Report {
        let scenario = self.scenario(steps);
        let setup = Setup::new(&scenario, None).unwrap();
        let straight = run(&scenario, &setup, MODES[0]).unwrap();
        for mode in &MODES[1..] {
            assert_eq!(run(&scenario, &setup, *mode).unwrap(), straight, "{mode:?}");
        }
        straight
    }

    /// Runs steps that must come out as expected.
    #[track_caller]
    pub(crate) fn holds(&self, steps: &str) {
        let report = self.run(steps);
        let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        assert!(report.holds(), "{}", failures.join("\n"));
    }

    /// Runs steps that must not; how that is told, without the folder's path.
    #[track_caller]
    pub(crate) fn fails(&self, steps: &str) -> String {
        let report = self.run(steps);
        let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        assert!(!failures.is_empty(), "it holds");
        failures.join("\n").replace(&format!("{}/", self.0.path().display()), "")
    }
}
