use crate::backoff::BackoffPolicy;
use crate::egress::EgressPolicy;
use crate::error::Error;
use crate::profile::TemplateLibrary;
use crate::provider::ProviderSettings;
use crate::rate;
use acteon_schemas::{LongRetryDefinition, MAX_HEALTH_INTERVAL_MS, MAX_RECORD_BYTES};
use acteon_topology::{KafkaConfig, Names};
use std::collections::BTreeSet;
use std::time::Duration;

/// Most providers in one fleet; each has a thread and a consumer of its own.
pub const MAX_PROVIDERS: usize = 256;
/// Most attempts that can be configured as `max_retries`; more belongs in the processor, as a timer.
pub const MAX_RETRIES: u32 = 100;
/// Most long retries that can be configured as `long_retry.max_retries`.
pub const MAX_LONG_RETRIES: u32 = 100;
/// Longest wait that can be configured in `long_retry` (7 days).
pub const MAX_LONG_RETRY_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest time that can be configured for one call.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Longest time that can be configured between two looks at how providers' calls fare: what readers rely on.
pub const MAX_HEALTH_INTERVAL: Duration = Duration::from_millis(MAX_HEALTH_INTERVAL_MS.unsigned_abs());
/// Largest count or number of bytes that can be configured as a limit.
pub const MAX_LIMIT: usize = 1 << 30;

/// What a fleet of connectors is started with.
#[derive(Debug, Clone)]
pub struct ConnectorsConfig {
    /// How to reach Kafka.
    pub kafka: KafkaConfig,
    /// The topics' names. Their prefix also begins the consumer groups' names, `<prefix>.connectors.<provider>`: one
    /// group a provider, so that a slow one holds up no other.
    pub names: Names,
    /// The providers to serve; their names are unique.
    pub providers: Vec<ProviderConfig>,
    /// Limits of every provider that has none of its own.
    pub limits: DeliveryLimits,
    /// Where requests may go.
    pub egress: EgressPolicy,
    /// The templates and profiles that payloads are made with.
    pub templates: TemplateLibrary,
    /// Whether providers may run programs of this machine: type `exec`.
    pub allow_exec: bool,
    /// Time between two looks at how providers' calls fare, for their gauges and the provider-health topic; at most
    /// [`MAX_HEALTH_INTERVAL`].
    pub health_interval: Duration,
}

impl ConnectorsConfig {
    /// Checks everything that can be told without a connection.
    ///
    /// # Errors
    /// [`Error::Provider`] or [`Error::Config`] with the key at fault.
    pub fn validate(&self) -> Result<(), Error> {
        self.limits.validate()?;
        if self.providers.len() > MAX_PROVIDERS {
            let problem = format!("has {} entries; the limit is {MAX_PROVIDERS}", self.providers.len());
            return Err(Error::Config { key: "providers", problem });
        }
        if self.health_interval.is_zero() || self.health_interval > MAX_HEALTH_INTERVAL {
            let problem =
                format!("is {:?}; it must be over 0 and at most {MAX_HEALTH_INTERVAL:?}", self.health_interval);
            return Err(Error::Config { key: "health_interval", problem });
        }
        self.templates.validate()?;
        let mut seen = BTreeSet::new();
        for provider in &self.providers {
            provider.validate()?;
            self.templates.check_profile(provider)?;
            provider.check_allowed(self.allow_exec)?;
            if !seen.insert(&provider.name) {
                return Err(Error::provider(&provider.name, "name", "is given twice; names tell providers apart"));
            }
        }
        Ok(())
    }
}

/// One provider: its configured name is its identity, so two of one type coexist.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Configured name, part of its dispatch topic's name.
    pub name: String,
    /// Its type and what that needs.
    pub settings: ProviderSettings,
    /// Whether dispatches with the same record key run one after the other, in order. Those with different keys still
    /// run side by side, and one without a key waits for none. Where a partition changes hands, the old member's last
    /// call may overlap the new member's first.
    pub ordered: bool,
    /// Instead of [`DeliveryLimits::max_retries`].
    pub max_retries: Option<u32>,
    /// Instead of [`DeliveryLimits::timeout`].
    pub timeout: Option<Duration>,
    /// Instead of [`DeliveryLimits::max_concurrent`].
    pub max_concurrent: Option<usize>,
    /// Most calls a second of the whole fleet; no limit where absent. Each member makes its share, by its share of the
    /// dispatch topic's partitions.
    pub rate_per_second: Option<f64>,
    /// The profile that makes the payload of a dispatch whose action names none.
    pub profile: Option<String>,
    /// How the processor has a dispatch made again that was given up here; none where absent.
    pub long_retry: Option<LongRetryDefinition>,
}

