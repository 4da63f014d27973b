//! Programs that tests run and that are not ours: fetched once from the package registries, then kept.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::find_program;

/// File in a Python environment that says that it is complete.
const COMPLETE: &str = "complete";

/// The directory that the tools are kept in: `ACTEON_TOOLS_HOME`, or `~/.cache/acteon/tools`.
///
/// # Errors
/// Neither `ACTEON_TOOLS_HOME` nor `HOME` is set.
pub fn home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("ACTEON_TOOLS_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither ACTEON_TOOLS_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/acteon/tools"))
}

/// The Python program of a virtual environment that has `requirements`, a file's content in pip's form. It is made at
/// first use, and made anew under another `name`, which says the version.
///
/// # Errors
/// Python or its module `venv` is missing (the message says which Debian package has it), or pip can't fetch a package.
pub fn python(name: &str, requirements: &str) -> Result<PathBuf> {
    let venv = home()?.join(name);
    let python = venv.join("bin/python");
    once(&venv, &venv.join(COMPLETE), || {
        let program = find_program(Path::new("python3"))
            .context("this test needs Python: install the Debian packages `python3` and `python3-venv`")?;
        let made = Command::new(program).args(["-m", "venv", "--clear"]).arg(&venv).output()?;
        let said = String::from_utf8_lossy(&made.stdout);
        ensure!(
            made.status.success(),
            "Python makes no virtual environment: install the Debian package `python3-venv`\n{said}"
        );
        let list = venv.join("requirements.txt");
        std::fs::write(&list, requirements)?;
        let fetched = Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"])
            .arg(&list)
            .output()?;
        ensure!(
            fetched.status.success(),
            "pip can't fetch the packages of {name}:\n{}",
            String::from_utf8_lossy(&fetched.stderr)
        );
        std::fs::write(venv.join(COMPLETE), "")?;
        Ok(())
    })?;
    Ok(python)
}

/// The Java class path of the jars that `pom` depends on, fetched at first use, and anew under another `name`, which says
/// the version.
///
/// # Errors
/// Java or Maven is missing (the message says which Debian package has it), or the jars can't be fetched.
pub fn class_path(name: &str, pom: &str) -> Result<String> {
    find_program(Path::new("java"))
        .context("this test needs Java: install the Debian package `default-jre-headless`")?;
    let dir = home()?.join(name);
    let jars = dir.join("lib");
    once(&dir, &jars, || {
        let mvn = find_program(Path::new("mvn"))
            .context("jars are fetched with Maven: install the Debian package `maven`")?;
        let file = dir.join("pom.xml");
        std::fs::write(&file, pom)?;
        let partial = dir.join("lib.partial");
        if partial.exists() {
            std::fs::remove_dir_all(&partial)?;
        }
        let output = Command::new(mvn)
            .args(["-q", "-B", "dependency:copy-dependencies", "-f"])
            .arg(&file)
            .arg(format!("-DoutputDirectory={}", partial.display()))
            .output()?;
        ensure!(
            output.status.success(),
            "Maven can't fetch the jars of {name}:\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
        std::fs::rename(&partial, &jars)?;
        Ok(())
    })?;
    Ok(format!("{}/*", jars.display()))
}

/// Runs `make` unless `made` is there. Tests that start at the same moment wait for the first.
fn once(dir: &Path, made: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    if made.exists() {
        return Ok(());
    }
    let parent = dir.parent().context("the tools have no directory")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let mut lock = dir.as_os_str().to_owned();
    lock.push(".lock");
    let lock = File::create(PathBuf::from(lock))?;
    lock.lock()?;
    if made.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    make()
}
