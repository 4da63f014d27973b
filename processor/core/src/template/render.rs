//! What a tenant's profile makes of a payload.

use super::kept::load;
use crate::record::Decided;
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::Subject;
use acteon_rules::tenant::{self, Renderer};
use acteon_schemas::{MAX_NAME_BYTES, ProfileDefinition, RenderRequest, TemplateDefinition};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The field of an action that names a profile.
const TEMPLATE: &str = "template";

/// A payload that a tenant's own profile has made.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) payload: Box<RawValue>,
    /// The profile's name.
    pub(crate) profile: String,
    /// The action's other fields, without the name of the profile.
    pub(crate) extra: Map<String, Value>,
}

/// What the profile makes of the payload of an action that is about to be dispatched; `None` where it names no profile
/// of its tenant. The inner error says why it can't be sent.
pub(crate) fn of_action<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    decided: &Decided<'_, '_>,
) -> Result<Result<Option<Rendered>, String>, StateError> {
    let subject = decided.subject;
    let Some(Value::String(name)) = subject.extra.get(TEMPLATE) else { return Ok(Ok(None)) };
    let scope = (subject.namespace, subject.tenant);
    let Some(profile) = profile(turn, scope, name)? else { return Ok(Ok(None)) };
    let fields = match fields(turn, scope, &profile, subject)? {
        Ok(fields) => fields,
        Err(problem) => return Ok(Err(problem)),
    };
    let mut payload = subject.payload.as_object().cloned().unwrap_or_default();
    payload.extend(fields);
    let Ok(payload) = to_raw_value(&payload) else {
        return Ok(Err(format!("the payload that profile `{name}` makes is no JSON")));
    };
    let mut extra = subject.extra.clone();
    extra.remove(TEMPLATE);
    Ok(Ok(Some(Rendered { payload, profile: profile.name, extra })))
}

/// `render_template`.
pub(super) fn of_request<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    request: &RenderRequest,
) -> Result<Reply, StateError> {
    let extra = Map::new();
    let subject = Subject {
        id: "",
        namespace: scope.0,
        tenant: scope.1,
        provider: Cow::Borrowed(""),
        action_type: "",
        payload: Cow::Borrowed(&request.payload),
        metadata: &request.metadata,
        dedup_key: None,
        status: None,
        fingerprint: None,
        extra: &extra,
    };
    let wanted = request.template.as_str();
    if let Some(profile) = profile(turn, scope, wanted)? {
        let fields = fields(turn, scope, &profile, &subject)?;
        return Ok(fields.map_or_else(Reply::invalid, |fields| Reply::done(json!({"rendered": fields}))));
    }
    let text = match text(turn, scope, wanted)? {
        Some(text) => text,
        None if wanted.contains("{{") || wanted.contains("{%") => wanted.to_owned(),
        None => {
            let message = format!("{}/{} has no profile and no template `{wanted}` of its own", scope.0, scope.1);
            return Ok(Reply::not_found(message));
        }
    };
    let made = Renderer::new(&subject, turn.now).and_then(|mut renderer| renderer.render_text(&text));
    Ok(made.map_or_else(Reply::invalid, |content| Reply::done(json!({"rendered": {"content": content}}))))
}

fn profile<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    name: &str,
) -> Result<Option<ProfileDefinition>, StateError> {
    // No definition has such a name, and it would make a key as long.
    if name.len() > MAX_NAME_BYTES {
        return Ok(None);
    }
    Ok(load::<ProfileDefinition>(turn.state, scope, name)?.map(|kept| kept.definition))
}

fn text<S: State, E>(turn: &mut Turn<'_, S, E>, scope: (&str, &str), name: &str) -> Result<Option<String>, StateError> {
    if name.len() > MAX_NAME_BYTES {
        return Ok(None);
    }
    Ok(load::<TemplateDefinition>(turn.state, scope, name)?.map(|kept| kept.definition.content))
}

/// The fields that a profile sets; or which one can't be made, and why.
fn fields<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    profile: &ProfileDefinition,
    subject: &Subject<'_>,
) -> Result<Result<Map<String, Value>, String>, StateError> {
    let name = &profile.name;
    let mut texts = BTreeMap::new();
    for reference in profile.fields.values().flat_map(tenant::references) {
        if let Some(text) = text(turn, scope, reference)? {
            texts.insert(reference, text);
        }
    }
    let mut renderer = match Renderer::new(subject, turn.now) {
        Ok(renderer) => renderer,
        Err(problem) => return Ok(Err(format!("profile `{name}` can't be used: {problem}"))),
    };
    let mut fields = Map::new();
    for (field, source) in &profile.fields {
        match renderer.render(source, &|name| texts.get(name).cloned()) {
            Ok(value) => fields.insert(field.clone(), value),
            Err(problem) => return Ok(Err(format!("field `{field}` of profile `{name}` can't be made: {problem}"))),
        };
    }
    Ok(Ok(fields))
}
