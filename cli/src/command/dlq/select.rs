//! Filters of dead letters.

use super::entry::Entry;
use crate::clock;
use acteon_gateway::DeadLetterFilter;
use acteon_schemas::parse_duration;
use chrono::DateTime;
use clap::Args;

/// Which dead letters are meant; all that are given must hold.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Those of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Those of this namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Those of this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Those with this code, such as TIMEOUT or INVALID_JSON
    #[arg(long)]
    code: Option<String>,
    /// Those put there since then: 30m, 12h, 7d, or a time as in 2026-03-02T15:00:00Z
    #[arg(long, value_parser = since, value_name = "TIME")]
    since: Option<i64>,
}

impl Filter {
    /// One of another origin than flags.
    ///
    /// # Errors
    /// `since` is no time.
    pub(crate) fn of(filter: &DeadLetterFilter) -> Result<Self, String> {
        Ok(Self {
            provider: filter.provider.clone(),
            namespace: filter.namespace.clone(),
            tenant: filter.tenant.clone(),
            code: filter.code.clone(),
            since: filter.since.as_deref().map(since).transpose()?,
        })
    }

    /// Whether nothing is given.
    pub(super) fn is_empty(&self) -> bool {
        let names = [&self.provider, &self.namespace, &self.tenant, &self.code];
        names.into_iter().all(Option::is_none) && self.since.is_none()
    }

    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        is(&self.provider, entry.subject.provider.as_deref())
            && is(&self.namespace, entry.subject.namespace.as_deref())
            && is(&self.tenant, entry.subject.tenant.as_deref())
            && is(&self.code, Some(&entry.code))
            && self.since.is_none_or(|since| entry.at >= since)
    }
}

/// A moment in milliseconds since 1970: so long ago, or a time.
fn since(text: &str) -> Result<i64, String> {
    moment(text, clock::now_ms())
        .ok_or_else(|| "use a number with s, m, h or d, as in 12h, or a time as in 2026-03-02T15:00:00Z".to_owned())
}

fn moment(text: &str, now: i64) -> Option<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let ago = parse_duration(text, &["s", "m", "h", "d"], None)?;
    now.checked_sub_unsigned(ago)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Id, Subject};
    use super::*;

    #[test]
    fn moments() {
        let now = 10_000_000_000;
        let cases = [
            ("30s", Some(now - 30_000)),
            ("2h", Some(now - 7_200_000)),
            ("7d", Some(now - 604_800_000)),
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("", None),
            ("12", None),
            ("-3h", None),
            ("2ä", None),
            ("yesterday", None),
        ];
        for (text, at) in cases {
            assert_eq!(moment(text, now), at, "{text}");
        }
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let entry = Entry {
            id: Id { partition: 0, offset: 0 },
            source: String::new(),
            code: "TIMEOUT".to_owned(),
            message: String::new(),
            at: 1_000,
            holds: None,
            attempts: None,
            subject: Subject {
                namespace: Some("n".to_owned()),
                tenant: Some("t".to_owned()),
                provider: Some("slack".to_owned()),
                ..Subject::default()
            },
            bytes: 0,
            resolution: None,
        };
        let none = || Filter { provider: None, namespace: None, tenant: None, code: None, since: None };
        let text = |text: &str| Some(text.to_owned());
        let cases = [
            (none(), true),
            (Filter { provider: text("slack"), tenant: text("t"), ..none() }, true),
            (Filter { provider: text("slack"), tenant: text("u"), ..none() }, false),
            (Filter { code: text("TIMEOUT"), since: Some(1_000), namespace: text("n"), ..none() }, true),
            (Filter { code: text("timeout"), ..none() }, false),
            (Filter { since: Some(1_001), ..none() }, false),
        ];
        for (filter, takes) in cases {
            assert_eq!(filter.takes(&entry), takes, "{filter:?}");
        }
    }
}
