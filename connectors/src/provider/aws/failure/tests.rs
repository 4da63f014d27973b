#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::provider::aws::samples::short;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

const SQS: Service = Service { name: "SQS", target_key: "queue_url" };

fn refused(status: u16, code: &str) -> Failure {
    Failure::Refused { status, code: code.to_owned(), message: "hunter2".to_owned(), retry_after: None }
}

fn unreadable(status: u16) -> Failure {
    Failure::Unreadable { status, retry_after: None }
}

fn message(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Retry { error, .. } | Outcome::Reject(error) => &error.message,
        Outcome::Delivered(_) => panic!("delivered"),
    }
}

#[test]
fn what_services_answer() {
    let cases = [
        (400, "ThrottlingException", "retry RATE_LIMITED"),
        (400, "Throttling", "retry RATE_LIMITED"),
        (400, "ThrottledException", "retry RATE_LIMITED"),
        (403, "AWS.SimpleQueueService.OverLimit", "retry RATE_LIMITED"),
        (429, "TooManyRequestsException", "retry RATE_LIMITED"),
        (503, "SlowDown", "retry RATE_LIMITED"),
        (400, "KMS.ThrottlingException", "retry RATE_LIMITED"),
        (429, "", "retry RATE_LIMITED"),
        (403, "ExpiredTokenException", "retry CREDENTIALS"),
        (400, "ExpiredToken", "retry CREDENTIALS"),
        (403, "AccessDeniedException", "reject CREDENTIALS"),
        (403, "AccessDenied", "reject CREDENTIALS"),
        (403, "AuthorizationError", "reject CREDENTIALS"),
        (403, "InvalidClientTokenId", "reject CREDENTIALS"),
        (400, "UnrecognizedClientException", "reject CREDENTIALS"),
        (403, "SignatureDoesNotMatch", "reject CREDENTIALS"),
        (403, "", "reject CREDENTIALS"),
        (404, "ResourceNotFoundException", "reject CONFIGURATION"),
        (400, "AWS.SimpleQueueService.NonExistentQueue", "reject CONFIGURATION"),
        (400, "QueueDoesNotExist", "reject CONFIGURATION"),
        (404, "NotFound", "reject CONFIGURATION"),
        (404, "NoSuchBucket", "reject CONFIGURATION"),
        (301, "PermanentRedirect", "reject CONFIGURATION"),
        (404, "NoSuchKey", "reject VALIDATION"),
        (400, "InvalidParameterValue", "reject VALIDATION"),
        (400, "ValidationException", "reject VALIDATION"),
        (400, "MessageRejected", "reject VALIDATION"),
        (413, "RequestTooLargeException", "reject VALIDATION"),
        (409, "ResourceConflictException", "retry EXECUTION_FAILED"),
        (500, "InternalFailure", "retry EXECUTION_FAILED"),
        (400, "InternalException", "retry EXECUTION_FAILED"),
        (503, "ServiceUnavailable", "retry EXECUTION_FAILED"),
        (502, "", "retry EXECUTION_FAILED"),
        (400, "RequestTimeout", "retry TIMEOUT"),
        (404, "", "reject EXECUTION_FAILED"),
        (200, "Odd", "retry EXECUTION_FAILED"),
    ];
    for (status, code, wanted) in cases {
        assert_eq!(short(&refused(status, code).outcome(SQS)), wanted, "{status} {code}");
    }
}

#[test]
fn what_stands_between_us_and_them() {
    let cases = [
        (unreadable(200), "retry EXECUTION_FAILED"),
        (unreadable(301), "reject CONFIGURATION"),
        (unreadable(503), "retry EXECUTION_FAILED"),
        (Failure::NoCredentials("none".into()), "retry CREDENTIALS"),
        (Failure::TimedOut, "retry TIMEOUT"),
        (Failure::NotConnected("refused".into()), "retry CONNECTION"),
        (Failure::Unsendable("bad header".into()), "reject VALIDATION"),
    ];
    for (failure, wanted) in cases {
        let outcome = failure.outcome(SQS);
        assert_eq!(short(&outcome), wanted, "{failure:?}");
        assert!(message(&outcome).contains("SQS"), "{}", message(&outcome));
    }
}

#[test]
fn a_message_is_passed_on_only_where_it_does_not_echo_the_payload() {
    for (status, code, told) in [
        (403, "AccessDenied", true),
        (400, "QueueDoesNotExist", true),
        (403, "SignatureDoesNotMatch", false),
        (400, "InvalidParameterValue", false),
        (500, "InternalFailure", false),
        (429, "Throttling", false),
    ] {
        let outcome = refused(status, code).outcome(SQS);
        assert_eq!(message(&outcome).contains("hunter2"), told, "{}", message(&outcome));
        assert!(message(&outcome).contains(code), "{}", message(&outcome));
    }
    let long = Failure::Refused {
        status: 403,
        code: "AccessDenied".into(),
        message: format!("a\nb{}", "x".repeat(10_000)),
        retry_after: None,
    };
    let outcome = long.outcome(SQS);
    assert!(message(&outcome).len() < 500 && !message(&outcome).contains('\n'));
    let hint = refused(400, "QueueDoesNotExist").outcome(SQS);
    assert!(message(&hint).contains("check `queue_url`"), "{}", message(&hint));
}

fn response(status: u16) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
    response.headers_mut().insert("retry-after", "7");
    response
}

#[test]
fn the_sdk_s_errors_are_read() {
    type Sdk = SdkError<SendMessageBatchError, HttpResponse>;
    let refusal =
        SendMessageBatchError::generic(ErrorMetadata::builder().code("RequestThrottled").message("slow").build());
    let wanted = Failure::Refused {
        status: 400,
        code: "RequestThrottled".into(),
        message: "slow".into(),
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(Failure::of(Sdk::service_error(refusal, response(400))), wanted);

    let silent = || SendMessageBatchError::generic(ErrorMetadata::builder().build());
    let read = Failure::of(Sdk::service_error(silent(), response(200)));
    assert!(matches!(read, Failure::Unreadable { status: 200, .. }), "{read:?}");
    let read = Failure::of(Sdk::service_error(silent(), response(503)));
    assert!(matches!(read, Failure::Refused { status: 503, .. }), "{read:?}");

    let io = || ConnectorError::io("connection refused".into());
    let missing = || CredentialsError::not_loaded("no providers in chain provided credentials");
    let cases: [(Sdk, Failure); 7] = [
        (
            Sdk::response_error("not JSON", response(429)),
            Failure::Unreadable { status: 429, retry_after: Some(Duration::from_secs(7)) },
        ),
        (Sdk::timeout_error("slow"), Failure::TimedOut),
        (Sdk::dispatch_failure(ConnectorError::timeout("slow".into())), Failure::TimedOut),
        (Sdk::dispatch_failure(io()), Failure::NotConnected("connection refused".into())),
        (Sdk::construction_failure("no queue"), Failure::Unsendable("no queue".into())),
        (
            Sdk::dispatch_failure(ConnectorError::other(missing().into(), None)),
            Failure::NoCredentials("no providers in chain provided credentials".into()),
        ),
        // A role that can't be assumed because nothing answers.
        (
            Sdk::dispatch_failure(ConnectorError::other(CredentialsError::provider_error(io()).into(), None)),
            Failure::NotConnected("connection refused".into()),
        ),
    ];
    for (error, wanted) in cases {
        assert_eq!(Failure::of(error), wanted);
    }
}
