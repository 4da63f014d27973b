//! Whether an answer is one that the OpenAPI document names.

use serde_json::Value;

/// Checks an answer's body against the document.
///
/// # Errors
/// The document has no such path, method or status; or the body is of another shape, with the place.
pub(super) fn check(document: &Value, method: &str, path: &str, status: u16, body: &Value) -> Result<(), String> {
    let path = path.split('?').next().unwrap_or_default();
    let paths = document["paths"].as_object().ok_or("no paths")?;
    // A path without variables comes before one that has some.
    let found =
        paths.get(path).or_else(|| paths.iter().find(|(template, _)| leads_to(template, path)).map(|(_, item)| item));
    let operation = &found.ok_or("no such path")?[method.to_lowercase()];
    let response = &operation["responses"][status.to_string()];
    let schema = &response["content"]["application/json"]["schema"];
    if schema.is_null() {
        return Err(format!("the document does not name the status {status}"));
    }
    fits(document, schema, body, "$")
}

fn leads_to(template: &str, path: &str) -> bool {
    let (wanted, given) = (template.split('/'), path.split('/'));
    wanted.clone().count() == given.clone().count()
        && wanted.zip(given).all(|(wanted, given)| wanted == given || wanted.starts_with('{'))
}

fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return fits(document, &document["components"]["schemas"][name], value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let tried: Vec<_> = choices.iter().map(|choice| fits(document, choice, value, at)).collect();
        return match tried.iter().filter(|tried| tried.is_ok()).count() {
            1 => Ok(()),
            number => Err(format!("{at}: {number} of the shapes fit {value}: {tried:?}")),
        };
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        return Err(format!("{at}: {value} is none of {allowed:?}"));
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if !types.iter().any(|name| is_of(name, value)) {
        return Err(format!("{at}: {value} is not {}", types.join(" or ")));
    }
    match value {
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if let Some(missing) = required.into_iter().find(|name| !fields.contains_key(*name)) {
                return Err(format!("{at}: `{missing}` is missing"));
            }
            fields.iter().try_for_each(|(name, value)| {
                let at = format!("{at}.{name}");
                match (&schema["properties"][name], &schema["additionalProperties"]) {
                    (Value::Null, Value::Bool(false)) => Err(format!("{at} is not in the document")),
                    (Value::Null, rest) => fits(document, rest, value, &at),
                    (own, _) => fits(document, own, value, &at),
                }
            })
        }
        Value::Array(items) => {
            items.iter().try_for_each(|item| fits(document, &schema["items"], item, &format!("{at}[]")))
        }
        _ => Ok(()),
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_document_does_not_name_is_refused() {
        let schema = json!({
            "type": "object", "required": ["n"], "additionalProperties": false,
            "properties": {"n": {"type": "integer"}, "of": {"oneOf": [{"type": "null"}, {"$ref": "#/x/One"}]}},
        });
        let operation = json!({"get": {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}});
        let one = json!({"type": "array", "items": {"type": "string", "enum": ["a"]}});
        let document = json!({"paths": {"/p/{id}": operation}, "components": {"schemas": {"One": one}}});
        let check = |path: &str, status: u16, body: &Value| check(&document, "GET", path, status, body);
        assert_eq!(check("/p/7?q=1", 200, &json!({"n": 1, "of": ["a"]})), Ok(()));
        for (path, status, body) in [
            ("/q", 200, json!({"n": 1})),
            ("/p/7", 404, json!({"n": 1})),
            ("/p/7", 200, json!({})),
            ("/p/7", 200, json!({"n": "1"})),
            ("/p/7", 200, json!({"n": 1, "m": 1})),
            ("/p/7", 200, json!({"n": 1, "of": ["b"]})),
            ("/p/7", 200, json!([])),
        ] {
            assert!(check(path, status, &body).is_err(), "{path} {status} {body}");
        }
    }
}
