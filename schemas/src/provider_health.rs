use crate::error::DecodeError;
use crate::latency::LatencyHistogram;
use crate::limits::{MAX_NAME_BYTES, check_depth, check_name, check_size};
use serde::{Deserialize, Serialize};

/// The age from which on a record says nothing any more, in milliseconds (3 min): its member has died, or can't reach
/// Kafka. Members write one at least every [`MAX_HEALTH_INTERVAL_MS`].
pub const MAX_HEALTH_AGE_MS: i64 = 3 * MAX_HEALTH_INTERVAL_MS;
/// Longest time between two records of a member that is well, in milliseconds (1 min).
pub const MAX_HEALTH_INTERVAL_MS: i64 = 60_000;

/// A record of the provider-health topic: how one provider's calls fare at one member of the connectors' fleet. The last
/// one of a member counts; a tombstone says that the member has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderHealth {
    /// The provider.
    pub provider: String,
    /// The member, by an id that it draws at its start.
    pub member: String,
    /// When this was measured, in milliseconds since 1970.
    pub measured_at: i64,
    /// How far back `successes`, `failures` and `latency` go, in seconds.
    pub window_seconds: u32,
    /// Calls that the provider took.
    pub successes: u64,
    /// Calls that failed, those that were made again included.
    pub failures: u64,
    /// How long the calls took, failed ones included.
    pub latency: LatencyHistogram,
    /// Failed calls since the last one that the provider took.
    pub consecutive_failures: u64,
    /// When the last call ended, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_request_at: Option<i64>,
    /// The last failure, however long ago.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_error: Option<CallFailure>,
    /// Dispatches taken whose result is not written yet.
    pub in_flight: u64,
    /// Offsets of the dispatch topic that are not complete on the member's partitions, those in flight included; absent
    /// until they were looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lag: Option<u64>,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFailure {
    /// One of [`error_code`](crate::error_code).
    pub code: String,
    /// What happened, for people; never a secret. The rest of a long one is cut off.
    pub message: String,
    /// When it ended, in milliseconds since 1970.
    pub at: i64,
}

impl ProviderHealth {
    /// The record's key: `<provider>/<member>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.provider, self.member)
    }

    /// Whether it still says something at `now`, in milliseconds since 1970. One from the future is as bad as an old one:
    /// its member's clock is wrong, and it would never grow old.
    #[must_use]
    pub fn is_fresh(&self, now: i64) -> bool {
        now.abs_diff(self.measured_at) <= MAX_HEALTH_AGE_MS.unsigned_abs()
    }

    /// Dispatches that wait or are under way. Those in flight are a part of the lag, which was looked at earlier.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.lag.unwrap_or(0).max(self.in_flight)
    }

    /// Decodes a record's value.
    ///
    /// # Errors
    /// The value is empty, too large, too deep, not JSON or of another shape, or it names no provider or member.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        check_size(value)?;
        check_depth(value)?;
        let health: Self = serde_json::from_slice(value)?;
        check_name("provider", &health.provider, MAX_NAME_BYTES)?;
        check_name("member", &health.member, MAX_NAME_BYTES)?;
        Ok(health)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"provider":"p","member":"m","measured_at":1000000,"window_seconds":900,"successes":1,
        "failures":0,"latency":{"sum_us":5,"max_us":5,"buckets":[{"le_us":5,"count":1}]},"consecutive_failures":0,
        "in_flight":3}"#;

    #[test]
    fn a_record_grows_old() {
        let health = ProviderHealth::decode(MINIMAL.as_bytes()).unwrap();
        assert_eq!(health.key(), "p/m");
        let cases = [
            (1_000_000, true),
            (1_180_000, true),
            (1_180_001, false),
            (820_000, true),
            (819_999, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ];
        for (now, is_fresh) in cases {
            assert_eq!(health.is_fresh(now), is_fresh, "{now}");
        }
    }

    #[test]
    fn what_is_in_flight_is_a_part_of_the_lag() {
        let health = ProviderHealth::decode(MINIMAL.as_bytes()).unwrap();
        for (lag, backlog) in [(None, 3), (Some(0), 3), (Some(3), 3), (Some(8), 8)] {
            assert_eq!(ProviderHealth { lag, ..health.clone() }.backlog(), backlog, "{lag:?}");
        }
    }

    #[test]
    fn a_bad_record_is_refused() {
        let without = |part: &str, other: &str| MINIMAL.replace(part, other);
        let cases = [
            (String::new(), "EMPTY"),
            ("[]".to_owned(), "INVALID_JSON"),
            (without(r#""provider":"p""#, r#""provider":"""#), "INVALID_FIELD"),
            (without(r#""member":"m""#, r#""member":"""#), "INVALID_FIELD"),
            (without(r#""count":1"#, r#""count":-1"#), "INVALID_JSON"),
        ];
        for (value, code) in cases {
            assert_eq!(ProviderHealth::decode(value.as_bytes()).unwrap_err().kind.code(), code, "{value}");
        }
    }
}
