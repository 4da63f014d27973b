use std::fmt;

/// What decisions need and no topic may hold: keys that sign links. Each process brings its own, all of them the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Keys for the links of approvals: the first one signs, all of them are accepted. An id, and the key's bytes.
    pub approval_keys: Vec<(Option<String>, Vec<u8>)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.approval_keys.iter().map(|(id, _)| id).collect();
        f.debug_struct("Secrets").field("approval_keys", &ids).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secrets = Secrets { approval_keys: vec![(Some("k1".to_owned()), b"hunter2".to_vec())] };
        let shown = format!("{secrets:?}");
        assert!(shown.contains("k1") && !shown.contains("hunter2") && !shown.contains("104"), "{shown}");
    }
}