impl ProviderConfig {
    /// A provider with the fleet's limits and no order.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: ProviderSettings) -> Self {
        Self {
            name: name.into(),
            settings,
            ordered: false,
            max_retries: None,
            timeout: None,
            max_concurrent: None,
            rate_per_second: None,
            profile: None,
            long_retry: None,
        }
    }

    /// Checks the name, the settings and the limits.
    ///
    /// # Errors
    /// [`Error::Provider`] with this provider's name and the key at fault.
    pub fn validate(&self) -> Result<(), Error> {
        Names::check_provider(&self.name).map_err(|error| Error::provider(&self.name, "name", error.to_string()))?;
        self.settings.validate(&self.name)?;
        if let Some(rate) = self.rate_per_second
            && !(rate::MIN_RATE..=rate::MAX_RATE).contains(&rate)
        {
            let problem = format!("is {rate}; it must be from {} to {}", rate::MIN_RATE, rate::MAX_RATE);
            return Err(Error::provider(&self.name, "rate_per_second", problem));
        }
        self.check_long_retry()?;
        self.limits(&DeliveryLimits::default()).validate().map_err(|error| match error {
            Error::Config { key, problem } => Error::provider(&self.name, key, problem),
            other => other,
        })
    }

    fn check_long_retry(&self) -> Result<(), Error> {
        let Some(LongRetryDefinition { max_retries, initial_ms, max_ms }) = self.long_retry else { return Ok(()) };
        let bad = |key: &str, problem: String| Err(Error::provider(&self.name, format!("long_retry.{key}"), problem));
        if !(1..=MAX_LONG_RETRIES).contains(&max_retries) {
            return bad("max_retries", format!("is {max_retries}; it must be from 1 to {MAX_LONG_RETRIES}"));
        }
        let most = MAX_LONG_RETRY_WAIT.as_secs();
        for (key, ms) in [("initial_seconds", initial_ms), ("max_seconds", max_ms)] {
            if ms == 0 || Duration::from_millis(ms) > MAX_LONG_RETRY_WAIT {
                return bad(key, format!("is {}; it must be from 1 to {most}", ms / 1000));
            }
        }
        if max_ms < initial_ms {
            let problem = format!("is {}, less than `initial_seconds`, which is {}", max_ms / 1000, initial_ms / 1000);
            return bad("max_seconds", problem);
        }
        Ok(())
    }

    /// Refuses a type that must be allowed first. Whoever may write the configuration could otherwise run programs
    /// where only providers were meant.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key `type`.
    pub fn check_allowed(&self, allow_exec: bool) -> Result<(), Error> {
        if allow_exec || !matches!(self.settings, ProviderSettings::Exec(_)) {
            return Ok(());
        }
        let problem = "is `exec`, which runs programs of this machine; to allow that, set `allow_exec = true` under \
                       [connectors]";
        Err(Error::provider(&self.name, "type", problem))
    }

    /// The limits of this provider: its own, and `shared` for the rest.
    #[must_use]
    pub fn limits(&self, shared: &DeliveryLimits) -> DeliveryLimits {
        DeliveryLimits {
            max_retries: self.max_retries.unwrap_or(shared.max_retries),
            timeout: self.timeout.unwrap_or(shared.timeout),
            max_concurrent: self.max_concurrent.unwrap_or(shared.max_concurrent),
            hands_back: self.long_retry.is_some(),
            ..shared.clone()
        }
    }
}

