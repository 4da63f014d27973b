use crate::backoff::{BackoffPolicy, retry_delay};
use crate::circuit::Circuit;
use crate::clock;
use crate::config::DeliveryLimits;
use crate::health::{Moment, Monitor};
use crate::kafka::lock;
use crate::metrics::Meters;
use crate::provider::{Call, Outcome, Provider, code};
use crate::rate::Bucket;
use acteon_schemas::{ProviderError, ResultStatus};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The end of a dispatch.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) result: ResultStatus<'static>,
    /// Calls made.
    pub(crate) attempts: u32,
    /// When the first call began, in milliseconds since 1970.
    pub(crate) started_at: i64,
    /// From the first call's start to the last one's end.
    pub(crate) duration: Duration,
}

impl Delivery {
    /// The end of a dispatch that there was no use in calling for.
    pub(crate) fn without_call(error: ProviderError<'static>) -> Self {
        let result = ResultStatus::Failed(error);
        Self { result, attempts: 0, started_at: clock::unix_ms(), duration: Duration::ZERO }
    }
}

/// Calls one provider until it has taken a dispatch or there is no point in going on.
pub(crate) struct Caller {
    provider: Arc<dyn Provider>,
    /// One permit a call under way.
    permits: Arc<Semaphore>,
    rate: Mutex<Bucket>,
    max_retries: u32,
    timeout: Duration,
    backoff: BackoffPolicy,
    circuit: Arc<Circuit>,
    hands_back: bool,
    meters: Arc<Meters>,
    monitor: Arc<Monitor>,
}

/// How often a dispatch's provider is called, where it keeps failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempts {
    /// As often as the limits say, unless its circuit opens meanwhile.
    Several,
    /// Once: the call tries an open circuit.
    One,
}

impl Caller {
    pub(crate) fn new(
        provider: Arc<dyn Provider>,
        limits: &DeliveryLimits,
        rate_per_second: Option<f64>,
        circuit: Arc<Circuit>,
        meters: Arc<Meters>,
        monitor: Arc<Monitor>,
    ) -> Self {
        Self {
            provider,
            permits: Arc::new(Semaphore::new(limits.max_concurrent)),
            rate: Mutex::new(Bucket::new(rate_per_second, clock::now())),
            max_retries: limits.max_retries,
            timeout: limits.timeout,
            backoff: limits.backoff(),
            circuit,
            hands_back: limits.hands_back,
            meters,
            monitor,
        }
    }

