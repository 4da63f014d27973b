use super::producer::{Unwritten, Written};
use crate::provider::{Outcome, code};
use rdkafka::error::RDKafkaErrorCode;
use serde_json::json;

/// What a delivery report means.
pub(super) fn classify(topic: &str, answer: Result<Written, Unwritten>) -> Outcome {
    let Unwritten { code, trouble } = match answer {
        Ok(Written { partition, offset }) => {
            let body = json!({"topic": topic, "partition": partition, "offset": offset, "status": "written"});
            return Outcome::delivered(&body);
        }
        Err(unwritten) => unwritten,
    };
    let Some(code) = code else {
        return Outcome::retry(code::EXECUTION_FAILED, "the producer has ended", None);
    };
    // Where no broker can be reached, records only get old: what librdkafka said of the brokers is the reason.
    let cause = match code {
        RDKafkaErrorCode::MessageTimedOut | RDKafkaErrorCode::TimedOutQueue => trouble.unwrap_or(code),
        _ => code,
    };
    meaning(cause)
}

fn meaning(cause: RDKafkaErrorCode) -> Outcome {
    use RDKafkaErrorCode as Code;
    match cause {
        Code::UnknownTopic | Code::UnknownTopicOrPartition => {
            Outcome::reject(code::CONFIGURATION, format!("there is no such topic, or it may not be seen: {cause}"))
        }
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::IllegalSASLState
        | Code::UnsupportedSASLMechanism
        | Code::Authentication => {
            Outcome::reject(code::CREDENTIALS, format!("{cause}; check the credentials in `properties`"))
        }
        Code::UnknownPartition
        | Code::InvalidTopic
        | Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::MessageBatchTooLarge
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::UnsupportedForMessageFormat
        | Code::PolicyViolation => Outcome::reject(code::VALIDATION, format!("the record is refused: {cause}")),
        Code::InvalidRequiredAcks
        | Code::UnsupportedCompressionType
        | Code::InvalidConfig
        | Code::UnsupportedFeature => Outcome::reject(code::CONFIGURATION, format!("{cause}; check `properties`")),
        Code::ThrottlingQuotaExceeded => Outcome::retry(code::RATE_LIMITED, cause.to_string(), None),
        Code::MessageTimedOut | Code::TimedOutQueue | Code::RequestTimedOut | Code::OperationTimedOut => {
            Outcome::retry(code::TIMEOUT, format!("no acknowledgement in time: {cause}"), None)
        }
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::SSL
        | Code::NetworkException
        | Code::BrokerNotAvailable
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::ReplicaNotAvailable => Outcome::retry(code::CONNECTION, format!("no connection: {cause}"), None),
        other => Outcome::retry(code::EXECUTION_FAILED, other.to_string(), None),
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;
    use RDKafkaErrorCode as Code;

    #[test]
    fn delivery_reports_are_classified() {
        for (code, trouble, kind, wanted) in [
            (Some(Code::UnknownTopic), None, "reject", "CONFIGURATION"),
            (Some(Code::UnknownTopicOrPartition), None, "reject", "CONFIGURATION"),
            (Some(Code::UnknownPartition), None, "reject", "VALIDATION"),
            (Some(Code::MessageSizeTooLarge), None, "reject", "VALIDATION"),
            (Some(Code::PolicyViolation), None, "reject", "VALIDATION"),
            (Some(Code::TopicAuthorizationFailed), None, "reject", "CREDENTIALS"),
            (Some(Code::UnsupportedCompressionType), None, "reject", "CONFIGURATION"),
            (Some(Code::MessageTimedOut), None, "retry", "TIMEOUT"),
            (Some(Code::MessageTimedOut), Some(Code::BrokerTransportFailure), "retry", "CONNECTION"),
            (Some(Code::MessageTimedOut), Some(Code::AllBrokersDown), "retry", "CONNECTION"),
            (Some(Code::MessageTimedOut), Some(Code::Resolve), "retry", "CONNECTION"),
            (Some(Code::MessageTimedOut), Some(Code::Authentication), "reject", "CREDENTIALS"),
            (Some(Code::NotEnoughReplicas), Some(Code::Authentication), "retry", "EXECUTION_FAILED"),
            (Some(Code::NotLeaderForPartition), None, "retry", "CONNECTION"),
            (Some(Code::ThrottlingQuotaExceeded), None, "retry", "RATE_LIMITED"),
            (Some(Code::QueueFull), None, "retry", "EXECUTION_FAILED"),
            (Some(Code::Fatal), None, "retry", "EXECUTION_FAILED"),
            (None, None, "retry", "EXECUTION_FAILED"),
        ] {
            let (found, error) = match classify("t", Err(Unwritten { code, trouble })) {
                Outcome::Retry { error, .. } => ("retry", error),
                Outcome::Reject(error) => ("reject", error),
                Outcome::Delivered(_) => panic!("{code:?} is no success"),
            };
            assert_eq!((found, &*error.code), (kind, wanted), "{code:?} {trouble:?}");
        }
    }

    #[test]
    fn the_response_says_where_the_record_is() {
        let Outcome::Delivered(response) = classify("t", Ok(Written { partition: 2, offset: 41 })) else {
            panic!("not delivered")
        };
        assert_eq!(response.body.get(), r#"{"offset":41,"partition":2,"status":"written","topic":"t"}"#);
    }
}
