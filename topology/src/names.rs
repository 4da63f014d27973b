use crate::Error;

/// Longest prefix, in bytes. With the longest provider it stays under Kafka's limit of 249 for a topic's name.
pub const MAX_PREFIX_BYTES: usize = 100;
/// Longest configured name of a provider, in bytes: it is part of a topic's name.
pub const MAX_PROVIDER_BYTES: usize = 128;

/// The topics' names, all under one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    actions: String,
    repartition: String,
    commands: String,
    results: String,
    outcomes: String,
    audit: String,
    changelog: String,
    changelog_expiring: String,
    definitions: String,
    dlq: String,
    provider_health: String,
    dispatch: String,
}

impl Names {
    /// The names under `prefix` (`acteon` gives `acteon.actions` and so on).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a prefix that is empty, over [`MAX_PREFIX_BYTES`] or has other characters than Kafka
    /// allows in a topic's name.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        check("the topic prefix", prefix, MAX_PREFIX_BYTES)?;
        let name = |suffix: &str| format!("{prefix}.{suffix}");
        Ok(Self {
            prefix: prefix.to_owned(),
            actions: name("actions"),
            repartition: name("repartition"),
            commands: name("commands"),
            results: name("results"),
            outcomes: name("outcomes"),
            audit: name("audit"),
            changelog: name("changelog"),
            changelog_expiring: name("changelog.expiring"),
            definitions: name("definitions"),
            dlq: name("dlq"),
            provider_health: name("provider-health"),
            dispatch: name("dispatch."),
        })
    }

    /// What all names begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
    /// What applications ask for.
    #[must_use]
    pub fn actions(&self) -> &str {
        &self.actions
    }
    /// Actions that came under another key than `namespace:tenant`, on their way to the right partition.
    #[must_use]
    pub fn repartition(&self) -> &str {
        &self.repartition
    }
    /// What operators ask of one tenant's state.
    #[must_use]
    pub fn commands(&self) -> &str {
        &self.commands
    }
    /// What came of dispatches.
    #[must_use]
    pub fn results(&self) -> &str {
        &self.results
    }
    /// What became of actions.
    #[must_use]
    pub fn outcomes(&self) -> &str {
        &self.outcomes
    }
    /// Audit records.
    #[must_use]
    pub fn audit(&self) -> &str {
        &self.audit
    }
    /// State that stays until it is deleted.
    #[must_use]
    pub fn changelog(&self) -> &str {
        &self.changelog
    }
    /// State that expires by itself.
    #[must_use]
    pub fn changelog_expiring(&self) -> &str {
        &self.changelog_expiring
    }
    /// Rules, providers and settings.
    #[must_use]
    pub fn definitions(&self) -> &str {
        &self.definitions
    }
    /// Records that could not be processed.
    #[must_use]
    pub fn dlq(&self) -> &str {
        &self.dlq
    }
    /// How providers' calls fare.
    #[must_use]
    pub fn provider_health(&self) -> &str {
        &self.provider_health
    }

    /// Calls that `provider`'s connector shall make. The name is one that [`Names::check_provider`] accepts.
    #[must_use]
    pub fn dispatch(&self, provider: &str) -> String {
        format!("{}{provider}", self.dispatch)
    }

    /// The provider whose dispatch topic this is, if it is one.
    #[must_use]
    pub fn provider_of<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(self.dispatch.as_str()).filter(|provider| !provider.is_empty())
    }

    /// Refuses a provider's name that can't be part of a topic's name.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name and what is allowed.
    pub fn check_provider(provider: &str) -> Result<(), Error> {
        check("the provider name", provider, MAX_PROVIDER_BYTES)
    }
}

fn check(what: &str, name: &str, max: usize) -> Result<(), Error> {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let problem = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > max {
        format!("has {} bytes; the limit is {max}", name.len())
    } else if let Some(bad) = name.chars().find(|c| !allowed(c)) {
        format!("has the character {bad:?}; a topic's name may have a-z, A-Z, 0-9, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(Error::Invalid(format!("{what} {name:?} {problem}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_the_prefix() {
        let names = Names::new("acme-1").unwrap();
        let all = [
            (names.actions(), "acme-1.actions"),
            (names.repartition(), "acme-1.repartition"),
            (names.commands(), "acme-1.commands"),
            (names.results(), "acme-1.results"),
            (names.outcomes(), "acme-1.outcomes"),
            (names.audit(), "acme-1.audit"),
            (names.changelog(), "acme-1.changelog"),
            (names.changelog_expiring(), "acme-1.changelog.expiring"),
            (names.definitions(), "acme-1.definitions"),
            (names.dlq(), "acme-1.dlq"),
            (names.provider_health(), "acme-1.provider-health"),
            (&names.dispatch("web.hook"), "acme-1.dispatch.web.hook"),
        ];
        for (name, wanted) in all {
            assert_eq!(name, wanted);
        }
    }

    #[test]
    fn a_dispatch_topic_tells_its_provider() {
        let names = Names::new("acteon").unwrap();
        for provider in ["slack", "alert.fan-out"] {
            assert_eq!(names.provider_of(&names.dispatch(provider)), Some(provider));
        }
        for other in ["acteon.actions", "acteon.dispatch.", "other.dispatch.slack", "acteon.dispatchslack"] {
            assert_eq!(names.provider_of(other), None, "{other}");
        }
    }

    #[test]
    fn names_that_kafka_would_refuse_are_refused_here() {
        for (prefix, part) in
            [("", "is empty"), ("a b", "' '"), ("ä", "'ä'"), ("a/b", "'/'"), (&"x".repeat(101), "the limit is 100")]
        {
            let message = Names::new(prefix).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        let longest = Names::new(&"x".repeat(MAX_PREFIX_BYTES)).unwrap();
        let provider = "p".repeat(MAX_PROVIDER_BYTES);
        Names::check_provider(&provider).unwrap();
        assert!(longest.dispatch(&provider).len() <= 249);
        assert!(Names::check_provider("a:b").unwrap_err().to_string().contains("the provider name"));
    }
}
