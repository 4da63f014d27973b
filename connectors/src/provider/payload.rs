//! Payloads of actions, as providers read them.

use super::{Outcome, code};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The members of a payload that is a JSON object. One that is null counts as absent.
pub(crate) struct Keys<'p>(BTreeMap<String, &'p RawValue>);

/// A member that is not what it must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    key: String,
    problem: String,
}

impl Invalid {
    /// `problem` continues a sentence that begins with the key.
    pub(crate) fn new(key: &str, problem: impl Into<String>) -> Self {
        Self { key: key.to_owned(), problem: problem.into() }
    }

    /// The call's end: the same payload is as wrong another time.
    pub(crate) fn outcome(self) -> Outcome {
        Outcome::reject(code::VALIDATION, format!("the payload's `{}` {}", self.key, self.problem))
    }
}

impl<'p> Keys<'p> {
    /// The members of `payload`; `None` if it is not an object.
    pub(crate) fn of(payload: &'p RawValue) -> Option<Self> {
        let mut keys: BTreeMap<String, &RawValue> = serde_json::from_str(payload.get()).ok()?;
        keys.retain(|_, value| value.get() != "null");
        Some(Self(keys))
    }

    /// Whether there is such a member.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Whether there are members, and only such as are named here.
    pub(crate) fn are_among(&self, keys: &[&str]) -> bool {
        !self.0.is_empty() && self.0.keys().all(|key| keys.contains(&key.as_str()))
    }

    /// A member as it was written.
    pub(crate) fn raw(&self, key: &str) -> Option<&'p RawValue> {
        self.0.get(key).copied()
    }

    /// A member that is a string.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Invalid> {
        self.read(key, "must be a string")
    }

    /// A member that is a boolean, a number, a string: whatever `T` reads; `problem` says so of one that is not.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, key: &str, problem: &str) -> Result<Option<T>, Invalid> {
        self.raw(key).map(|value| serde_json::from_str(value.get()).map_err(|_| Invalid::new(key, problem))).transpose()
    }

    /// A member that is a whole number within limits.
    pub(crate) fn integer(&self, key: &str, limits: RangeInclusive<i32>) -> Result<Option<i32>, Invalid> {
        let problem = format!("must be a whole number from {} to {}", limits.start(), limits.end());
        match self.read(key, &problem)? {
            Some(number) if !limits.contains(&number) => Err(Invalid::new(key, problem)),
            number => Ok(number),
        }
    }

    /// A member that is an object of strings.
    pub(crate) fn map(&self, key: &str) -> Result<Option<BTreeMap<String, String>>, Invalid> {
        self.read(key, "must be an object whose values are strings")
    }

    /// A member that is a string or an array of strings.
    pub(crate) fn list(&self, key: &str) -> Result<Vec<String>, Invalid> {
        if let Ok(Some(one)) = self.text(key) {
            return Ok(vec![one]);
        }
        Ok(self.read(key, "must be a string or an array of strings")?.unwrap_or_default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn keys(payload: &str) -> Option<Keys<'_>> {
        Keys::of(serde_json::from_str(payload).unwrap())
    }

    #[test]
    fn only_objects_have_members_and_null_is_none() {
        for payload in ["1", "[]", "\"text\"", "null"] {
            assert!(keys(payload).is_none(), "{payload}");
        }
        let found = keys(r#"{"a": 1.50, "b": null}"#).unwrap();
        assert!(found.has("a") && !found.has("b") && !found.has("c"));
        assert_eq!(found.raw("a").unwrap().get(), "1.50", "as it was written");
        assert!(found.are_among(&["a", "c"]) && !found.are_among(&["c"]));
        assert!(!keys("{}").unwrap().are_among(&["a"]));
    }

    #[test]
    fn a_wrong_type_is_told_with_the_key() {
        let payload = r#"{"n": 901, "s": "x", "l": ["x", "y"], "m": {"a": "b"}, "bad": [1], "half": 0.5}"#;
        let keys = keys(payload).unwrap();
        assert_eq!(keys.text("s"), Ok(Some("x".into())));
        assert_eq!(keys.text("absent"), Ok(None));
        assert_eq!(keys.list("s"), Ok(vec!["x".into()]));
        assert_eq!(keys.list("l"), Ok(vec!["x".into(), "y".into()]));
        assert_eq!(keys.list("absent"), Ok(Vec::new()));
        assert_eq!(keys.map("m").unwrap().unwrap()["a"], "b");
        assert_eq!(keys.integer("n", 0..=901), Ok(Some(901)));
        for bad in [
            keys.text("n").unwrap_err(),
            keys.list("bad").unwrap_err(),
            keys.map("l").unwrap_err(),
            keys.integer("n", 0..=900).unwrap_err(),
            keys.integer("half", 0..=900).unwrap_err(),
        ] {
            let Outcome::Reject(error) = bad.outcome() else { unreachable!() };
            assert_eq!(error.code, "VALIDATION");
            assert!(error.message.contains("the payload's `"), "{}", error.message);
            assert!(error.message.contains("must be"), "{}", error.message);
        }
    }
}