/// The limits on what one provider's connector does at a time and how often it tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// Calls after the first one, before a dispatch counts as failed.
    pub max_retries: u32,
    /// Longest time of one call.
    pub timeout: Duration,
    /// Calls under way at the same time. A dispatch that waits to be tried again isn't one.
    pub max_concurrent: usize,
    /// Dispatches taken and not complete, those that wait to be tried again included; reading pauses above it.
    pub max_in_flight: usize,
    /// The same in bytes of their records.
    pub max_in_flight_bytes: usize,
    /// Dispatches of one partition behind its oldest incomplete one: what a crash can bring again. The partition pauses
    /// above it.
    pub max_uncommitted: usize,
    /// Longest wait after the first failed call; doubles with each further one.
    pub backoff_initial: Duration,
    /// Longest wait between two calls.
    pub backoff_max: Duration,
    /// Longest wait that a provider's `Retry-After` is followed for; a longer one is cut to this.
    pub retry_after_max: Duration,
    /// Whether a dispatch whose provider asks for a longer wait than that is given up at once, since the processor makes
    /// it again: where the provider has a long retry.
    pub hands_back: bool,
    /// Time between two commits of offsets.
    pub commit_interval: Duration,
}

impl Default for DeliveryLimits {
    fn default() -> Self {
        Self {
            max_retries: 3,
            timeout: Duration::from_secs(30),
            max_concurrent: 100,
            max_in_flight: 1_000,
            max_in_flight_bytes: 32 * MAX_RECORD_BYTES,
            max_uncommitted: 10_000,
            backoff_initial: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            retry_after_max: Duration::from_secs(60),
            hands_back: false,
            commit_interval: Duration::from_millis(500),
        }
    }
}

impl DeliveryLimits {
    /// Refuses limits under which nothing would move.
    ///
    /// # Errors
    /// [`Error::Config`] with the key at fault.
    pub fn validate(&self) -> Result<(), Error> {
        let bad = |key, problem: &str| Err(Error::Config { key, problem: problem.to_owned() });
        if self.max_retries > MAX_RETRIES {
            return bad("max_retries", &format!("is {}; the limit is {MAX_RETRIES}", self.max_retries));
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            return bad("timeout", &format!("is {:?}; it must be over 0 and at most {MAX_TIMEOUT:?}", self.timeout));
        }
        for (key, value) in [
            ("max_concurrent", self.max_concurrent),
            ("max_in_flight", self.max_in_flight),
            ("max_in_flight_bytes", self.max_in_flight_bytes),
            ("max_uncommitted", self.max_uncommitted),
        ] {
            if value == 0 || value > MAX_LIMIT {
                return bad(key, &format!("is {value}; it must be from 1 to {MAX_LIMIT}"));
            }
        }
        if self.commit_interval.is_zero() {
            return bad("commit_interval", "is 0; it must be over 0");
        }
        Ok(())
    }

