use crate::clock;
use crate::error::{causes, innermost};
use crate::provider::http::{Verdict, classify as classify_status, retry_after};
use crate::provider::{Outcome, code};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;
use std::time::Duration;

/// Longest part of a service's own words that is passed on, in characters.
const MAX_EXCERPT_CHARS: usize = 300;

/// A service, for what is told of its failures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// Its name.
    pub(crate) name: &'static str,
    /// The key that names the queue, topic or whatever is called.
    pub(crate) target_key: &'static str,
}

/// Why a request has no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The service refused it, or failed.
    Refused {
        /// HTTP status; that of a batch's entry is made up from whose fault it was.
        status: u16,
        /// The service's code, empty where it gave none.
        code: String,
        /// The service's words, which may echo the request.
        message: String,
        /// The wait that it asked for.
        retry_after: Option<Duration>,
    },
    /// There was an answer, but not one of the service's, or it is too long.
    Unreadable {
        /// HTTP status.
        status: u16,
        /// The wait that it asks for.
        retry_after: Option<Duration>,
    },
    /// There are no credentials to sign it with.
    NoCredentials(String),
    /// No connection in time.
    TimedOut,
    /// No connection, or it broke.
    NotConnected(String),
    /// There was nothing to send.
    Unsendable(String),
}

impl Failure {
    /// Reads the SDK's error.
    pub(crate) fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                let (raw, meta) = (context.raw(), context.err().meta());
                let status = raw.status();
                match meta.code() {
                    // A good status, and a body that the SDK makes nothing of.
                    None if status.is_success() => Self::Unreadable { status: status.as_u16(), retry_after: wait(raw) },
                    code => Self::Refused {
                        status: status.as_u16(),
                        code: code.unwrap_or_default().to_owned(),
                        message: meta.message().unwrap_or_default().to_owned(),
                        retry_after: wait(raw),
                    },
                }
            }
            SdkError::ResponseError(context) => {
                let raw = context.raw();
                Self::Unreadable { status: raw.status().as_u16(), retry_after: wait(raw) }
            }
            SdkError::TimeoutError(_) => Self::TimedOut,
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => Self::unsent(error),
                None => Self::NotConnected("the request was not sent".to_owned()),
            },
            other => Self::Unsendable(innermost(&other).to_string()),
        }
    }

    /// Why a request was not sent. A role's credentials that can't be had because nothing answers are a failure of the
    /// connection.
    fn unsent(error: &ConnectorError) -> Self {
        let links = || causes(error);
        let connectors = || links().filter_map(|error| error.downcast_ref::<ConnectorError>());
        if connectors().any(ConnectorError::is_timeout) {
            Self::TimedOut
        } else if connectors().any(ConnectorError::is_io) {
            Self::NotConnected(innermost(error).to_string())
        } else if links().any(|error| error.is::<CredentialsError>()) {
            Self::NoCredentials(innermost(error).to_string())
        } else {
            Self::NotConnected(innermost(error).to_string())
        }
    }

    /// What it means.
    pub(crate) fn outcome(&self, service: Service) -> Outcome {
        let Service { name, target_key } = service;
        match self {
            Self::Refused { status, code, message, retry_after } => {
                let verdict = verdict(*status, code);
                let text = refusal(service, *status, code, message, verdict);
                match verdict {
                    Verdict::Retry { code } => Outcome::retry(code, text, *retry_after),
                    Verdict::Reject { code } => Outcome::reject(code, text),
                    // The SDK took a good status for an error: it doesn't understand the answer.
                    Verdict::Delivered => Outcome::retry(code::EXECUTION_FAILED, text, *retry_after),
                }
            }
            Self::Unreadable { status, retry_after } => {
                let hint = "check `aws_endpoint_url`";
                let text = format!("{name} answered {status} with a body that is not its own or too long; {hint}");
                match classify_status(*status) {
                    Verdict::Reject { code } => Outcome::reject(code, text),
                    Verdict::Retry { code } => Outcome::retry(code, text, *retry_after),
                    Verdict::Delivered => Outcome::retry(code::EXECUTION_FAILED, text, None),
                }
            }
            Self::NoCredentials(cause) => {
                let text = format!("no credentials for {name}: {}", excerpt(cause));
                Outcome::retry(code::CREDENTIALS, text, None)
            }
            Self::TimedOut => Outcome::retry(code::TIMEOUT, format!("no connection to {name} in time"), None),
            Self::NotConnected(cause) => {
                Outcome::retry(code::CONNECTION, format!("no connection to {name}: {}", excerpt(cause)), None)
            }
            Self::Unsendable(cause) => {
                let text = format!("no request to {name} can be made of the payload: {}", excerpt(cause));
                let hint = format!("; check `{target_key}` and the payload");
                Outcome::reject(code::VALIDATION, text + &hint)
            }
        }
    }
}

