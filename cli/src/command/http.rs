//! Commands that ask a gateway over HTTP: any machine that reaches one can run them.

pub(crate) mod audit;
pub(crate) mod dispatch;
pub(crate) mod replay;
pub(crate) mod stream;

use crate::duration;
use acteon_client::{AuditQuery, Client, DEFAULT_ENDPOINT};
use anyhow::{Context as _, Result};
use clap::Args;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Builder;

/// Where a gateway is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Endpoint {
    /// The gateway's address
    #[arg(long, env = "ACTEON_ENDPOINT", default_value = DEFAULT_ENDPOINT, value_name = "URL")]
    endpoint: String,
    /// Give up when an answer takes longer than this
    #[arg(long, default_value = "110s", value_parser = duration::parse, value_name = "TIME")]
    timeout: Duration,
}

impl Endpoint {
    fn client(&self) -> Result<Client> {
        Ok(Client::builder(&self.endpoint).timeout(self.timeout).build()?)
    }
}

/// Which audit records are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Filter {
    /// Those of this namespace
    #[arg(long, env = "ACTEON_NAMESPACE")]
    namespace: Option<String>,
    /// Those of this tenant
    #[arg(long, env = "ACTEON_TENANT")]
    tenant: Option<String>,
    /// Those that this provider received
    #[arg(long)]
    provider: Option<String>,
    /// Those of this type
    #[arg(long)]
    action_type: Option<String>,
    /// Those that ended so: executed, suppressed, failed, …
    #[arg(long)]
    outcome: Option<String>,
    /// Those of which the rules said so: allow, deny, reroute, …
    #[arg(long)]
    verdict: Option<String>,
    /// Those that this rule decided
    #[arg(long)]
    rule: Option<String>,
    /// Those of this chain
    #[arg(long, value_name = "ID")]
    chain: Option<String>,
    /// Those of this sender, by its caller_id
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Those that this signer signed
    #[arg(long, value_name = "SIGNER")]
    signer: Option<String>,
    /// Those that were signed with this key
    #[arg(long, value_name = "KEY ID")]
    kid: Option<String>,
    /// Not older than this, as 2026-03-02T10:00:00Z
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Not newer than this
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
}

impl Filter {
    fn query(&self, limit: u32) -> AuditQuery {
        AuditQuery {
            namespace: self.namespace.clone(),
            tenant: self.tenant.clone(),
            provider: self.provider.clone(),
            action_type: self.action_type.clone(),
            outcome: self.outcome.clone(),
            verdict: self.verdict.clone(),
            matched_rule: self.rule.clone(),
            chain_id: self.chain.clone(),
            caller_id: self.caller.clone(),
            signer_id: self.signer.clone(),
            kid: self.kid.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            limit: Some(limit),
        }
    }
}

/// Runs what waits for answers.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    Builder::new_current_thread().enable_all().build().context("no thread for HTTP")?.block_on(work)
}
