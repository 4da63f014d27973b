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

#[cfg(test)]
pub(crate) mod samples;
