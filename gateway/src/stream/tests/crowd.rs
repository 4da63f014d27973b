//! Many who listen, and some who don't.

use super::*;
use crate::api::ApiLimits;
use crate::api::testing::{Fate, Seen, Server};
use crate::stream::queue::MAX_QUEUED_EVENTS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_what_it_has_missed_and_the_others_miss_nothing() {
    let log = Log::new();
    let streams = log.streams();
    let mut slow = Client::connect(&streams, Filter::default(), Begin::Now).await;
    let mut fast = Client::connect(&streams, Filter::default(), Begin::Now).await;
    let count = MAX_QUEUED_EVENTS * 3;
    let mut all = Vec::new();
    for part in 0..30 {
        let size = i64::try_from(count).unwrap() / 30 + 1;
        log.write(part * size..(part + 1) * size);
        // As many as it takes to keep up, on a machine however busy.
        let wanted = usize::try_from((part + 1) * size).unwrap().min(count) - all.len();
        all.extend(fast.actions(wanted).await);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    let mut found = slow.actions(MAX_QUEUED_EVENTS).await;
    let (event, data) = slow.next().await.unwrap();
    assert_eq!(event, "lagged");
    let missed = usize::try_from(data["missed"].as_u64().unwrap()).unwrap();
    assert!(missed >= count - MAX_QUEUED_EVENTS, "{data}");
    assert_eq!(data["after"], slow.last_id.as_str(), "what is missing can be asked for");
    let mut again = Client::connect(&streams, Filter::default(), after(&slow.last_id)).await;
    found.extend(again.actions(count - MAX_QUEUED_EVENTS).await);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), count);
}

/// Streams that nothing comes over, where the system gives a process enough files for both ends of each.
const IDLE: usize = 10_000;
/// Files that are no ends of streams.
const OTHER_FILES: u64 = 1_000;
/// Records of one look at how fast events come.
const SAMPLE: i64 = 2_000;

/// Memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// How many streams this process can have both ends of: [`IDLE`] where its limit of open files can be raised so far.
fn streams_that_fit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let enough = 2 * IDLE as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    // Only a privileged user may raise the hard limit.
    let higher = Rlimit { current: Some(enough), maximum: limit.maximum.map(|most| most.max(enough)) };
    if setrlimit(Resource::Nofile, higher).is_err() {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    }
    let most = getrlimit(Resource::Nofile).current.unwrap_or(enough).min(enough);
    usize::try_from(most.saturating_sub(OTHER_FILES) / 2).unwrap()
}

/// Connects over HTTP and reads the beginning of the stream.
async fn connect(server: &Server, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /v1/stream?{query} HTTP/1.1\r\nHost: t\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 1024];
    let read = stream.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head[..read]));
    stream
}

/// How long it takes from writing records to having received an event of each over HTTP.
async fn pass(log: &Log, stream: &mut TcpStream, first: i64) -> Duration {
    let begun = crate::clock::now();
    log.write(first..first + SAMPLE);
    let (mut found, mut text, mut buffer) = (0, String::new(), vec![0; 65_536]);
    while found < SAMPLE {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("nothing comes").unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        found += i64::try_from(text[..end].matches("event: action_dispatched\n").count()).unwrap();
        text.drain(..end);
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test -p acteon-gateway crowd -- --ignored --nocapture"]
#[allow(clippy::print_stdout)]
async fn ten_thousand_idle_streams_and_a_slow_reader_cost_the_others_little() {
    let idle = streams_that_fit();
    assert!(idle > IDLE / 2, "files for {idle} streams only: raise the hard limit");
    let log = Log::new();
    let limits = StreamLimits { total: idle + 10, per_tenant: 10, per_peer: 10 };
    let limits = ApiLimits { streams: limits, ..ApiLimits::default() };
    let server = Server::with(limits, None::<fn(&Seen) -> Fate>).await;
    server.api.open_streams(&log.kafka, TOPIC);
    let mut fast = connect(&server, "namespace=n").await;
    pass(&log, &mut fast, 0).await;
    let alone = pass(&log, &mut fast, 1).await.min(pass(&log, &mut fast, 2).await);
    let before = resident();
    let mut crowd = Vec::new();
    for number in 0..idle {
        crowd.push(connect(&server, &format!("namespace=n&tenant=idle{}", number / 10)).await);
    }
    let each = (resident() - before) / idle as u64;
    let slow = connect(&server, "namespace=n").await;
    let beside = pass(&log, &mut fast, 3).await.min(pass(&log, &mut fast, 4).await);
    println!("{idle} idle streams: {each} bytes each, both ends of the connection included");
    println!(
        "{SAMPLE} events to one reader: {alone:?} alone, {beside:?} beside the idle ones and one that does not read"
    );
    assert!(each < 64 * 1024, "{each} bytes for an idle stream");
    assert!(beside < alone * 3 + Duration::from_millis(200), "{beside:?} instead of {alone:?}");
    drop((crowd, slow));
}
