//! The decision core against golden files, and its promises: the same inputs give the same bytes, a corrupt store is an
//! error, a refused action leaves no trace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod driver;
mod golden;
mod groups;
mod groups_lasting;
mod groups_model;
mod pace;
mod promises;
mod quotas;