    /// Waits for leave to make a call; leave is given in the order in which it is asked for. `None` where `abandon` is
    /// cancelled before.
    pub(crate) async fn permit(&self, abandon: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = abandon.cancelled() => None,
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
        }
    }

    /// Whether there is a rate, of which each member has a share.
    pub(crate) fn has_rate(&self) -> bool {
        lock(&self.rate).is_limited()
    }

    /// Sets this member's share of the rate: its part of the dispatch topic's partitions.
    pub(crate) fn set_share(&self, own: usize, all: usize) {
        lock(&self.rate).set_share(clock::now(), own, all);
    }

    /// Waits until the rate allows a call; `false` where `abandon` is cancelled before.
    async fn pace(&self, abandon: &CancellationToken) -> bool {
        loop {
            let taken = lock(&self.rate).take(clock::now());
            let Err(wait) = taken else { return true };
            tokio::select! {
                biased;
                () = abandon.cancelled() => return false,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Waits for leave to make a call, where it is not given yet, and until the rate allows it. `None` where `abandon` is
    /// cancelled before.
    pub(crate) async fn turn(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        abandon: &CancellationToken,
    ) -> Option<OwnedSemaphorePermit> {
        let permit = match permit {
            Some(permit) => permit,
            None => self.permit(abandon).await?,
        };
        self.pace(abandon).await.then_some(permit)
    }

    /// The end of a dispatch whose provider is not called since its circuit is open.
    pub(crate) fn refuse(&self, provider: &str) -> Delivery {
        self.meters.circuit_refusals.increment(1);
        Delivery::without_call(ProviderError {
            code: code::CIRCUIT_OPEN.into(),
            message: format!("the circuit of `{provider}` is open: no call was made").into(),
            retryable: true,
            retry_after_ms: None,
        })
    }

    /// Makes calls until one of them settles the matter, the first one with `permit`, at once. What has failed when the
    /// circuit opens has failed for good. `None` where `abandon` was cancelled before: a call under way is still waited
    /// for, but no further one begins.
    pub(crate) async fn deliver(
        &self,
        call: Call<'_>,
        mut permit: OwnedSemaphorePermit,
        attempts: Attempts,
        abandon: &CancellationToken,
    ) -> Option<Delivery> {
        let (started, started_at) = (clock::now(), clock::unix_ms());
        let max_retries = if attempts == Attempts::One { 0 } else { self.max_retries };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.attempt(call).await;
            // Waiting to be tried again holds no permit, so that failing dispatches hold up no others.
            drop(permit);
            // A provider that wants fewer calls wants fewer from all dispatches, not only from this one.
            if let Outcome::Retry { after: Some(wait), error } = &outcome
                && error.code == code::RATE_LIMITED
            {
                lock(&self.rate).pause(clock::now(), (*wait).min(self.backoff.retry_after_max));
            }
            let end = |result| {
                let duration = clock::now().saturating_duration_since(started);
                Some(Delivery { result, attempts: attempt, started_at, duration })
            };
            let (after, error) = match outcome {
                Outcome::Delivered(response) => return end(ResultStatus::Delivered(response)),
                Outcome::Reject(error) => return end(ResultStatus::Failed(error)),
                Outcome::Retry { after, mut error } if attempt > max_retries || self.is_for_later(after) => {
                    error.retry_after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                    return end(ResultStatus::Failed(error));
                }
                Outcome::Retry { after, error } => (after, error),
            };
            let delay = retry_delay(attempt, after, &self.backoff, fastrand::f64());
            tracing::debug!(
                provider = %call.dispatch.provider,
                dispatch_id = %call.dispatch.dispatch_id,
                attempt,
                ?delay,
                code = %error.code,
                error = %error.message,
                "call failed and will be repeated"
            );
            tokio::select! {
                biased;
                () = abandon.cancelled() => return None,
                () = self.circuit.opened() => return end(ResultStatus::Failed(error)),
                () = tokio::time::sleep(delay) => {}
            }
            permit = tokio::select! {
                biased;
                () = self.circuit.opened() => return end(ResultStatus::Failed(error)),
                permit = self.turn(None, abandon) => permit?,
            };
        }
    }

    /// Whether a provider asks for a wait that is left to the processor.
    fn is_for_later(&self, after: Option<Duration>) -> bool {
        self.hands_back && after.is_some_and(|after| after > self.backoff.retry_after_max)
    }

    /// One call, with its time limit; a panic in the provider's code is that call's failure and nobody else's.
    async fn attempt(&self, call: Call<'_>) -> Outcome {
        let started = clock::now();
        self.meters.requests.increment(1);
        let guarded = AssertUnwindSafe(self.provider.call(call)).catch_unwind();
        let outcome = match tokio::time::timeout(self.timeout, guarded).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::reject(code::EXECUTION_FAILED, "the connector panicked; its log has the reason"),
            Err(_) => Outcome::retry(code::TIMEOUT, format!("no answer within {:?}", self.timeout), None),
        };
        let ended = Moment::now();
        let took = ended.instant.saturating_duration_since(started);
        self.meters.latency.record(took.as_secs_f64());
        let error = match &outcome {
            Outcome::Delivered(_) => None,
            Outcome::Retry { error, .. } | Outcome::Reject(error) => Some(error),
        };
        match error {
            None => self.meters.successes.increment(1),
            Some(_) => self.meters.failures.increment(1),
        }
        self.monitor.record(ended, took, error);
        outcome
    }
}

#[cfg(test)]
mod tests;
