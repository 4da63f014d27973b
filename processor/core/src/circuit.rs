//! Circuit breakers: a provider whose calls keep failing is not called for a while, and its fallback is instead.
//!
//! One task keeps the circuit of a provider: that of [`CIRCUITS_NAMESPACE`] and the provider's name. It counts what all
//! tasks report to it (`keeper`), and tells all of them by a definition how the circuit stands. They choose the provider of
//! a call by that (`route`).

mod keeper;
mod machine;
mod report;
mod route;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use acteon_schemas::error_code::CIRCUIT_OPEN;
pub(crate) use keeper::{command, take_report};
pub(crate) use report::{is_open_failure, pass_on, report};
pub(crate) use route::{Route, choose, refuse, route};
pub use table::{Circuits, MAX_FALLBACKS, check_circuits};

/// Why a call was not made, for people: the provider and its fallbacks, in their order.
pub(crate) fn message<T: AsRef<str>>(passed_over: &[T]) -> String {
    let names = |all: &[T]| all.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ");
    match passed_over.split_first() {
        Some((_, [])) | None => format!("the circuit of {} is open", names(passed_over)),
        Some((first, others)) => {
            format!("the circuit of `{}` is open, and so are those of its fallbacks {}", first.as_ref(), names(others))
        }
    }
}
