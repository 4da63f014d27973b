use super::Scope;
use crate::api::send::Came;
use crate::api::{Api, ApiError};
use crate::clock;
use crate::log::{Asks, Identity, Topic, Trace};
use acteon_schemas::{Command, CommandKind, OutcomeDetail};
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::time::Duration;
use uuid::Uuid;

/// How long a command's answer is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What came of a command.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was carried out, and led to this.
    Done(Box<RawValue>),
    /// It is written and will be carried out; nobody has answered yet.
    Accepted(String),
}

/// Asks the processor of a tenant, and waits for its answer.
///
/// # Errors
/// The processor refuses, or what is asked could not be read by it; Kafka is away; a question gets no answer in time.
pub(super) async fn ask(api: &Api, scope: Scope, kind: CommandKind) -> Result<Answer, ApiError> {
    // Nothing is lost when its answer is.
    let is_question = kind.only_tells();
    let command = Command {
        id: Uuid::new_v4().to_string(),
        namespace: scope.namespace,
        tenant: scope.tenant,
        issued_at: clock::now_ms(),
        issued_by: None,
        command: kind,
    };
    let value = serde_json::to_vec(&command).map_err(|error| unreadable(&error))?;
    // What the processor would not read is refused here, where someone sees it.
    Command::decode(&value).map_err(|error| ApiError::record(&error, &value))?;
    let identity = Identity {
        namespace: Cow::Borrowed(&command.namespace),
        tenant: Cow::Borrowed(&command.tenant),
        id: Cow::Borrowed(&command.id),
    };
    let sent = api.desk()?.send(Topic::Commands, identity, &value, &Trace::default(), Asks::Answer)?;
    match sent.within(ANSWER_WAIT).await? {
        Came::Outcome(_, detail) => answer(&detail),
        Came::Accepted if is_question => {
            let message = format!("no processor has answered within {} s: see /ready", ANSWER_WAIT.as_secs());
            Err(ApiError::unavailable("NO_ANSWER", message).retry_after(1))
        }
        Came::Accepted => Ok(Answer::Accepted(command.id)),
    }
}

fn answer(detail: &[u8]) -> Result<Answer, ApiError> {
    match serde_json::from_slice(detail) {
        Ok(OutcomeDetail::CommandDone { result }) => Ok(Answer::Done(result.into_owned())),
        Ok(OutcomeDetail::CommandRefused { code, message }) => Err(ApiError::refused(&code, &message)),
        Ok(other) => Err(internal(&format!("{other:?} is no answer to a command"))),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    internal(&format!("an answer can't be read: {error}"))
}

fn internal(message: &str) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
}

impl Answer {
    /// The same with another status: 201 for what was made.
    pub(super) fn with(self, status: StatusCode) -> Response {
        let is_done = matches!(self, Self::Done(_));
        let mut response = self.into_response();
        if is_done {
            *response.status_mut() = status;
        }
        response
    }

    /// What it led to, to be shown in another shape.
    ///
    /// # Errors
    /// It has not led to anything yet.
    pub(super) fn value(self) -> Result<Value, ApiError> {
        self.read()
    }

    /// The same, as what it must be.
    ///
    /// # Errors
    /// As for [`Self::value`].
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        match self {
            Self::Done(result) => serde_json::from_str(result.get()).map_err(|error| unreadable(&error)),
            Self::Accepted(id) => {
                let message = format!("no processor has answered yet; the command {id} will be carried out");
                Err(ApiError::unavailable("NO_ANSWER", message))
            }
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Done(result) => {
                let text: Box<str> = result.into();
                ([(header::CONTENT_TYPE, "application/json")], text.into_string()).into_response()
            }
            Self::Accepted(id) => {
                (StatusCode::ACCEPTED, Json(json!({ "command_id": id, "status": "accepted" }))).into_response()
            }
        }
    }
}
