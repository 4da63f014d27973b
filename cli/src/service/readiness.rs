//! What `/ready` says: how the roles of this process are doing.

use super::Role;
use acteon_connectors::Connectors;
use acteon_gateway::{Component, Probes, Readiness, TaskReadiness};
use acteon_runtime::Processor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The roles that have started so far.
pub(super) struct Running {
    roles: Vec<Role>,
    processor: Mutex<Option<Processor>>,
    connectors: Mutex<Option<Connectors>>,
}

/// What is in there is good whatever went wrong with its last user, who only looked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    pub(super) fn new(roles: &[Role]) -> Self {
        Self { roles: roles.to_vec(), processor: Mutex::default(), connectors: Mutex::default() }
    }

    pub(super) fn set_processor(&self, processor: Processor) {
        *lock(&self.processor) = Some(processor);
    }

    pub(super) fn set_connectors(&self, connectors: Connectors) {
        *lock(&self.connectors) = Some(connectors);
    }

    pub(super) fn take_processor(&self) -> Option<Processor> {
        lock(&self.processor).take()
    }

    pub(super) fn take_connectors(&self) -> Option<Connectors> {
        lock(&self.connectors).take()
    }

    /// Why a role has failed for good, if one has.
    pub(super) fn failed(&self) -> Option<String> {
        lock(&self.processor).as_ref().and_then(Processor::failed)
    }

    pub(super) fn probes(self: &Arc<Self>) -> Probes {
        let running = Arc::clone(self);
        Probes { readiness: Arc::new(move || running.readiness()) }
    }

    fn readiness(&self) -> Readiness {
        let component = |role: &Role| match role {
            Role::Processor => Some(self.processor()),
            Role::Connectors => Some(self.connectors()),
            // It is the one that answers, and adds itself.
            Role::Gateway => None,
        };
        Readiness::of(self.roles.iter().filter_map(component).collect())
    }

    fn processor(&self) -> Component {
        let processor = lock(&self.processor);
        let Some(processor) = processor.as_ref() else { return not_running("processor") };
        let health = processor.health();
        Component {
            name: "processor".to_owned(),
            ready: health.ready,
            reason: health.reason,
            tasks: health
                .tasks
                .into_iter()
                .map(|task| TaskReadiness {
                    partition: task.partition,
                    state: task.state.to_owned(),
                    restored: task.restored,
                    lag: task.lag,
                })
                .collect(),
        }
    }

    fn connectors(&self) -> Component {
        let connectors = lock(&self.connectors);
        let Some(connectors) = connectors.as_ref() else { return not_running("connectors") };
        let health = connectors.health();
        let troubles: Vec<String> = health
            .iter()
            .filter_map(|provider| Some(format!("{}: {}", provider.provider, provider.kafka_trouble.as_ref()?)))
            .collect();
        let reason = match troubles.is_empty() {
            true => format!("{} running", crate::output::count(health.len(), "connector")),
            false => troubles.join("; "),
        };
        Component { name: "connectors".to_owned(), ready: troubles.is_empty(), reason, tasks: Vec::new() }
    }
}

fn not_running(name: &str) -> Component {
    Component { name: name.to_owned(), ready: false, reason: "not running".to_owned(), tasks: Vec::new() }
}
