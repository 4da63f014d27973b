//! Templates and profiles of a tenant, made at run time: an action's `template` that names a profile of its tenant has its
//! payload made by it when it is dispatched, here, so that no connector needs to know of it. A name that the tenant does
//! not have is passed on, for the profiles of the configuration.
//!
//! Each is an entry of its own, so that an action reads no more than the profile that it names and the templates of that.
//! Templates are compiled anew for each action: what a tenant may write is bounded (`acteon_rules::tenant`).

mod command;
mod kept;
mod render;
#[cfg(test)]
mod tests;

pub(crate) use command::command;
pub(crate) use render::{Rendered, of_action};
