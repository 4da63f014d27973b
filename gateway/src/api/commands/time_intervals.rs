//! Time intervals of a tenant, which rules name.

use super::Scope;
use super::ask::{Answer, ask};
use crate::api::body::Json;
use crate::api::openapi::{Change, Question, Refused};
use crate::api::params::{Params, Segments};
use crate::api::{Api, ApiError};
use acteon_schemas::{CommandKind, TimeIntervalDefinition, TimeOfDay, TimeRange};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, remove))
}

/// A named part of time: a minute is in it where one of the ranges holds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TimeInterval {
    namespace: String,
    tenant: String,
    /// What rules call it by.
    name: String,
    time_ranges: Vec<Range>,
    /// IANA zone; UTC where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// Holds where each of its lists is empty or has an entry that holds, such as `monday:friday`, `-3:-1` or `june:august`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TimeRange)]
struct Range {
    times: Vec<Times>,
    weekdays: Vec<String>,
    days_of_month: Vec<String>,
    months: Vec<String>,
    years: Vec<String>,
}

/// A part of a day, from `start` to before `end`, as `HH:MM`; `24:00` is its end.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TimeOfDay)]
struct Times {
    #[serde(alias = "start_time")]
    start: String,
    #[serde(alias = "end_time")]
    end: String,
}

/// A tenant's time intervals.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TimeIntervalList {
    count: usize,
    time_intervals: Vec<TimeInterval>,
}

/// What is to be otherwise; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TimeIntervalChange)]
struct Update {
    time_ranges: Option<Vec<Range>>,
    location: Option<String>,
    description: Option<String>,
}

impl From<Range> for TimeRange {
    fn from(range: Range) -> Self {
        let times = range.times.into_iter().map(|Times { start, end }| TimeOfDay { start, end });
        Self {
            times: times.collect(),
            weekdays: range.weekdays,
            days_of_month: range.days_of_month,
            months: range.months,
            years: range.years,
        }
    }
}

fn definition(interval: TimeInterval) -> (Scope, TimeIntervalDefinition) {
    let TimeInterval { namespace, tenant, name, time_ranges, location, description } = interval;
    let time_ranges = time_ranges.into_iter().map(TimeRange::from).collect();
    (Scope { namespace, tenant }, TimeIntervalDefinition { name, description, location, time_ranges })
}

/// A tenant's time intervals
///
/// Those of the configuration are not among them.
#[utoipa::path(get, path = "/v1/time-intervals", tag = "time intervals", params(Scope), responses(
    (status = 200, description = "In the order in which they were made", body = TimeIntervalList),
    Question,
))]
async fn list(State(api): State<Api>, Params(scope): Params<Scope>) -> Result<Answer, ApiError> {
    ask(&api, scope, CommandKind::ListTimeIntervals {}).await
}

/// Defines a time interval of a tenant
///
/// Rules name it in `mute_time_intervals` and `active_time_intervals`. It takes the place of one of the configuration that
/// has its name, for this tenant.
#[utoipa::path(post, path = "/v1/time-intervals", tag = "time intervals", request_body = TimeInterval, responses(
    (status = 201, description = "It counts from now on", body = TimeInterval),
    Change, Refused<409>,
))]
async fn create(State(api): State<Api>, Json(body): Json<TimeInterval>) -> Result<Response, ApiError> {
    let (scope, interval) = definition(body);
    Ok(ask(&api, scope, CommandKind::CreateTimeInterval { interval }).await?.with(StatusCode::CREATED))
}

type Name = Segments<(String, String, String)>;

/// One time interval of a tenant
#[utoipa::path(get, path = "/v1/time-intervals/{namespace}/{tenant}/{name}", tag = "time intervals", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), responses((status = 200, description = "As it is now", body = TimeInterval), Question, Refused<404>))]
async fn show(
    State(api): State<Api>,
    Segments((namespace, tenant, name)): Name,
) -> Result<axum::Json<Value>, ApiError> {
    found(&api, Scope { namespace, tenant }, &name).await.map(axum::Json)
}

/// Changes a time interval of a tenant
#[utoipa::path(put, path = "/v1/time-intervals/{namespace}/{tenant}/{name}", tag = "time intervals", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), request_body = Update, responses(
    (status = 200, description = "As it is now", body = TimeInterval),
    Change, Refused<404>,
))]
async fn update(
    State(api): State<Api>,
    Segments((namespace, tenant, name)): Name,
    Json(change): Json<Update>,
) -> Result<Answer, ApiError> {
    let scope = Scope { namespace, tenant };
    let known = serde_json::from_value::<TimeInterval>(found(&api, scope.clone(), &name).await?);
    let known = known.map_err(|error| ApiError::refused("INVALID", &error.to_string()))?;
    let (_, interval) = definition(TimeInterval {
        time_ranges: change.time_ranges.unwrap_or(known.time_ranges),
        location: change.location.or(known.location),
        description: change.description.or(known.description),
        ..known
    });
    ask(&api, scope, CommandKind::UpdateTimeInterval { interval }).await
}

