use crate::{Client, Error};
use futures::Stream;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most records of a page.
pub const MAX_PAGE: u32 = 1_000;

/// Which audit records are meant; all that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Scope.
    pub namespace: Option<String>,
    /// Scope.
    pub tenant: Option<String>,
    /// The provider that received the action.
    pub provider: Option<String>,
    /// The action's type.
    pub action_type: Option<String>,
    /// What became of it: `executed`, `suppressed`, …
    pub outcome: Option<String>,
    /// What the rules said: `allow`, `deny`, …
    pub verdict: Option<String>,
    /// The rule that decided.
    pub matched_rule: Option<String>,
    /// The chain that it belongs to.
    pub chain_id: Option<String>,
    /// Who sent it, as its `caller_id` says.
    pub caller_id: Option<String>,
    /// Who signed it, as its `signer_id` says.
    pub signer_id: Option<String>,
    /// The key that signed it, as its `kid` says.
    pub kid: Option<String>,
    /// Not decided before this (RFC 3339).
    pub from: Option<String>,
    /// Not decided after this (RFC 3339).
    pub to: Option<String>,
    /// Records of a page, at most [`MAX_PAGE`].
    pub limit: Option<u32>,
}

/// An audit record: what was decided about an action, and what became of it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct AuditRecord {
    /// The record's id.
    pub id: String,
    /// The action's id.
    pub action_id: String,
    /// Scope.
    pub namespace: String,
    /// Scope.
    pub tenant: String,
    /// The provider that received it or would have.
    pub provider: String,
    /// The action's type.
    pub action_type: String,
    /// What the rules said.
    pub verdict: String,
    /// The rule that decided.
    pub matched_rule: Option<String>,
    /// What became of it so far.
    pub outcome: String,
    /// When it was decided (RFC 3339).
    pub dispatched_at: String,
    /// From decision to outcome, in milliseconds.
    pub duration_ms: Option<i64>,
    /// All else, as it came.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A page of audit records, the newest first.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditPage {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// How many there are on all pages, where the gateway has counted them.
    pub total: Option<u64>,
    /// Where the next page begins; none on the last one.
    pub next_cursor: Option<String>,
}

/// What came of one replay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Replayed {
    /// The action that was sent again.
    pub original_action_id: String,
    /// The action that it was sent as.
    pub new_action_id: Option<String>,
    /// Whether it is written.
    pub success: bool,
    /// Why not.
    pub error: Option<String>,
}

/// What came of many.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct AllReplayed {
    /// Actions sent again.
    pub replayed: usize,
    /// Actions that could not be sent.
    pub failed: usize,
    /// Records that tell of no action that could be sent.
    pub skipped: usize,
    /// Each of them.
    pub results: Vec<Replayed>,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl AuditQuery {
    fn pairs(&self, cursor: Option<&str>) -> Vec<(&'static str, String)> {
        let limit = self.limit.map(|limit| limit.to_string());
        let cursor = cursor.map(str::to_owned);
        let fields = [
            ("namespace", &self.namespace),
            ("tenant", &self.tenant),
            ("provider", &self.provider),
            ("action_type", &self.action_type),
            ("outcome", &self.outcome),
            ("verdict", &self.verdict),
            ("matched_rule", &self.matched_rule),
            ("chain_id", &self.chain_id),
            ("caller_id", &self.caller_id),
            ("signer_id", &self.signer_id),
            ("kid", &self.kid),
            ("from", &self.from),
            ("to", &self.to),
            ("limit", &limit),
            ("cursor", &cursor),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// Where a walk through pages is.
enum Walk {
    /// Before a page, which begins at the cursor.
    Page(Option<String>),
    /// In one: what is left of it, the last first.
    Records(Vec<AuditRecord>, Option<String>),
    End,
}

impl Client {
    /// A page of audit records, the newest first; `cursor` is the `next_cursor` of the page before.
    ///
    /// # Errors
    /// The query is refused, or nobody answers.
    pub async fn query_audit(&self, query: &AuditQuery, cursor: Option<&str>) -> Result<AuditPage, Error> {
        self.get(&["v1", "audit"], &query.pairs(cursor)).await
    }

    /// All audit records of a query, the newest first, read page by page. It ends behind the last one or an error.
    pub fn audit_records(&self, query: AuditQuery) -> impl Stream<Item = Result<AuditRecord, Error>> + use<> {
        let client = self.clone();
        futures::stream::unfold(Walk::Page(None), move |mut walk| {
            let (client, query) = (client.clone(), query.clone());
            async move {
                loop {
                    walk = match walk {
                        Walk::End => return None,
                        Walk::Page(cursor) => match client.query_audit(&query, cursor.as_deref()).await {
                            Ok(page) => {
                                let mut records = page.records;
                                records.reverse();
                                Walk::Records(records, page.next_cursor)
                            }
                            Err(error) => return Some((Err(error), Walk::End)),
                        },
                        Walk::Records(mut records, next) => match (records.pop(), next) {
                            (Some(record), next) => return Some((Ok(record), Walk::Records(records, next))),
                            (None, Some(cursor)) => Walk::Page(Some(cursor)),
                            (None, None) => Walk::End,
                        },
                    };
                }
            }
        })
    }

    /// The newest audit record of an action.
    ///
    /// # Errors
    /// There is none, or nobody answers.
    pub async fn audit_record(&self, action_id: &str) -> Result<AuditRecord, Error> {
        self.get(&["v1", "audit", action_id], &[]).await
    }

    /// Sends an action again, made from its audit record, with a new id. Not repeated by itself: each attempt would be
    /// another action.
    ///
    /// # Errors
    /// There is no record with a payload, or nobody answers.
    pub async fn replay(&self, action_id: &str) -> Result<Replayed, Error> {
        self.once().ask(Method::POST, &["v1", "audit", action_id, "replay"], &[], None).await
    }

    /// The same for all actions of a page.
    ///
    /// # Errors
    /// The query is refused, or nobody answers.
    pub async fn replay_all(&self, query: &AuditQuery, cursor: Option<&str>) -> Result<AllReplayed, Error> {
        self.once().ask(Method::POST, &["v1", "audit", "replay"], &query.pairs(cursor), None).await
    }
}
