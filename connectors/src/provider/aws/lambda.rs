use super::account::aws_settings;
use super::arn::Arn;
use super::{Connection, Failure, Service};
use crate::error::Error;
use crate::provider::http::MAX_RESPONSE_BYTES;
use crate::provider::payload::{Invalid, Keys};
use crate::provider::{Call, Outcome, Provider, Tools, code};
use acteon_schemas::check_depth;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType as SdkInvocationType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SERVICE: Service = Service { name: "Lambda", target_key: "function_name" };
/// Keys of a payload that says how to invoke.
const KEYS: [&str; 4] = ["payload", "function_name", "qualifier", "invocation_type"];
/// Longest name or ARN of a function.
const MAX_NAME_BYTES: usize = 256;
/// Longest version or alias.
const MAX_QUALIFIER_BYTES: usize = 128;
/// Longest kind of a function's error that is passed on.
const MAX_ERROR_TYPE_CHARS: usize = 100;

aws_settings! {
    /// Invokes a function of AWS Lambda.
    ///
    /// A payload that has only keys of `payload`, `function_name`, `qualifier` and `invocation_type` says what to
    /// invoke. Any other payload is the event. The dispatch's id is `acteon-dispatch-id` in the client context's
    /// `custom`, which Lambda hands to the function where it is waited for (`RequestResponse`), and only there.
    pub struct LambdaSettings {
        /// The function's name, or its ARN.
        pub function_name: String,
        /// Version or alias.
        pub qualifier: Option<String>,
        /// Whether the function is waited for.
        pub invocation_type: Option<InvocationType>,
    }
}

/// How a function is invoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InvocationType {
    /// Waits for the function and takes its answer.
    #[default]
    RequestResponse,
    /// Leaves the event with Lambda, which invokes the function later, repeatedly if it fails.
    Event,
    /// Only checks whether the function could be invoked.
    DryRun,
}

impl LambdaSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.region(name).map(drop)
    }

    fn region(&self, name: &str) -> Result<String, Error> {
        check_function(&self.function_name).map_err(|problem| Error::provider(name, "function_name", problem))?;
        if let Some(qualifier) = &self.qualifier {
            check_qualifier(qualifier).map_err(|problem| Error::provider(name, "qualifier", problem))?;
        }
        let arn = Arn::parse(&self.function_name, "lambda").ok();
        self.account().check(name, "function_name", arn.map(|arn| arn.region))
    }
}

fn check_function(text: &str) -> Result<(), String> {
    if text.starts_with("arn:") {
        return match Arn::parse(text, "lambda")?.resource.strip_prefix("function:") {
            Some(_) => Ok(()),
            None => Err("is not a function's ARN: it lacks `function:`".to_owned()),
        };
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.$".contains(&byte);
    if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.bytes().all(allowed) {
        return Err(format!(
            "must be a function's name, of at most {MAX_NAME_BYTES} letters, digits, - and _, or its ARN"
        ));
    }
    Ok(())
}

fn check_qualifier(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_$".contains(&byte);
    if text.is_empty() || text.len() > MAX_QUALIFIER_BYTES || !text.bytes().all(allowed) {
        return Err("must be a version's number, an alias or $LATEST".to_owned());
    }
    Ok(())
}

/// Invokes once for each dispatch.
pub(crate) struct Lambda {
    settings: LambdaSettings,
    connection: Connection<Client>,
}

impl Lambda {
    pub(crate) fn new(name: &str, settings: &LambdaSettings, _tools: &Tools) -> Result<Self, Error> {
        let connection = Connection::new(settings.account(), settings.region(name)?, Client::new);
        Ok(Self { settings: settings.clone(), connection })
    }

    async fn invoke(&self, invocation: Invocation) -> Outcome {
        let client = self.connection.client().await;
        let invoked = client
            .invoke()
            .function_name(&invocation.function_name)
            .set_qualifier(invocation.qualifier)
            .invocation_type(match invocation.invocation_type {
                InvocationType::RequestResponse => SdkInvocationType::RequestResponse,
                InvocationType::Event => SdkInvocationType::Event,
                InvocationType::DryRun => SdkInvocationType::DryRun,
            })
            .client_context(invocation.client_context)
            .payload(Blob::new(invocation.event))
            .send();
        let answer = Box::pin(invoked).await.map(|output| Invoked {
            status: output.status_code,
            function_error: output.function_error,
            payload: output.payload.map(Blob::into_inner).unwrap_or_default(),
        });
        classify(&invocation.function_name, answer.map_err(Failure::of))
    }
}

impl Provider for Lambda {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match invocation(call, &self.settings) {
                Ok(invocation) => self.invoke(invocation).await,
                Err(invalid) => invalid.outcome(),
            }
        })
    }
}

