//! What all providers share that speak HTTP: one client, one way to read an answer, the same limits.

mod answer;
mod client;
mod direct;
mod guard;
mod settings;
mod status;

#[cfg(test)]
pub(crate) use answer::Failure;
pub use answer::MAX_RESPONSE_BYTES;
pub(crate) use answer::{Answer, Response};
pub(crate) use client::{Client, OWN_HEADERS};
pub use settings::HttpSettings;
pub(crate) use settings::{header_value, public_url};
#[cfg(feature = "aws")]
pub(crate) use status::retry_after;
pub(crate) use status::{Verdict, classify};
