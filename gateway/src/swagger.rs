//! The API's document, and Swagger UI to read it with: its files come from the archive that a crate carries. The crate that
//! wraps it as routes is left out: what its build script needs has RocksDB built anew.

use crate::api::ApiError;
use crate::api::openapi::{DOCUMENT_PATH, UI_PATH};
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::io::{Cursor, Read as _};
use std::sync::Arc;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// The files that the page loads, with their media types.
const FILES: [(&str, &str); 7] = [
    ("index.html", "text/html; charset=utf-8"),
    ("index.css", "text/css; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-standalone-preset.js", "text/javascript; charset=utf-8"),
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
];
/// The script that starts the page; the archive's own would show an example.
const INITIALIZER: &str = "swagger-initializer.js";
/// Largest file of the page, in bytes.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Routes of the document and the page.
pub(crate) fn router(document: OpenApi) -> Router {
    let document = Arc::new(document);
    Router::new()
        .route(DOCUMENT_PATH, get(move || async move { Json(Arc::clone(&document)) }))
        .route(UI_PATH, get(|| async { Redirect::permanent(&format!("{UI_PATH}/")) }))
        .route(&format!("{UI_PATH}/"), get(|| async { file("index.html") }))
        .route(&format!("{UI_PATH}/{{name}}"), get(|Path(name): Path<String>| async move { file(&name) }))
}

/// A file of the page, unpacked for the request: few people look, and seldom.
fn file(name: &str) -> Response {
    if name == INITIALIZER {
        let script = format!(
            "window.onload = () => {{ window.ui = SwaggerUIBundle({{ url: \"{DOCUMENT_PATH}\", dom_id: \"#swagger-ui\", \
             deepLinking: true, presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset], \
             layout: \"StandaloneLayout\" }}); }};\n"
        );
        return ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], script).into_response();
    }
    let found = FILES.iter().find(|(file, _)| *file == name).and_then(|(file, kind)| Some((unpacked(file)?, *kind)));
    match found {
        Some((bytes, kind)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => {
            ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no {UI_PATH}/{name}")).into_response()
        }
    }
}

fn unpacked(name: &str) -> Option<Bytes> {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).ok()?;
    let end = format!("/dist/{name}");
    let place = archive.file_names().flatten().find(|path| path.ends_with(&end))?.into_owned();
    let mut bytes = Vec::new();
    archive.by_name(&place).ok()?.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_has_all_that_the_page_loads() {
        let page = unpacked("index.html").unwrap();
        let page = std::str::from_utf8(&page).unwrap();
        for name in page.split(['"', '\'']).filter_map(|part| part.strip_prefix("./")) {
            assert!(name == INITIALIZER || FILES.iter().any(|(file, _)| *file == name), "{name}");
        }
        for (name, _) in FILES {
            assert_eq!(file(name).status(), StatusCode::OK, "{name}");
        }
        assert_eq!(file("package.json").status(), StatusCode::NOT_FOUND);
    }
}