/// Removes a time interval of a tenant
#[utoipa::path(delete, path = "/v1/time-intervals/{namespace}/{tenant}/{name}", tag = "time intervals", params(
    ("namespace" = String, Path), ("tenant" = String, Path), ("name" = String, Path),
), responses((status = 200, description = "As it was", body = TimeInterval), Change, Refused<404>))]
async fn remove(State(api): State<Api>, Segments((namespace, tenant, name)): Name) -> Result<Answer, ApiError> {
    ask(&api, Scope { namespace, tenant }, CommandKind::DeleteTimeInterval { name }).await
}

async fn found(api: &Api, scope: Scope, name: &str) -> Result<Value, ApiError> {
    let mut list = ask(api, scope, CommandKind::ListTimeIntervals {}).await?.value()?;
    let all = list["time_intervals"].as_array_mut().map(std::mem::take).unwrap_or_default();
    all.into_iter().find(|interval| interval["name"] == json!(name)).ok_or_else(|| {
        ApiError::refused("NOT_FOUND", &format!("there is no time interval `{name}` of this tenant's own"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::testing::{Fate, Seen, Server};
    use serde_json::{Value, json};

    fn office() -> Value {
        json!({
            "namespace": "n", "tenant": "t", "name": "office", "location": "Europe/Berlin",
            "time_ranges": [{"times": [{"start": "09:00", "end": "17:00"}], "weekdays": ["monday:friday"]}],
        })
    }

    fn fate(seen: &Seen) -> Fate {
        let done = |result: Value| Fate::Outcome("command_done", json!({"CommandDone": {"result": result}}));
        let command = seen.value["command"].as_object().unwrap();
        let (name, asked) = command.iter().next().unwrap();
        match name.as_str() {
            "list_time_intervals" => done(json!({"count": 1, "time_intervals": [office()]})),
            "delete_time_interval" if asked["name"] != "office" => {
                let refused = json!({"CommandRefused": {"code": "NOT_FOUND", "message": "none"}});
                Fate::Outcome("command_refused", refused)
            }
            _ => done(office()),
        }
    }

    #[tokio::test]
    async fn intervals_are_commands_and_their_answers() {
        let server = Server::start(fate).await;
        let made = server.post("/v1/time-intervals", &office().to_string()).await;
        assert_eq!((made.status, &made.body["name"]), (201, &json!("office")));
        let sent = server.seen().remove(0);
        assert_eq!(sent.key, "n:t");
        let interval = &sent.value["command"]["create_time_interval"]["interval"];
        assert_eq!(interval["time_ranges"], office()["time_ranges"], "nothing empty is added");
        assert_eq!(server.get("/v1/time-intervals?namespace=n&tenant=t").await.body["count"], 1);
        let path = "/v1/time-intervals/n/t/office";
        assert_eq!(server.get(path).await.body, office());
        assert_eq!(server.request("PUT", path, "", r#"{"description": "work"}"#).await.status, 200);
        let sent = server.seen().pop().unwrap().value["command"]["update_time_interval"]["interval"].clone();
        assert_eq!((&sent["description"], &sent["location"]), (&json!("work"), &json!("Europe/Berlin")));
        assert_eq!(server.request("DELETE", path, "", "").await.status, 200);
    }

    #[tokio::test]
    async fn bad_intervals_are_refused() {
        let server = Server::start(fate).await;
        let cases = [
            ("POST", "/v1/time-intervals", r#"{"name": "x"}"#, 422),
            (
                "POST",
                "/v1/time-intervals",
                r#"{"namespace":"n","tenant":"t","name":"x","time_ranges":[{"hours":[]}]}"#,
                422,
            ),
            ("PUT", "/v1/time-intervals/n/t/office", r#"{"name": "other"}"#, 422),
            ("PUT", "/v1/time-intervals/n/t/other", "{}", 404),
            ("GET", "/v1/time-intervals/n/t/other", "", 404),
            ("DELETE", "/v1/time-intervals/n/t/other", "", 404),
            ("GET", "/v1/time-intervals?namespace=n", "", 400),
        ];
        for (method, path, body, status) in cases {
            assert_eq!(server.request(method, path, "", body).await.status, status, "{method} {path} {body}");
        }
    }
}