/// The wait that an answer asks for.
fn wait(raw: &HttpResponse) -> Option<Duration> {
    raw.headers().get("retry-after").and_then(|value| retry_after(value, clock::utc()))
}

/// What a service says, in words. Its own message is passed on only where it names principals and resources: elsewhere
/// it may echo what was sent.
fn refusal(service: Service, status: u16, code: &str, message: &str, verdict: Verdict) -> String {
    let Service { name, target_key } = service;
    let code = if code.is_empty() { "without a code" } else { code };
    let telling = matches!(
        verdict,
        Verdict::Reject { code: code::CREDENTIALS | code::CONFIGURATION } | Verdict::Retry { code: code::CREDENTIALS }
    ) && !code.contains("Signature");
    let message = if telling && !message.is_empty() { format!(": {}", excerpt(message)) } else { String::new() };
    let hint = match verdict {
        Verdict::Reject { code: code::CREDENTIALS } => "; check the credentials and what they are allowed".to_owned(),
        Verdict::Reject { code: code::CONFIGURATION } => format!("; check `{target_key}` and `aws_region`"),
        _ => String::new(),
    };
    format!("{name} answered {status} {}{message}{hint}", excerpt(code))
}

/// The beginning of a text, on one line.
fn excerpt(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MAX_EXCERPT_CHARS).collect()
}

/// Codes for one call too many; here and below without `Exception` at the end and without what stands before a dot.
const THROTTLED: &[&str] = &[
    "Throttling",
    "Throttled",
    "RequestThrottled",
    "TooManyRequests",
    "RequestLimitExceeded",
    "LimitExceeded",
    "BandwidthLimitExceeded",
    "ProvisionedThroughputExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "OverLimit",
    "KMSThrottling",
    "KmsThrottled",
    "EC2Throttled",
    "TransactionInProgress",
];
/// Codes for credentials that a new session or another clock may help.
const EXPIRED: &[&str] = &["ExpiredToken", "RequestExpired", "TokenRefreshRequired", "RequestTimeTooSkewed"];
/// Codes for credentials that are wrong or not enough.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AuthorizationError",
    "NotAuthorized",
    "InvalidClientTokenId",
    "UnrecognizedClient",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignature",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "InvalidToken",
    "InvalidSecurity",
    "MissingSecurityHeader",
    "OptInRequired",
    "AllAccessDisabled",
    "AccountProblem",
    "KMSAccessDenied",
    "KmsAccessDenied",
];
/// Codes for a target that is not there or not as it must be.
const MISCONFIGURED: &[&str] = &[
    "ResourceNotFound",
    "NonExistentQueue",
    "QueueDoesNotExist",
    "NotFound",
    "NoSuchBucket",
    "InvalidAddress",
    "EndpointDisabled",
    "UnsupportedOperation",
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "KMSDisabled",
    "KMSInvalidState",
    "KMSNotFound",
    "KmsDisabled",
    "KmsInvalidState",
    "KmsNotFound",
    "MailFromDomainNotVerified",
    "AccountSuspended",
    "SendingPaused",
    "InvalidRuntime",
];
/// Codes for a failure of the service's own, and for a target that is being changed.
const UNAVAILABLE: &[&str] = &[
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "Internal",
    "ServiceUnavailable",
    "ResourceNotReady",
    "ResourceConflict",
    "OperationAborted",
    "SnapStartNotReady",
];
/// Codes for a request that took the service too long to read.
const TIMED_OUT: &[&str] = &["RequestTimeout", "RequestTimedOut"];
/// A code with a status of its own.
const NO_SUCH_OBJECT: &str = "NoSuchKey";

/// What a status and a code of AWS mean. Codes go first: the services use statuses freely.
fn verdict(status: u16, service_code: &str) -> Verdict {
    let bare = service_code.rsplit(['.', '#']).next().unwrap_or(service_code);
    let bare = bare.strip_suffix("Exception").unwrap_or(bare);
    let known = [
        (THROTTLED, Verdict::Retry { code: code::RATE_LIMITED }),
        (EXPIRED, Verdict::Retry { code: code::CREDENTIALS }),
        (DENIED, Verdict::Reject { code: code::CREDENTIALS }),
        (MISCONFIGURED, Verdict::Reject { code: code::CONFIGURATION }),
        (UNAVAILABLE, Verdict::Retry { code: code::EXECUTION_FAILED }),
        (TIMED_OUT, Verdict::Retry { code: code::TIMEOUT }),
    ];
    if let Some((_, verdict)) = known.into_iter().find(|(codes, _)| codes.contains(&bare)) {
        return verdict;
    }
    // The codes for payloads that a service does not take are many and have their statuses in common.
    if matches!(status, 400 | 413 | 415 | 422) || bare == NO_SUCH_OBJECT {
        return Verdict::Reject { code: code::VALIDATION };
    }
    classify_status(status)
}

#[cfg(test)]
mod tests;
