#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::provider::TraceContext;
use acteon_schemas::{Coordinates, Dispatch, Metadata, ProviderResponse, ResponseStatus};
use futures::future::BoxFuture;
use serde_json::Map;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a scripted provider does on one call.
#[derive(Clone, Copy)]
enum Step {
    Deliver,
    Retry,
    RetryLater,
    Quiet,
    Reject,
    Hang,
    Panic,
}

/// Does one step a call, then repeats the last; notes the ids that it was called with.
struct Scripted {
    steps: Vec<Step>,
    calls: Mutex<Vec<String>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Scripted {
    fn new(steps: &[Step]) -> Arc<Self> {
        Arc::new(Self {
            steps: steps.to_vec(),
            calls: Mutex::default(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        })
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Provider for Scripted {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let step = {
                let mut calls = self.calls.lock().unwrap();
                calls.push(call.dispatch.dispatch_id.to_string());
                self.steps[(calls.len() - 1).min(self.steps.len() - 1)]
            };
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_running.fetch_max(running, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            match step {
                Step::Deliver => Outcome::Delivered(ProviderResponse {
                    status: ResponseStatus::Success,
                    body: Cow::Owned(RawValue::NULL.to_owned()),
                    headers: BTreeMap::new(),
                }),
                Step::Retry => Outcome::retry("CONNECTION", "not now", None),
                Step::RetryLater => Outcome::retry("RATE_LIMITED", "not now", Some(Duration::from_millis(50))),
                Step::Quiet => Outcome::retry("RATE_LIMITED", "not now", Some(Duration::from_secs(60))),
                Step::Reject => Outcome::reject("EXECUTION_FAILED", "never"),
                Step::Hang => std::future::pending().await,
                Step::Panic => panic!("a bug in a provider"),
            }
        })
    }
}

fn dispatch(id: &str) -> Dispatch<'static> {
    Dispatch {
        dispatch_id: Cow::Owned(id.to_owned()),
        action_id: "a".into(),
        namespace: "n".into(),
        tenant: "t".into(),
        provider: "p".into(),
        original_provider: None,
        action_type: "x".into(),
        payload: Cow::Owned(RawValue::NULL.to_owned()),
        metadata: Cow::Owned(Metadata::default()),
        dedup_key: None,
        status: None,
        fingerprint: None,
        created_at: None,
        extra: Map::new(),
        rendered_by: None,
        rule: None,
        context: None,
        released_by: None,
        passed_over: Vec::new(),
        retry: 0,
        probe: None,
        decided_at: 0,
        task: 0,
        source: Coordinates { topic: "acteon.actions".into(), partition: 0, offset: 0 },
    }
}

fn caller(provider: &Arc<Scripted>, change: impl FnOnce(&mut DeliveryLimits)) -> Caller {
    let mut limits = DeliveryLimits {
        timeout: Duration::from_millis(50),
        backoff_initial: Duration::from_millis(1),
        ..DeliveryLimits::default()
    };
    change(&mut limits);
    let monitor = Arc::new(Monitor::new(clock::now()));
    Caller::new(Arc::<Scripted>::clone(provider), &limits, None, Arc::default(), Arc::new(Meters::new("p")), monitor)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

async fn deliver(caller: &Caller, id: &str, abandon: &CancellationToken) -> Option<Delivery> {
    let (dispatch, trace) = (dispatch(id), TraceContext::default());
    let permit = caller.turn(None, abandon).await?;
    caller.deliver(Call { dispatch: &dispatch, trace: &trace }, permit, Attempts::Several, abandon).await
}

#[test]
fn calls_until_the_matter_is_settled() {
    use Step::{Deliver, Hang, Panic, Reject, Retry};
    // Steps, code of the failure if it is one, whether that may pass, calls.
    type Case<'a> = (&'a [Step], Option<(&'a str, bool)>, u32);
    let cases: [Case<'_>; 7] = [
        (&[Deliver], None, 1),
        (&[Retry, Retry, Deliver], None, 3),
        (&[Hang, Deliver], None, 2),
        (&[Retry, Reject], Some(("EXECUTION_FAILED", false)), 2),
        (&[Retry], Some(("CONNECTION", true)), 4),
        (&[Retry, Hang], Some(("TIMEOUT", true)), 4),
        (&[Panic], Some(("EXECUTION_FAILED", false)), 1),
    ];
    for (index, (steps, failure, attempts)) in cases.into_iter().enumerate() {
        let provider = Scripted::new(steps);
        let delivery = run(deliver(&caller(&provider, |_| ()), "d", &CancellationToken::new())).unwrap();
        let found = match &delivery.result {
            ResultStatus::Delivered(_) => None,
            ResultStatus::Failed(error) => Some((&*error.code, error.retryable)),
        };
        assert_eq!((found, delivery.attempts), (failure, attempts), "case {index}");
        assert_eq!(provider.calls(), vec!["d"; attempts as usize], "case {index}");
    }
}

#[test]
fn a_long_wait_is_left_to_the_processor_where_that_makes_the_dispatch_again() {
    // Whether the provider has a long retry, the longest wait here: calls, and what the result asks for.
    let cases = [(true, 10, 1, Some(50)), (false, 10, 4, Some(50)), (true, 60_000, 4, Some(50))];
    for (hands_back, retry_after_max, attempts, asked) in cases {
        let provider = Scripted::new(&[Step::RetryLater]);
        let caller = caller(&provider, |limits| {
            limits.hands_back = hands_back;
            limits.retry_after_max = Duration::from_millis(retry_after_max);
        });
        let delivery = run(deliver(&caller, "d", &CancellationToken::new())).unwrap();
        let ResultStatus::Failed(error) = &delivery.result else { panic!("not failed") };
        assert_eq!((delivery.attempts, error.retry_after_ms), (attempts, asked), "{hands_back} {retry_after_max}");
    }
}

#[test]
fn no_call_begins_once_abandoned() {
    let abandoned = CancellationToken::new();
    abandoned.cancel();
    let provider = Scripted::new(&[Step::Deliver]);
    assert!(run(deliver(&caller(&provider, |_| ()), "d", &abandoned)).is_none());
    assert!(provider.calls().is_empty());
}

#[test]
fn a_wait_ends_when_abandoned_and_a_call_under_way_does_not() {
    let provider = Scripted::new(&[Step::RetryLater, Step::Deliver]);
    let patient = caller(&provider, |_| ());
    run(async {
        let abandon = CancellationToken::new();
        // Both are cancelled while their call runs: a failure that may pass ends it, a delivery counts.
        let (delivery, ()) = tokio::join!(deliver(&patient, "waits", &abandon), async {
            tokio::task::yield_now().await;
            abandon.cancel();
        });
        assert!(delivery.is_none());
        let abandon = CancellationToken::new();
        // Another caller: the provider has asked this one for quiet.
        let patient = caller(&provider, |_| ());
        let (delivery, ()) = tokio::join!(deliver(&patient, "runs", &abandon), async {
            tokio::task::yield_now().await;
            abandon.cancel();
        });
        assert!(matches!(delivery.unwrap().result, ResultStatus::Delivered(_)));
    });
    assert_eq!(provider.calls(), ["waits", "runs"]);
}

#[test]
fn a_provider_that_asks_for_quiet_gets_it_from_all_dispatches() {
    let provider = Scripted::new(&[Step::Quiet, Step::Deliver]);
    let patient = caller(&provider, |_| ());
    run(async {
        let abandon = CancellationToken::new();
        let other = async {
            while provider.calls().is_empty() {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            let wait = tokio::time::timeout(Duration::from_millis(50), deliver(&patient, "other", &abandon)).await;
            assert!(wait.is_err(), "it was called in spite of its pause");
            abandon.cancel();
        };
        let (delivery, ()) = tokio::join!(deliver(&patient, "first", &abandon), other);
        assert!(delivery.is_none());
    });
    assert_eq!(provider.calls(), ["first"]);
}

#[test]
fn only_so_many_calls_run_at_a_time() {
    let provider = Scripted::new(&[Step::Deliver]);
    let narrow = caller(&provider, |limits| limits.max_concurrent = 3);
    let abandon = CancellationToken::new();
    let ids: Vec<String> = (0..20).map(|id| id.to_string()).collect();
    let all = run(futures::future::join_all(ids.iter().map(|id| deliver(&narrow, id, &abandon))));
    assert!(all.iter().all(|delivery| delivery.as_ref().unwrap().attempts == 1));
    assert_eq!((provider.calls().len(), provider.most_running.load(Ordering::SeqCst)), (20, 3));
}

#[test]
fn a_dispatch_that_waits_to_be_repeated_holds_up_no_other() {
    let provider = Scripted::new(&[Step::RetryLater, Step::Deliver]);
    let single = caller(&provider, |limits| limits.max_concurrent = 1);
    let abandon = CancellationToken::new();
    let begun = clock::now();
    run(async {
        let (failing, passing) =
            tokio::join!(deliver(&single, "fails first", &abandon), deliver(&single, "passes", &abandon));
        assert_eq!((failing.unwrap().attempts, passing.unwrap().attempts), (2, 1));
    });
    assert_eq!(provider.calls(), ["fails first", "passes", "fails first"]);
    assert!(clock::now() - begun >= Duration::from_millis(50), "the wait that was asked for was cut short");
}

#[test]
fn a_call_that_tries_a_circuit_is_made_once() {
    let provider = Scripted::new(&[Step::Retry]);
    let caller = caller(&provider, |_| ());
    let (dispatch, trace, abandon) = (dispatch("d"), TraceContext::default(), CancellationToken::new());
    let call = Call { dispatch: &dispatch, trace: &trace };
    let delivery = run(async {
        let permit = caller.permit(&abandon).await?;
        caller.deliver(call, permit, Attempts::One, &abandon).await
    });
    assert_eq!((delivery.unwrap().attempts, provider.calls().len()), (1, 1));
}

#[test]
fn a_dispatch_that_waits_gives_up_when_the_circuit_opens() {
    let provider = Scripted::new(&[Step::RetryLater]);
    let caller = caller(&provider, |limits| limits.max_retries = 9);
    let abandon = CancellationToken::new();
    let (delivery, ()) = run(async {
        tokio::join!(deliver(&caller, "d", &abandon), async {
            while provider.calls().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            caller.circuit.open_for_test();
        })
    });
    let delivery = delivery.unwrap();
    let ResultStatus::Failed(error) = delivery.result else { panic!("delivered") };
    assert_eq!((&*error.code, delivery.attempts), ("RATE_LIMITED", 1));
}

#[test]
fn what_is_not_called_says_so() {
    let delivery = caller(&Scripted::new(&[Step::Deliver]), |_| ()).refuse("p");
    let ResultStatus::Failed(error) = delivery.result else { panic!("delivered") };
    assert_eq!((&*error.code, error.retryable, delivery.attempts), ("CIRCUIT_OPEN", true, 0));
}
