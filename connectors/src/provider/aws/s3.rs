//! Objects of Amazon S3: what an action type asks for ([`request`]), and how it is asked.

mod request;

use super::account::aws_settings;
use super::arn::Arn;
use super::{Connection, Failure, Service};
use crate::error::Error;
use crate::provider::http::MAX_RESPONSE_BYTES;
use crate::provider::{Call, Outcome, Provider, Tools, code};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use request::{Place, Put, Request, check_bucket};
use serde_json::json;

const SERVICE: Service = Service { name: "S3", target_key: "bucket_name" };
/// Longest prefix of keys.
const MAX_PREFIX_BYTES: usize = 512;

aws_settings! {
    /// Puts, gets and deletes objects of Amazon S3.
    ///
    /// The action's type says which: `put_object`, `get_object`, `delete_object`, any other being `put_object`. A payload
    /// with `key` and `body` or `body_base64` is put as that, with its `content_type` and `metadata`; any other payload
    /// is put as JSON under `NAMESPACE/TENANT/DISPATCH.json`. The same dispatch always has the same key, so repeating it
    /// makes no second object; its id is the object's metadata `acteon-dispatch-id`.
    pub struct S3Settings {
        /// The bucket's name, or an access point's ARN.
        pub bucket_name: String,
        /// What every key begins with.
        pub object_prefix: Option<String>,
    }
}

impl S3Settings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.region(name).map(drop)
    }

    fn region(&self, name: &str) -> Result<String, Error> {
        check_bucket(&self.bucket_name).map_err(|problem| Error::provider(name, "bucket_name", problem))?;
        if self.object_prefix.as_ref().is_some_and(|prefix| prefix.len() > MAX_PREFIX_BYTES) {
            let problem = format!("is longer than {MAX_PREFIX_BYTES} bytes");
            return Err(Error::provider(name, "object_prefix", problem));
        }
        let arn = Arn::parse(&self.bucket_name, "s3").ok();
        self.account().check(name, "bucket_name", arn.map(|arn| arn.region))
    }
}

/// Makes one request for each dispatch.
pub(crate) struct S3 {
    settings: S3Settings,
    connection: Connection<Client>,
}

impl S3 {
    pub(crate) fn new(name: &str, settings: &S3Settings, _tools: &Tools) -> Result<Self, Error> {
        let connection = Connection::new(settings.account(), settings.region(name)?, |shared| {
            // Stand-ins have no host name for each bucket.
            let by_path = shared.endpoint_url().is_some();
            Client::from_conf(Builder::from(shared).force_path_style(by_path).build())
        });
        Ok(Self { settings: settings.clone(), connection })
    }

    async fn put(&self, put: Put) -> Outcome {
        let sent = self
            .connection
            .client()
            .await
            .put_object()
            .bucket(&put.place.bucket)
            .key(&put.place.key)
            .body(ByteStream::from(put.body))
            .set_content_type(put.content_type)
            .set_metadata(Some(put.metadata.into_iter().collect()))
            .send();
        done(&put.place, "uploaded", Box::pin(sent).await.map(drop).map_err(Failure::of))
    }

    async fn delete(&self, place: Place) -> Outcome {
        let sent = self.connection.client().await.delete_object().bucket(&place.bucket).key(&place.key).send();
        done(&place, "deleted", Box::pin(sent).await.map(drop).map_err(Failure::of))
    }

    async fn get(&self, place: Place) -> Outcome {
        let sent = self.connection.client().await.get_object().bucket(&place.bucket).key(&place.key).send();
        let mut answer = match Box::pin(sent).await {
            Ok(answer) => answer,
            Err(error) => return Failure::of(error).outcome(SERVICE),
        };
        let mut body = Vec::new();
        loop {
            match answer.body.try_next().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_RESPONSE_BYTES => {
                    let problem =
                        format!("the object is longer than {MAX_RESPONSE_BYTES} bytes, the limit of a result");
                    return Outcome::reject(code::VALIDATION, problem);
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return got(&place, answer.content_type, body),
                Err(_) => return Failure::NotConnected("it broke within the object".to_owned()).outcome(SERVICE),
            }
        }
    }
}

impl Provider for S3 {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match request::of(call.dispatch, &self.settings) {
                Ok(Request::Put(put)) => self.put(put).await,
                Ok(Request::Get(place)) => self.get(place).await,
                Ok(Request::Delete(place)) => self.delete(place).await,
                Err(invalid) => invalid.outcome(),
            }
        })
    }
}

/// Says what the answer to a put or delete means.
fn done(place: &Place, status: &str, answer: Result<(), Failure>) -> Outcome {
    match answer {
        Ok(()) => Outcome::delivered(&json!({"bucket": place.bucket, "key": place.key, "status": status})),
        Err(failure) => failure.outcome(SERVICE),
    }
}

/// The response to a get: the object's text as `body`, other bytes as `body_base64`.
fn got(place: &Place, content_type: Option<String>, body: Vec<u8>) -> Outcome {
    let mut response = json!({"bucket": place.bucket, "key": place.key, "status": "downloaded"});
    if let Some(content_type) = content_type {
        response["content_type"] = content_type.into();
    }
    match String::from_utf8(body) {
        Ok(text) => response["body"] = text.into(),
        Err(other) => response["body_base64"] = STANDARD.encode(other.as_bytes()).into(),
    }
    Outcome::delivered(&response)
}

#[cfg(test)]
mod tests;
