//! What all providers share that speak HTTP: one client, one way to read an answer, the same limits.

mod answer;
mod client;
mod settings;
mod status;

pub use answer::MAX_RESPONSE_BYTES;
pub(crate) use answer::{Answer, Failure, Response};
pub(crate) use client::{Client, OWN_HEADERS};
pub use settings::HttpSettings;
pub(crate) use settings::{header_value, public_url};
pub(crate) use status::{Verdict, classify};
