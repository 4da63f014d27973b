use crate::Error;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Bucket bounds of every histogram whose name ends in `_seconds`: 100 µs to 30 s.
const SECONDS: [f64; 16] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 30.0];
/// Bucket bounds of every histogram whose name ends in `_bytes`: 1 KiB to 64 MiB.
const BYTES: [f64; 9] =
    [1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];
/// Bucket bounds of every other histogram, which counts things (records of a commit, attempts of a call).
const COUNTS: [f64; 10] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0];

/// The process's metrics registry. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Makes the registry the process-wide recorder of the `metrics` crate. Call it before anything is counted:
    /// what was counted earlier is lost.
    ///
    /// # Errors
    /// The process has a recorder already.
    pub fn install() -> Result<Self, Error> {
        let recorder = recorder()?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(BuildError::FailedToSetGlobalRecorder)?;
        Ok(Self(handle))
    }

    /// All metrics as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds recorded histogram samples into their buckets, so that they don't pile up while nobody asks.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }

    #[cfg(test)]
    pub(crate) fn of(recorder: &PrometheusRecorder) -> Self {
        Self(recorder.handle())
    }
}

/// A recorder with the buckets of this product.
pub(crate) fn recorder() -> Result<PrometheusRecorder, Error> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)?
        .set_buckets(&COUNTS)?
        .build_recorder())
}
