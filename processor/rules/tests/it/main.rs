//! The rule language through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod diagnostics;
mod lint;
mod robustness;
mod scaling;
mod scenarios;
mod starter;
mod support;
mod trace;
mod walk;
