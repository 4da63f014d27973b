//! Chains, state machines and time intervals: what they have in common is a name that rules call them by. What stands in
//! them is checked by the decision core, which is what performs them.

use super::keys::Spans;
use super::problem::Report;
use acteon_schemas::{MAX_NAME_BYTES, check_name};
use std::collections::BTreeMap;

/// Checks the names of the entries of the list at `path`, in their order.
pub(super) fn check<'n>(path: &str, names: impl Iterator<Item = &'n str>, spans: &Spans, report: &mut Report<'_>) {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, name) in names.enumerate() {
        let key = format!("{path}[{index}].name");
        let span = spans.get(&key).cloned();
        if let Err(error) = check_name("name", name, MAX_NAME_BYTES) {
            report.error(span.clone(), format!("`{key}` is refused: {error}"));
        }
        if let Some(first) = places.insert(name, index) {
            let first = first + 1;
            report.error(span, format!("`{key}` is {name:?}, as in [[{path}]] number {first}; names tell them apart"));
        }
    }
}
