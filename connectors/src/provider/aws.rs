//! Amazon Web Services, and what speaks their protocols: LocalStack, moto, ElasticMQ.
//!
//! One file a service. What they share: the account ([`account`]), the client and its limits ([`connection`]), what
//! failures mean ([`failure`]), batches ([`batch`]) and the marks of a dispatch on a message ([`mark`]).

mod account;
mod arn;
mod batch;
mod connection;
mod eventbridge;
mod failure;
mod lambda;
mod mark;
mod s3;
mod sns;
mod sqs;

pub(crate) use account::{Account, aws_settings};
pub(crate) use connection::Connection;
pub(crate) use eventbridge::EventBridge;
pub use eventbridge::EventBridgeSettings;
pub(crate) use failure::{Failure, Service};
pub(crate) use lambda::Lambda;
pub use lambda::{InvocationType, LambdaSettings};
pub(crate) use s3::S3;
pub use s3::S3Settings;
pub(crate) use sns::Sns;
pub use sns::SnsSettings;
pub(crate) use sqs::Sqs;
pub use sqs::SqsSettings;

use super::{Outcome, code};
use acteon_schemas::{ProviderResponse, ResponseStatus};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The service took the call.
pub(crate) fn delivered(body: &impl Serialize) -> Outcome {
    match to_raw_value(body) {
        Ok(body) => Outcome::Delivered(ProviderResponse {
            status: ResponseStatus::Success,
            body: Cow::Owned(body),
            headers: BTreeMap::new(),
        }),
        Err(error) => Outcome::reject(code::SERIALIZATION, error.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod samples;
