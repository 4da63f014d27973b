//! How fast the store takes records: `cargo test -p acteon-gateway speed -- --ignored --nocapture`.

use crate::clock;
use crate::view::audit::testing::{Fixture, TOPIC, done, sent};
use crate::view::audit::{AuditBatch, AuditStore as _, MAX_BATCH_RECORDS};
use serde_json::json;
use std::time::Duration;

/// Actions, each of which has two records.
const ACTIONS: i64 = 300_000;
const PARTITIONS: i64 = 8;
const TENANTS: i64 = 50;
/// Records between an action and its result.
const BEHIND: i64 = 1_000;

/// What a log holds: results come some records behind their decisions, times go on slowly.
fn values() -> Vec<(i32, String)> {
    let mut values = Vec::new();
    let payload = json!({"order_id": "ORD-2026-001234", "amount": 129.95, "currency": "EUR", "note": "x".repeat(120)});
    for n in 0..ACTIONS + BEHIND {
        let of = |n: i64| {
            let partition = i32::try_from(n % PARTITIONS).unwrap();
            let id = uuid_like(n);
            let changed =
                json!({"tenant": format!("tenant-{}", n % TENANTS), "id": uuid_like(-n - 1), "expires_at": n});
            (partition, id, n / 100, changed)
        };
        if n < ACTIONS {
            let (partition, id, at, changed) = of(n);
            let mut record = sent(&id, at);
            record.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
            record["action_payload"] = payload.clone();
            values.push((partition, record.to_string()));
        }
        if n >= BEHIND {
            let (partition, id, at, changed) = of(n - BEHIND);
            values.push((partition, done(&id, at, 12, changed).to_string()));
        }
    }
    values
}

/// As random as a UUID, and the same each time.
fn uuid_like(n: i64) -> String {
    let mixed = |salt: u64| {
        let x = (n.cast_unsigned() ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    let (high, low) = (mixed(1), mixed(2));
    format!(
        "{:08x}-{:04x}-5{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// What this process has used of the processors, which other processes don't change.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Puts all values into batches, and does something with each. Says how long that took by the clock and by the processors.
async fn each_batch(values: &[(i32, String)], mut take: impl AsyncFnMut(AuditBatch)) -> (Duration, Duration) {
    let (began, used) = (clock::now(), cpu());
    let mut offsets = [0_i64; PARTITIONS as usize];
    let mut batch = AuditBatch::new(TOPIC);
    for (partition, value) in values {
        let offset = &mut offsets[usize::try_from(*partition).unwrap()];
        batch.push(*partition, *offset, value.as_bytes()).unwrap();
        *offset += 1;
        if batch.is_full() {
            take(std::mem::replace(&mut batch, AuditBatch::new(TOPIC))).await;
        }
    }
    take(batch).await;
    (clock::now().duration_since(began), cpu() - used)
}

#[tokio::test]
#[ignore = "measures"]
async fn speed_of_decoding_and_appending() {
    let fixture = Fixture::empty();
    let values = values();
    let (decoding, decoding_cpu) = each_batch(&values, async |batch| drop(batch)).await;
    let (both, both_cpu) = each_batch(&values, async |batch| {
        fixture.store().append(batch).await.unwrap();
    })
    .await;
    let (began, used) = (clock::now(), cpu());
    fixture.store().filled().await.unwrap();
    let (indexing, indexing_cpu) = (clock::now().duration_since(began), cpu() - used);
    // The first two are done at the same time when a log is followed.
    let records = values.len() as f64;
    for (what, took, used) in [
        ("decoding", decoding, decoding_cpu),
        ("appending", both - decoding, both_cpu - decoding_cpu),
        ("indexing", indexing, indexing_cpu),
    ] {
        let rate = records / took.as_secs_f64();
        eprintln!("{what:<9} {rate:>9.0} records/s, {:.1} CPU-µs each", used.as_secs_f64() * 1e6 / records);
    }
    let bytes = std::fs::metadata(fixture.path()).unwrap().len();
    eprintln!("{} bytes an action; batches of up to {MAX_BATCH_RECORDS}", bytes / ACTIONS.cast_unsigned());
    let began = clock::now();
    let page = fixture.page(crate::view::audit::AuditQuery::default()).await;
    eprintln!("a page and a count of {:?} took {:?}", page.total, clock::now().duration_since(began));
}
