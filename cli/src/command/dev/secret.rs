//! The key that signs the links of approvals where none is configured: made once, and kept beside the data.

use crate::config;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use uuid::Uuid;

/// Name of the file in the data directory.
const FILE: &str = "approval_secret";
/// Only its owner may read it.
const MODE: u32 = 0o600;

/// The key of this data directory; links stay good over restarts.
///
/// # Errors
/// The file can't be written or read, or holds something else.
pub(super) fn kept(data_dir: &Path) -> Result<Vec<u8>> {
    fs::create_dir_all(data_dir)
        .with_context(|| format!("{} can't be written; choose another --data-dir", data_dir.display()))?;
    let path = data_dir.join(FILE);
    // Two random UUIDs have 244 random bits.
    let made = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let text = match OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path) {
        Ok(mut file) => file.write_all(made.as_bytes()).and_then(|()| file.sync_all()).map(|()| made),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::read_to_string(&path),
        Err(error) => Err(error),
    };
    let text = text.with_context(|| format!("can't keep the key of approvals in {}", path.display()))?;
    match config::approval_key(&text) {
        Some(key) => Ok(key),
        None => bail!("{} does not hold 64 hexadecimal digits; delete it to have another key made", path.display()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = kept(&data).unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(kept(&data).unwrap(), first);
        let file = data.join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, MODE);
        fs::write(&file, "half").unwrap();
        assert!(kept(&data).unwrap_err().to_string().contains("delete it"));
    }
}
