//! How long requests take, by route.

use crate::clock;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use matchit::Router;
use metrics::SharedString;
use std::sync::Arc;
use utoipa::openapi::OpenApi;

/// What stands for the route of a path that the document does not have: the path itself is anybody's choice, and each would
/// be a series of its own.
const OTHER: &str = "other";

/// The routes that are told apart: those of the document.
#[derive(Clone)]
pub(crate) struct Routes(Arc<Router<Arc<str>>>);

impl Routes {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let mut routes = Router::new();
        for path in document.paths.paths.keys() {
            if let Err(error) = routes.insert(path.as_str(), Arc::from(path.as_str())) {
                tracing::warn!(%error, path, "requests for a route are counted among others");
            }
        }
        Self(Arc::new(routes))
    }

    fn find(&self, path: &str) -> SharedString {
        self.0.at(path).map_or_else(|_| OTHER.into(), |found| Arc::clone(found.value).into())
    }
}

/// Measures how long a request takes until its answer begins.
pub(crate) async fn measure(State(routes): State<Routes>, request: Request, next: Next) -> Response {
    let (method, route) = (method(request.method()), routes.find(request.uri().path()));
    let begun = clock::now();
    let response = next.run(request).await;
    let took = clock::now().saturating_duration_since(begun);
    let status = class(response.status());
    metrics::histogram!("acteon_http_request_seconds", "method" => method, "route" => route, "status" => status)
        .record(took);
    response
}

/// Methods that no route has are one series.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => OTHER,
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::testing::{Fate, Server};
    use crate::metrics::recorder;
    use std::collections::BTreeMap;

    #[test]
    fn each_route_of_the_document_is_told_apart() {
        let api = crate::api::Api::new(crate::ApiLimits::default());
        let document = crate::api::router(&api).1;
        let routes = Routes::of(&document);
        assert!(document.paths.paths.len() > 50);
        for path in document.paths.paths.keys() {
            assert_eq!(&*routes.find(path), path.as_str(), "a path in braces fits itself");
        }
    }

    #[tokio::test]
    async fn requests_are_counted_by_route_and_never_by_path() {
        let recorder = recorder().unwrap();
        // The server's tasks run on this thread.
        let _guard = metrics::set_default_local_recorder(&recorder);
        let server = Server::start(|_| Fate::Silent).await;
        for path in ["/v1/rules", "/v1/chains/definitions/a", "/v1/chains/definitions/b", "/secret/1", "/secret/2"] {
            server.get(path).await;
        }
        server.request("POST", "/v1/rules", "", "").await;
        server.request("BREW", "/v1/rules", "", "").await;
        let text = recorder.handle().render();
        let counts: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("acteon_http_request_seconds_count"))
            .filter_map(|line| line.rsplit_once(' '))
            .collect();
        let expected = [
            (r#"{method="GET",route="/v1/chains/definitions/{name}",status="4xx"}"#, "2"),
            (r#"{method="GET",route="/v1/rules",status="2xx"}"#, "1"),
            (r#"{method="GET",route="other",status="4xx"}"#, "2"),
            (r#"{method="POST",route="/v1/rules",status="4xx"}"#, "1"),
            (r#"{method="other",route="/v1/rules",status="4xx"}"#, "1"),
        ];
        assert_eq!(counts, BTreeMap::from(expected), "{text}");
        assert!(text.contains(r#"status="2xx",le="0.0001"}"#), "{text}");
    }
}
