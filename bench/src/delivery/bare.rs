//! The same requests by the HTTP client alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};

use super::records;
use super::server::Server;

/// Threads of the client, as many as the connectors have for calls.
const THREADS: usize = 2;

/// Sends `count` requests to `path`, `concurrent` at a time; returns how many a second.
pub(super) fn run(server: &Server, path: &str, count: u32, concurrent: usize) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}{path}", server.url());
    let (left, body) = (Arc::new(AtomicU32::new(count)), records::action()?);
    server.reset();
    runtime.block_on(async {
        let loops: Vec<_> = (0..concurrent)
            .map(|_| {
                let (client, url, body, left) = (client.clone(), url.clone(), body.clone(), Arc::clone(&left));
                tokio::spawn(async move {
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                        let request = client
                            .post(&url)
                            .header("content-type", "application/json")
                            .header("idempotency-key", "01234567-89ab-cdef-0123-456789abcdef")
                            .body(body.clone());
                        let response = request.send().await?.error_for_status()?;
                        ensure!(!response.bytes().await?.is_empty(), "an answer without a body");
                    }
                    Ok(())
                })
            })
            .collect();
        for one in loops {
            one.await.context("a loop ended early")??;
        }
        anyhow::Ok(())
    })?;
    server.per_second()
}
