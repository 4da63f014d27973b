//! A client of Acteon's HTTP API.
//!
//! ```no_run
//! # async fn send() -> Result<(), acteon_client::Error> {
//! use acteon_client::{Action, Client, Outcome};
//!
//! let client = Client::new("http://127.0.0.1:8080")?;
//! let action = Action::new("shop", "acme", "email", "welcome", &serde_json::json!({"to": "a@example.com"}));
//! match client.dispatch(&action).await? {
//!     Outcome::Executed(answer) => println!("sent: {}", answer.body),
//!     outcome => println!("{}", outcome.name()),
//! }
//! # Ok(()) }
//! ```
//!
//! A request that meets a limit, a gateway that is starting, or no gateway at all, is sent again ([`RetryPolicy`]). An action
//! has its id before it is first sent, and every attempt carries the same: a request whose answer was lost may have been
//! carried out, and a `deduplicate` rule, whose key is the id where the action has no other, lets the second one end there.

mod action;
mod audit;
mod client;
mod dispatch;
mod error;
mod outcome;
mod retry;
mod sse;
mod state;
mod stream;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use audit::{AllReplayed, AuditPage, AuditQuery, AuditRecord, MAX_PAGE, Replayed};
pub use client::{Client, ClientBuilder, DEFAULT_ENDPOINT, MAX_ANSWER_BYTES};
pub use dispatch::{BatchItem, MAX_BATCH};
pub use error::{ApiError, Error};
pub use outcome::{Outcome, ProviderResponse, RetryAfter};
pub use retry::{MAX_RETRIES, MAX_RETRY_AFTER, RetryPolicy};
pub use sse::MAX_EVENT_BYTES;
pub use state::{Approval, Chain, Decided, Event, Flushed, Group, Moved};
pub use stream::{StreamEvent, StreamFilter};
