//! Kafka's jars: fetched once from Maven Central, then kept.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::find_program;

/// The jars and their versions.
const POM: &str = include_str!("../../kafka/pom.xml");
/// The version in [`POM`], which the directory is named by.
const VERSION: &str = "4.1.0";

/// The directory that the jars are kept in: `ACTEON_KAFKA_HOME`, or `~/.cache/acteon/kafka-4.1.0`.
///
/// # Errors
/// Neither `ACTEON_KAFKA_HOME` nor `HOME` is set.
pub fn home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("ACTEON_KAFKA_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither ACTEON_KAFKA_HOME nor HOME is set")?;
    let name = format!("kafka-{VERSION}");
    Ok(Path::new(&home).join(".cache/acteon").join(name))
}

/// The Java class path of Kafka, Kafka Streams and Jackson; fetches the jars at first use.
///
/// # Errors
/// `java` or `mvn` is missing, or the jars cannot be fetched.
pub fn class_path() -> Result<String> {
    find_program(Path::new("java")).context("Kafka needs Java: install the Debian package `default-jre-headless`")?;
    let home = home()?;
    let jars = home.join("lib");
    if !jars.is_dir() {
        std::fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        // Tests that start at the same moment wait here; all but the first find the jars there.
        let lock = File::create(home.join("lock"))?;
        lock.lock()?;
        if !jars.is_dir() {
            fetch(&home, &jars)?;
        }
    }
    Ok(format!("{}/*", jars.display()))
}

/// Fetches the jars to a directory on the side and moves it into place when it is complete.
fn fetch(home: &Path, jars: &Path) -> Result<()> {
    let mvn = find_program(Path::new("mvn"))
        .context("Kafka's jars are fetched with Maven: install the Debian package `maven`")?;
    let pom = home.join("pom.xml");
    std::fs::write(&pom, POM)?;
    let partial = home.join("lib.partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial)?;
    }
    let output = Command::new(mvn)
        .args(["-q", "-B", "dependency:copy-dependencies", "-f"])
        .arg(&pom)
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .output()
        .context("cannot run mvn")?;
    ensure!(output.status.success(), "Maven cannot fetch Kafka's jars:\n{}", String::from_utf8_lossy(&output.stdout));
    std::fs::rename(&partial, jars)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_by_the_version_of_the_jars() {
        for artifact in ["kafka_2.13", "kafka-streams"] {
            let (_, rest) = POM.split_once(&format!("<artifactId>{artifact}<")).unwrap();
            let (dependency, _) = rest.split_once("</dependency>").unwrap();
            assert!(dependency.contains(&format!("<version>{VERSION}<")), "{artifact}");
        }
    }
}