    /// The waits between calls.
    pub(crate) fn backoff(&self) -> BackoffPolicy {
        BackoffPolicy { initial: self.backoff_initial, max: self.backoff_max, retry_after_max: self.retry_after_max }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::provider::exec::ExecSettings;
    use crate::provider::log::LogSettings;
    use crate::provider::webhook::WebhookSettings;
    use std::collections::BTreeMap;

    fn webhook(name: &str, url: &str) -> ProviderConfig {
        ProviderConfig::new(name, ProviderSettings::Webhook(WebhookSettings::new(url)))
    }

    fn config(providers: Vec<ProviderConfig>) -> ConnectorsConfig {
        ConnectorsConfig {
            kafka: KafkaConfig::new("127.0.0.1:1"),
            names: Names::new("acteon").unwrap(),
            providers,
            limits: DeliveryLimits::default(),
            egress: EgressPolicy::default(),
            templates: TemplateLibrary::default(),
            allow_exec: false,
            health_interval: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_good_one_passes() {
        let two_of_a_type = vec![
            ProviderConfig::new("audit-log", ProviderSettings::Log(LogSettings {})),
            webhook("orders", "https://example.com/orders"),
            webhook("alerts", "http://127.0.0.1:8080/alerts?x=1"),
        ];
        config(two_of_a_type).validate().unwrap();
        config(Vec::new()).validate().unwrap();
    }

    #[test]
    fn a_bad_one_is_refused_with_provider_and_key() {
        let limited = |change: fn(&mut ProviderConfig)| {
            let mut provider = webhook("hook", "http://localhost/");
            change(&mut provider);
            vec![provider]
        };
        let cases: [(Vec<ProviderConfig>, &[&str]); 15] = [
            (vec![webhook("", "http://localhost/")], &["`name`", "is empty"]),
            (vec![webhook("a b", "http://localhost/")], &["provider `a b`", "`name`", "' '"]),
            (vec![webhook("hook", "not a url")], &["provider `hook`", "`url`"]),
            (vec![webhook("a", "http://x/"), webhook("a", "http://y/")], &["provider `a`", "`name`", "twice"]),
            (limited(|p| p.max_concurrent = Some(0)), &["provider `hook`", "`max_concurrent`", "from 1 to"]),
            (limited(|p| p.max_concurrent = Some(usize::MAX)), &["provider `hook`", "`max_concurrent`"]),
            (limited(|p| p.timeout = Some(Duration::ZERO)), &["provider `hook`", "`timeout`", "over 0"]),
            (limited(|p| p.rate_per_second = Some(0.0)), &["provider `hook`", "`rate_per_second`", "0.001"]),
            (limited(|p| p.rate_per_second = Some(f64::NAN)), &["provider `hook`", "`rate_per_second`", "NaN"]),
            (limited(|p| p.profile = Some("x".into())), &["provider `hook`", "`profile`", "no profile"]),
            (
                limited(|p| p.long_retry = Some(LongRetryDefinition { max_retries: 0, initial_ms: 1, max_ms: 1 })),
                &["provider `hook`", "`long_retry.max_retries`", "from 1 to 100"],
            ),
            (
                limited(|p| p.long_retry = Some(LongRetryDefinition { max_retries: 1, initial_ms: 0, max_ms: 1 })),
                &["`long_retry.initial_seconds`", "from 1 to 604800"],
            ),
            (
                limited(|p| {
                    p.long_retry = Some(LongRetryDefinition { max_retries: 1, initial_ms: 1, max_ms: u64::MAX });
                }),
                &["`long_retry.max_seconds`", "from 1 to 604800"],
            ),
            (
                limited(|p| {
                    p.long_retry = Some(LongRetryDefinition { max_retries: 1, initial_ms: 9_000, max_ms: 8_000 });
                }),
                &["`long_retry.max_seconds`", "is 8, less than `initial_seconds`, which is 9"],
            ),
            (limited(|p| p.max_retries = Some(101)), &["provider `hook`", "`max_retries`", "100"]),
        ];
        for (providers, parts) in cases {
            let message = config(providers).validate().unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{message} lacks {part}");
            }
        }
    }

    #[test]
    fn health_is_looked_at_often_enough_for_its_readers() {
        for (interval, is_good) in [(0, false), (1, true), (60_000, true), (60_001, false)] {
            let config = ConnectorsConfig { health_interval: Duration::from_millis(interval), ..config(Vec::new()) };
            match config.validate() {
                Ok(()) => assert!(is_good, "{interval} ms"),
                Err(error) => assert!(!is_good && error.to_string().contains("`health_interval`"), "{error}"),
            }
        }
    }

    #[test]
    fn programs_run_only_where_that_is_allowed() {
        let settings =
            ExecSettings { command: vec!["/bin/true".into()], working_directory: None, env: BTreeMap::new() };
        let mut config = config(vec![ProviderConfig::new("run", ProviderSettings::Exec(settings))]);
        let message = config.validate().unwrap_err().to_string();
        for part in ["provider `run`", "`type`", "allow_exec = true", "[connectors]"] {
            assert!(message.contains(part), "{message} lacks {part}");
        }
        config.allow_exec = true;
        config.validate().unwrap();
    }

    #[test]
    fn a_provider_s_own_limits_go_first() {
        let shared = DeliveryLimits { max_in_flight: 7, ..DeliveryLimits::default() };
        let mut provider = webhook("hook", "http://localhost/");
        provider.max_retries = Some(0);
        let limits = provider.limits(&shared);
        assert_eq!((limits.max_retries, limits.max_concurrent, limits.max_in_flight), (0, 100, 7));
    }
}
