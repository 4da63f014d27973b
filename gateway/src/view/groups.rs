//! All groups of all tenants, by id and key: what is asked for without naming a tenant is found here.

use super::table::{ReadFrom, Table, TableView};
use acteon_core::{GroupSummary, group_of, keys::Store};
use acteon_topology::{KafkaConfig, Names};
use std::collections::BTreeMap;

/// Most groups that are kept; those beyond it are found by naming their tenant.
pub(crate) const MAX_GROUPS: usize = 200_000;

/// The groups that there are, by their keys in the state.
#[derive(Default)]
pub(crate) struct Groups {
    groups: BTreeMap<Vec<u8>, GroupSummary>,
    left_out: bool,
}

impl Table for Groups {
    const NAME: &'static str = "groups";

    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        if key.first() != Some(&(Store::Group as u8)) {
            return Ok(());
        }
        let Some(value) = value else {
            self.groups.remove(key);
            return Ok(());
        };
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(key) {
            self.left_out = true;
            return Ok(());
        }
        let group = group_of(value).map_err(|error| error.to_string())?;
        self.groups.insert(key.to_vec(), group);
        Ok(())
    }
}

impl Groups {
    /// A part of the groups of a scope, or of all. `after` is the `next` of the part before; `None` where it is none.
    pub(crate) fn page(
        &self,
        (namespace, tenant): (Option<&str>, Option<&str>),
        after: Option<&str>,
        limit: usize,
    ) -> Option<GroupPage<'_>> {
        let after = after.map_or(Some(Vec::new()), unhex)?;
        let fits = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        let fitting = || {
            let all = self.groups.iter();
            all.filter(|(_, group)| fits(namespace, &group.namespace) && fits(tenant, &group.tenant))
        };
        let mut rest = fitting().skip_while(|(key, _)| **key <= after);
        let part: Vec<_> = rest.by_ref().take(limit).collect();
        let next = part.last().filter(|_| rest.next().is_some()).map(|(key, _)| hex(key));
        Some(GroupPage { total: fitting().count(), next, groups: part.into_iter().map(|(_, group)| group).collect() })
    }

    /// Those with an id or a key.
    pub(crate) fn find(&self, wanted: &str) -> Vec<&GroupSummary> {
        let by_id = self.groups.values().find(|group| group.group_id == wanted);
        let by_key = || self.groups.values().filter(|group| group.group_key == wanted).collect();
        by_id.map_or_else(by_key, |group| vec![group])
    }

    /// Whether there are more than are kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.left_out
    }
}

/// A part of a list.
pub(crate) struct GroupPage<'g> {
    pub(crate) groups: Vec<&'g GroupSummary>,
    /// How many there are in all parts.
    pub(crate) total: usize,
    /// What the next part begins after.
    pub(crate) next: Option<String>,
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|char| char.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    bytes.collect()
}

/// Keeps the table.
pub(crate) fn start(kafka: &KafkaConfig, names: &Names) -> std::io::Result<TableView<Groups>> {
    TableView::start(kafka, names.changelog(), ReadFrom::Beginning)
}

#[cfg(test)]
mod tests;
