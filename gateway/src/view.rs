//! Views: tables that a gateway keeps for itself by following the log, so that it answers questions without asking a worker,
//! and any number of gateways can run. A view that is lost is made again from the log.

pub mod audit;
pub(crate) mod groups;
pub mod health;
mod progress;
pub(crate) mod table;

pub use progress::Progress;

use crate::Component;
use acteon_topology::{KafkaConfig, Names};
use groups::Groups;
use health::Health;
use table::TableView;

/// The tables that a gateway keeps in memory.
pub(crate) struct Tables {
    pub(crate) groups: TableView<Groups>,
    pub(crate) health: TableView<Health>,
}

impl Tables {
    /// Starts to keep them.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(kafka: &KafkaConfig, names: &Names) -> std::io::Result<Self> {
        Ok(Self { groups: groups::start(kafka, names)?, health: health::start(kafka, names)? })
    }

    /// How they are doing, for `/ready`.
    pub(crate) fn components(&self) -> [Component; 2] {
        [self.groups.component(), self.health.component()]
    }
}
