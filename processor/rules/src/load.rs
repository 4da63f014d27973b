//! Reading rule files: the only place of this crate that touches a file system.

use std::path::{Path, PathBuf};

use crate::{SourceFile, limits};

/// Why a rule directory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or a file in it could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is larger than [`limits::MAX_FILE_BYTES`].
    #[error("{}: {bytes} bytes; a rule file may have {}", path.display(), limits::MAX_FILE_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The directory has more than [`limits::MAX_FILES`] rule files.
    #[error("{}: more than {} rule files", path.display(), limits::MAX_FILES)]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

/// Reads every `*.yaml` and `*.yml` file of a directory, sorted by name; sub-directories and
/// hidden files are left out.
///
/// # Errors
/// The directory or a file cannot be read, is not UTF-8, or passes a limit.
pub fn load_dir(path: impl AsRef<Path>) -> Result<Vec<SourceFile>, Error> {
    let dir = path.as_ref();
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(read(dir))? {
        let path = entry.map_err(read(dir))?.path();
        let hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        let yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if yaml && !hidden && !path.is_dir() {
            paths.push(path);
        }
        if paths.len() > limits::MAX_FILES {
            return Err(Error::TooMany { path: dir.to_owned() });
        }
    }
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = std::fs::metadata(&path).map_err(read(&path))?.len();
        if bytes > limits::MAX_FILE_BYTES as u64 {
            return Err(Error::TooLarge { path, bytes });
        }
        let text = std::fs::read_to_string(&path).map_err(read(&path))?;
        files.push(SourceFile { name: path.display().to_string(), text });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn reads_yaml_files_sorted_by_name_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("b.yaml", "b"), ("a.yml", "a"), ("c.txt", "c"), (".d.yaml", "d")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::fs::create_dir(dir.path().join("e.yaml")).unwrap();
        let files = load_dir(dir.path()).unwrap();
        let texts: Vec<_> = files.iter().map(|f| f.text.as_str()).collect();
        assert_eq!(texts, ["a", "b"]);
    }

    #[test]
    fn names_the_directory_that_is_missing() {
        let error = load_dir("no/such/dir").expect_err("there is none").to_string();
        assert!(error.starts_with("cannot read no/such/dir: "), "{error}");
    }

    #[test]
    fn refuses_a_file_over_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), vec![b'#'; limits::MAX_FILE_BYTES + 1]).unwrap();
        let error = load_dir(dir.path()).expect_err("too large").to_string();
        assert!(error.ends_with("a.yaml: 1048577 bytes; a rule file may have 1048576"), "{error}");
    }
}
