#![allow(clippy::unwrap_used, clippy::panic)]

use super::subject::{SECRET, Subject};
use crate::backoff::retry_delay;
use crate::clock;
use crate::config::DeliveryLimits;
use crate::deliver::{Attempts, Caller};
use crate::egress::EgressPolicy;
use crate::health::Monitor;
use crate::metrics::Meters;
use crate::provider::{Call, Outcome, Provider, Tools, TraceContext};
use acteon_schemas::{Dispatch, ResultStatus};
use acteon_testkit::free_port;
use acteon_testkit::http::{Receiver, Reply};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest time that a call may take in these cases, beside those that are about time.
const PATIENCE: Duration = Duration::from_secs(20);
/// The call's own limit where nobody answers.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Puts a provider to the test.
pub(crate) fn run(subject: &Subject) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        if subject.has_call {
            takes_what_is_taken(subject).await;
        }
        if subject.has_server {
            tells_failures_apart(subject).await;
            repeats_with_the_same_key(subject).await;
            gives_up_on_silence(subject).await;
            survives_bad_answers(subject).await;
            starts_without_its_server(subject).await;
        }
    });
    // A receiver has a runtime of its own, which can't be dropped within another.
    if subject.has_server && subject.is_guarded {
        refuses_what_egress_refuses(subject);
    }
    if let Some(shown) = &subject.shown {
        let shown = shown("http://127.0.0.1:1");
        assert!(!shown.contains(SECRET), "{}: settings show a secret: {shown}", subject.type_name);
    }
}

fn tools() -> Tools {
    Tools::new(EgressPolicy::default().with_loopback())
}

fn receiver(reply: &Reply) -> Receiver {
    let receiver = Receiver::start().unwrap();
    receiver.respond(reply.clone());
    receiver
}

/// Drops what can't be dropped in an asynchronous context.
async fn close(receiver: Receiver) {
    tokio::task::spawn_blocking(|| drop(receiver)).await.unwrap();
}

async fn call(subject: &Subject, provider: &dyn Provider) -> Outcome {
    let text = crate::testing::dispatch(&subject.payload).to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    let trace = TraceContext::default();
    let outcome = tokio::time::timeout(PATIENCE, provider.call(Call { dispatch: &dispatch, trace: &trace })).await;
    let outcome = outcome.unwrap_or_else(|_| panic!("{}: the call does not end", subject.type_name));
    if let Outcome::Retry { error, .. } | Outcome::Reject(error) = &outcome {
        assert!(!error.message.contains(SECRET), "{}: an error shows a secret: {error:?}", subject.type_name);
    }
    outcome
}

async fn takes_what_is_taken(subject: &Subject) {
    let receiver = receiver(&subject.success);
    let provider = (subject.build)(&receiver.url(), &tools()).unwrap();
    let outcome = call(subject, &*provider).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{}: {outcome:?}", subject.type_name);
    assert_eq!(receiver.requests().is_empty(), !subject.has_server, "{}", subject.type_name);
    close(receiver).await;
}

async fn tells_failures_apart(subject: &Subject) {
    let name = subject.type_name;
    let receiver = receiver(&subject.unavailable);
    let provider = (subject.build)(&receiver.url(), &tools()).unwrap();
    let outcome = call(subject, &*provider).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{name}: unavailable: {outcome:?}");
    receiver.respond(subject.refusal.clone());
    let outcome = call(subject, &*provider).await;
    assert!(matches!(&outcome, Outcome::Reject(error) if !error.retryable), "{name}: refused: {outcome:?}");
    let (reply, wait) = &subject.throttled;
    receiver.respond(reply.clone());
    match call(subject, &*provider).await {
        Outcome::Retry { after, error } => {
            assert_eq!((&*error.code, after), ("RATE_LIMITED", wait.map(Duration::from_secs)), "{name}");
            let policy = DeliveryLimits::default().backoff();
            assert!(retry_delay(1, after, &policy, 0.0) >= after.unwrap_or_default(), "{name}");
        }
        outcome => panic!("{name}: throttled: {outcome:?}"),
    }
    close(receiver).await;
}

