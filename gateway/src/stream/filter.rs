//! Which events a connection is sent.

use super::event::Facts;
use acteon_schemas::tenant_key;

/// All that are given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) namespace: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) action_type: Option<String>,
    /// The tag of the outcome, as in audit records.
    pub(crate) outcome: Option<String>,
    /// The type of the event.
    pub(crate) event_type: Option<String>,
    pub(crate) chain_id: Option<String>,
    pub(crate) group_id: Option<String>,
    pub(crate) action_id: Option<String>,
}

impl Filter {
    /// Whether what every event of a record has in common fits.
    pub(crate) fn fits_record(&self, facts: &Facts<'_>) -> bool {
        let fits = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        fits(&self.namespace, facts.namespace)
            && fits(&self.tenant, facts.tenant)
            && fits(&self.provider, facts.provider)
            && fits(&self.action_type, facts.action_type)
            && fits(&self.outcome, facts.outcome)
            && fits(&self.action_id, facts.action_id)
            && fits(&self.chain_id, facts.chain_id.unwrap_or_default())
            && fits(&self.group_id, facts.group_id.unwrap_or_default())
    }

    /// Whether an event of this type fits.
    pub(crate) fn fits_type(&self, event_type: &str) -> bool {
        self.event_type.as_deref().is_none_or(|wanted| wanted == event_type)
    }

    /// The key of the records that can fit, where they are one tenant's.
    pub(crate) fn key(&self) -> Option<String> {
        Some(tenant_key(self.namespace.as_deref()?, self.tenant.as_deref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_compared_and_one_that_is_not_there_fits_nobody_who_asks() {
        let facts = Facts {
            namespace: "n",
            tenant: "t",
            provider: "p",
            action_type: "a",
            outcome: "grouped",
            action_id: "i",
            chain_id: None,
            group_id: Some("g"),
        };
        let set = |change: fn(&mut Filter, Option<String>), value: &str| {
            let mut filter = Filter::default();
            change(&mut filter, Some(value.to_owned()));
            filter.fits_record(&facts)
        };
        type Change = fn(&mut Filter, Option<String>);
        let cases: [(Change, Option<&str>); 8] = [
            (|filter, value| filter.namespace = value, Some("n")),
            (|filter, value| filter.tenant = value, Some("t")),
            (|filter, value| filter.provider = value, Some("p")),
            (|filter, value| filter.action_type = value, Some("a")),
            (|filter, value| filter.outcome = value, Some("grouped")),
            (|filter, value| filter.action_id = value, Some("i")),
            (|filter, value| filter.chain_id = value, None),
            (|filter, value| filter.group_id = value, Some("g")),
        ];
        for (number, (change, right)) in cases.into_iter().enumerate() {
            assert!(!set(change, "other"), "{number}");
            if let Some(right) = right {
                assert!(set(change, right), "{number}");
            }
        }
        assert!(Filter::default().fits_record(&facts));
        let typed = Filter { event_type: Some("timeout".to_owned()), ..Filter::default() };
        assert!(typed.fits_type("timeout") && !typed.fits_type("group_flushed"));
    }

    #[test]
    fn only_a_whole_scope_has_a_key() {
        let part = Filter { tenant: Some("t".to_owned()), ..Filter::default() };
        assert_eq!(part.key(), None);
        assert_eq!(Filter { namespace: Some("n".to_owned()), ..part }.key().as_deref(), Some("n:t"));
    }
}
