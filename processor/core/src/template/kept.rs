//! Templates and profiles as they are kept.

use crate::approval::percent_encode;
use crate::keys::{self, Store};
use crate::state::{State, StateError};
use crate::time::rfc3339;
use crate::value;
use acteon_schemas::{ProfileDefinition, TemplateDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is defined.
pub(super) trait Defined: Serialize + DeserializeOwned {
    /// What begins the rest of its key.
    const TAG: u8;
    /// What it is called.
    const NOUN: &'static str;
    /// What several are called, which is the name of their list as well.
    const PLURAL: &'static str;
    /// Most of them of a tenant.
    const MOST: usize;

    fn name(&self) -> &str;
}

impl Defined for TemplateDefinition {
    const TAG: u8 = b't';
    const NOUN: &'static str = "template";
    const PLURAL: &'static str = "templates";
    const MOST: usize = 500;

    fn name(&self) -> &str {
        &self.name
    }
}

impl Defined for ProfileDefinition {
    const TAG: u8 = b'p';
    const NOUN: &'static str = "profile";
    const PLURAL: &'static str = "profiles";
    const MOST: usize = 200;

    fn name(&self) -> &str {
        &self.name
    }
}

/// One of them, with its times in milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept<T> {
    pub(super) definition: T,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl<T: Defined> Kept<T> {
    /// As answers show it. Its id is what its path ends with.
    pub(super) fn shown(&self, (namespace, tenant): (&str, &str)) -> Value {
        let mut id = String::new();
        for (index, part) in [namespace, tenant, self.definition.name()].into_iter().enumerate() {
            if index > 0 {
                id.push('/');
            }
            percent_encode(&mut id, part);
        }
        let mut shown = json!(self.definition);
        for (name, value) in [
            ("id", id),
            ("namespace", namespace.to_owned()),
            ("tenant", tenant.to_owned()),
            ("created_at", rfc3339(self.created_at)),
            ("updated_at", rfc3339(self.updated_at)),
        ] {
            shown[name] = Value::String(value);
        }
        shown
    }
}

/// What the keys of a tenant's definitions of a kind begin with.
pub(super) fn prefix<T: Defined>((namespace, tenant): (&str, &str)) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    keys::scoped(&mut key, Store::Template, namespace, tenant);
    key.push(T::TAG);
    key
}

fn key<T: Defined>(scope: (&str, &str), name: &str) -> Vec<u8> {
    let mut key = prefix::<T>(scope);
    key.extend_from_slice(name.as_bytes());
    key
}

/// The one of this name.
pub(super) fn load<T: Defined>(
    state: &mut impl State,
    scope: (&str, &str),
    name: &str,
) -> Result<Option<Kept<T>>, StateError> {
    state.get(&key::<T>(scope, name))?.map(decode).transpose()
}

/// Reads what [`store`] wrote.
pub(super) fn decode<T: Defined>(stored: &[u8]) -> Result<Kept<T>, StateError> {
    Ok(value::decode(stored, Store::Template)?.1)
}

pub(super) fn exists<T: Defined>(state: &mut impl State, scope: (&str, &str), name: &str) -> Result<bool, StateError> {
    Ok(state.get(&key::<T>(scope, name))?.is_some())
}

pub(super) fn store<T: Defined>(state: &mut impl State, scope: (&str, &str), kept: &Kept<T>) {
    state.put(&key::<T>(scope, kept.definition.name()), &value::encode(value::NEVER, kept));
}

pub(super) fn remove<T: Defined>(state: &mut impl State, scope: (&str, &str), name: &str) {
    state.delete(&key::<T>(scope, name));
}