/// What is invoked.
#[derive(Debug, PartialEq, Eq)]
struct Invocation {
    function_name: String,
    qualifier: Option<String>,
    invocation_type: InvocationType,
    event: String,
    /// JSON in base64.
    client_context: String,
}

/// The invocation of a dispatch.
fn invocation(call: Call<'_>, settings: &LambdaSettings) -> Result<Invocation, Invalid> {
    let payload = &call.dispatch.payload;
    let mut invocation = Invocation {
        function_name: settings.function_name.clone(),
        qualifier: settings.qualifier.clone(),
        invocation_type: settings.invocation_type.unwrap_or_default(),
        event: payload.get().to_owned(),
        client_context: client_context(call),
    };
    if let Some(keys) = Keys::of(payload)
        && keys.are_among(&KEYS)
    {
        invocation.event = keys.raw("payload").map_or("{}", |event| event.get()).to_owned();
        if let Some(function) = keys.text("function_name")? {
            check_function(&function).map_err(|problem| Invalid::new("function_name", problem))?;
            // The configured version is one of the configured function.
            invocation.qualifier = None;
            invocation.function_name = function;
        }
        if let Some(qualifier) = keys.text("qualifier")? {
            check_qualifier(&qualifier).map_err(|problem| Invalid::new("qualifier", problem))?;
            invocation.qualifier = Some(qualifier);
        }
        let problem = "must be RequestResponse, Event or DryRun";
        if let Some(kind) = keys.read("invocation_type", problem)? {
            invocation.invocation_type = kind;
        }
    }
    Ok(invocation)
}

fn client_context(call: Call<'_>) -> String {
    let mut custom = serde_json::Map::new();
    for (name, value) in [
        (super::mark::DISPATCH_ID, Some(&*call.dispatch.dispatch_id)),
        ("traceparent", call.trace.traceparent.as_deref()),
        ("tracestate", call.trace.tracestate.as_deref()),
    ] {
        custom.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    STANDARD.encode(json!({"custom": custom}).to_string())
}

/// An answer of Lambda.
struct Invoked {
    status: i32,
    /// `Handled` or `Unhandled`, where the function failed.
    function_error: Option<String>,
    /// What the function returned, or what is told of its failure.
    payload: Vec<u8>,
}

/// Says what an answer means. A function that failed is no success, though Lambda answers 200; it may work another time.
fn classify(function_name: &str, answer: Result<Invoked, Failure>) -> Outcome {
    let invoked = match answer {
        Ok(invoked) => invoked,
        Err(failure) => return failure.outcome(SERVICE),
    };
    if let Some(kind) = invoked.function_error {
        let error_type = error_type(&invoked.payload).map(|name| format!(" with {name}")).unwrap_or_default();
        let kind = kind.to_lowercase();
        let message = format!("the function `{function_name}` failed{error_type} ({kind}); its log has the reason");
        return Outcome::retry(code::EXECUTION_FAILED, message, None);
    }
    let mut body = json!({"function_name": function_name, "status_code": invoked.status});
    // One that is too long is done without, as with every provider.
    if invoked.payload.len() <= MAX_RESPONSE_BYTES {
        body["response"] = response(&invoked.payload);
    }
    Outcome::delivered(&body)
}

/// What a function returned: JSON as such, other text as a string.
fn response(payload: &[u8]) -> Value {
    if payload.is_empty() {
        return Value::Null;
    }
    let json = check_depth(payload).ok().and_then(|()| serde_json::from_slice(payload).ok());
    json.unwrap_or_else(|| Value::String(String::from_utf8_lossy(payload).into_owned()))
}

/// The class of a function's error. Its message may echo the event and stays out.
fn error_type(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct FunctionError {
        error_type: String,
    }
    let name = serde_json::from_slice::<FunctionError>(payload).ok()?.error_type;
    let allowed = |char: char| char.is_ascii_alphanumeric() || "._:".contains(char);
    (!name.is_empty() && name.len() <= MAX_ERROR_TYPE_CHARS && name.chars().all(allowed)).then_some(name)
}

#[cfg(test)]
mod tests;
