//! The rule language through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod counters;
mod diagnostics;
mod lint;
mod modify;
mod robustness;
mod routes;
mod scaling;
mod scenarios;
mod starter;
mod support;
mod trace;
mod walk;
