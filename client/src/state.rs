//! A tenant's events, groups, approvals and chains.

use crate::{Client, Error};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// An event of a state machine.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Event {
    /// What it is known by.
    pub fingerprint: String,
    /// The state that it is in.
    pub state: String,
    /// All else, as it came.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// An event that changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Moved {
    /// The event.
    pub fingerprint: String,
    /// The state before.
    pub previous_state: Option<String>,
    /// The state now.
    pub new_state: String,
    /// Whether a provider is told of it.
    pub notify: bool,
}

/// A group that waits to be notified of.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Group {
    /// Its id.
    pub group_id: String,
    /// The values that its events share.
    pub group_key: String,
    /// How many there are.
    pub event_count: u64,
    /// All else, as it came.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A group that was notified of at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Flushed {
    /// Its id.
    pub group_id: String,
    /// How many events it had.
    pub event_count: u64,
    /// Whether a provider is told.
    pub notified: bool,
}

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Approval {
    /// What it is decided by.
    pub token: String,
    /// `pending`, `approved`, `rejected` or `expired`.
    pub status: String,
    /// All else, as it came.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A decision about one.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Decided {
    /// The request.
    pub id: String,
    /// `approved` or `rejected`.
    pub status: String,
    /// All else, as it came.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A chain of steps.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Chain {
    /// Its id.
    pub chain_id: String,
    /// Its definition's name.
    pub chain_name: String,
    /// `running`, `completed`, `failed`, …
    pub status: String,
    /// All else, as it came: its steps where one chain was asked for.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Whose state it is, and of which status.
fn scope(namespace: &str, tenant: &str, status: Option<&str>) -> Vec<(&'static str, String)> {
    let pairs = [("namespace", Some(namespace)), ("tenant", Some(tenant)), ("status", status)];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect()
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Approvals {
    approvals: Vec<Approval>,
}

#[derive(Deserialize)]
struct Chains {
    chains: Vec<Chain>,
}

impl Client {
    /// A tenant's events, those of one state where it is given; the first part of the list.
    ///
    /// # Errors
    /// As all questions: it is refused, or nobody answers. The same holds for what follows.
    pub async fn events(&self, namespace: &str, tenant: &str, state: Option<&str>) -> Result<Vec<Event>, Error> {
        Ok(self.get::<Events>(&["v1", "events"], &scope(namespace, tenant, state)).await?.events)
    }

    /// One event.
    ///
    /// # Errors
    /// There is none.
    pub async fn event(&self, namespace: &str, tenant: &str, fingerprint: &str) -> Result<Event, Error> {
        self.get(&["v1", "events", fingerprint], &scope(namespace, tenant, None)).await
    }

    /// Moves an event to another state.
    ///
    /// # Errors
    /// There is none, or its state machine has no such transition.
    pub async fn transition(&self, namespace: &str, tenant: &str, fingerprint: &str, to: &str) -> Result<Moved, Error> {
        let body = json!({ "namespace": namespace, "tenant": tenant, "to": to });
        // A second time it would be refused: the event is there already.
        self.once().send(Method::PUT, &["v1", "events", fingerprint, "transition"], &[], &body).await
    }

    /// A tenant's groups.
    ///
    /// # Errors
    /// As [`Client::events`].
    pub async fn groups(&self, namespace: &str, tenant: &str) -> Result<Vec<Group>, Error> {
        Ok(self.get::<Groups>(&["v1", "groups"], &scope(namespace, tenant, None)).await?.groups)
    }

    /// Notifies of a group at once.
    ///
    /// # Errors
    /// There is none.
    pub async fn flush_group(&self, namespace: &str, tenant: &str, key: &str) -> Result<Flushed, Error> {
        self.once().ask(Method::DELETE, &["v1", "groups", key], &scope(namespace, tenant, None), None).await
    }

    /// A tenant's requests for approval.
    ///
    /// # Errors
    /// As [`Client::events`].
    pub async fn approvals(&self, namespace: &str, tenant: &str, status: Option<&str>) -> Result<Vec<Approval>, Error> {
        Ok(self.get::<Approvals>(&["v1", "approvals"], &scope(namespace, tenant, status)).await?.approvals)
    }

    /// Follows the link by which a request is approved or rejected, on this client's gateway.
    ///
    /// # Errors
    /// The link is not good, or not any more; or somebody has decided already.
    pub async fn decide(&self, link: &str) -> Result<Decided, Error> {
        self.once().ask_at(Method::POST, &self.link(link)?, None).await
    }

    /// A tenant's chains.
    ///
    /// # Errors
    /// As [`Client::events`].
    pub async fn chains(&self, namespace: &str, tenant: &str, status: Option<&str>) -> Result<Vec<Chain>, Error> {
        Ok(self.get::<Chains>(&["v1", "chains"], &scope(namespace, tenant, status)).await?.chains)
    }

    /// One chain with its steps.
    ///
    /// # Errors
    /// There is none.
    pub async fn chain(&self, namespace: &str, tenant: &str, chain_id: &str) -> Result<Chain, Error> {
        self.get(&["v1", "chains", chain_id], &scope(namespace, tenant, None)).await
    }

    /// Calls a chain off.
    ///
    /// # Errors
    /// There is none, or it has ended.
    pub async fn cancel_chain(
        &self,
        namespace: &str,
        tenant: &str,
        chain_id: &str,
        reason: &str,
    ) -> Result<Chain, Error> {
        let body = json!({ "namespace": namespace, "tenant": tenant, "reason": reason });
        self.once().send(Method::POST, &["v1", "chains", chain_id, "cancel"], &[], &body).await
    }
}