async fn repeats_with_the_same_key(subject: &Subject) {
    let receiver = receiver(&subject.success);
    let provider = (subject.build)(&receiver.url(), &tools()).unwrap();
    call(subject, &*provider).await;
    let first = receiver.requests().len();
    call(subject, &*provider).await;
    let requests = receiver.requests();
    let keys = |range: std::ops::Range<usize>| requests[range].iter().filter_map(subject.key).collect::<Vec<_>>();
    let (first, second) = (keys(0..first), keys(first..requests.len()));
    assert!(!first.is_empty() && first == second, "{}: {first:?} and {second:?}", subject.type_name);
    close(receiver).await;
}

async fn gives_up_on_silence(subject: &Subject) {
    let receiver = receiver(&Reply::hang());
    let provider = (subject.build)(&receiver.url(), &tools()).unwrap();
    let limits = DeliveryLimits { timeout: TIMEOUT, max_retries: 0, ..DeliveryLimits::default() };
    let (meters, monitor) = (Arc::new(Meters::new("p")), Arc::new(Monitor::new(clock::now())));
    let caller = Caller::new(provider, &limits, None, Arc::default(), meters, monitor);
    let text = crate::testing::dispatch(&subject.payload).to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    let trace = TraceContext::default();
    let started = clock::now();
    let abandon = CancellationToken::new();
    let permit = caller.turn(None, &abandon).await.unwrap();
    let call = Call { dispatch: &dispatch, trace: &trace };
    let delivery = caller.deliver(call, permit, Attempts::Several, &abandon).await;
    match delivery.unwrap().result {
        ResultStatus::Failed(error) => assert!(error.code == "TIMEOUT" && error.retryable, "{error:?}"),
        result => panic!("{}: {result:?}", subject.type_name),
    }
    assert!(clock::now() - started < PATIENCE);
    close(receiver).await;
}

/// A success that says nothing, and one that does not end: no matter what is made of them, the call ends.
async fn survives_bad_answers(subject: &Subject) {
    let receiver = receiver(&Reply::status(200).body("<html>hello"));
    let provider = (subject.build)(&receiver.url(), &tools()).unwrap();
    call(subject, &*provider).await;
    close(receiver).await;
    for head in ["Transfer-Encoding: chunked", "Content-Length: 10737418240"] {
        let provider = (subject.build)(&endless(head), &tools()).unwrap();
        call(subject, &*provider).await;
    }
}

/// A server whose first response never ends. Returns its URL.
fn endless(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut request = [0; 16 * 1024];
        if stream.read(&mut request).is_ok() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n");
            let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
            let mut written = stream.write_all(head.as_bytes());
            while written.is_ok() {
                // Until the client closes the connection.
                written = stream.write_all(chunk.as_bytes());
            }
        }
    });
    url
}

async fn starts_without_its_server(subject: &Subject) {
    let url = format!("http://127.0.0.1:{}", free_port().unwrap());
    let provider = (subject.build)(&url, &tools()).unwrap();
    let outcome = call(subject, &*provider).await;
    let Outcome::Retry { error, .. } = &outcome else { panic!("{}: nobody there: {outcome:?}", subject.type_name) };
    assert_eq!(error.code, "CONNECTION", "{}: {error:?}", subject.type_name);
}

/// By address at the start, by name at the call; the server hears of neither.
fn refuses_what_egress_refuses(subject: &Subject) {
    let receiver = receiver(&subject.success);
    let strict = Tools::new(EgressPolicy::default());
    let error = (subject.build)(&receiver.url(), &strict).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("127.0.0.1 is loopback"), "{}: {error:?}", subject.type_name);
    let by_name = receiver.url().replace("127.0.0.1", "localhost");
    let provider = (subject.build)(&by_name, &strict).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(call(subject, &*provider));
    let Outcome::Reject(error) = &outcome else { panic!("{}: {outcome:?}", subject.type_name) };
    assert!(error.code == "CONFIGURATION" && error.message.contains("is loopback"), "{error:?}");
    assert!(receiver.requests().is_empty(), "{}: the server was called", subject.type_name);
}
