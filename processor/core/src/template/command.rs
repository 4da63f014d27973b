//! Commands about templates and profiles.

use super::kept::{Defined, Kept, decode, exists, load, prefix, remove, store};
use super::render;
use crate::page;
use crate::policy::{check_labels, check_text};
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_rules::tenant;
use acteon_schemas::{CommandKind, MAX_NAME_BYTES, ProfileDefinition, TemplateDefinition};
use serde_json::json;
use std::collections::BTreeMap;

/// Most fields of a profile.
const MAX_FIELDS: usize = 64;
/// Largest fields of a profile, in bytes of JSON.
const MAX_FIELDS_BYTES: usize = 32 * 1024;
/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// Carries out a command about templates and profiles; `None` for any other.
pub(crate) fn command<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    command: &CommandKind,
) -> Result<Option<Reply>, StateError> {
    Ok(Some(match command {
        CommandKind::CreateTemplate { template } => match check_template(template) {
            Ok(()) => create(turn, scope, template)?,
            Err(problem) => Reply::invalid(problem),
        },
        CommandKind::UpdateTemplate { template } => match check_template(template) {
            Ok(()) => update(turn, scope, template)?,
            Err(problem) => Reply::invalid(problem),
        },
        CommandKind::DeleteTemplate { name } => match user(turn, scope, name)? {
            None => delete::<TemplateDefinition, _, _>(turn, scope, name)?,
            Some(profile) => Reply::conflict(format!("the profile `{profile}` refers to the template `{name}`")),
        },
        CommandKind::ListTemplates { page } => list::<TemplateDefinition, _, _>(turn, scope, page)?,
        CommandKind::ShowTemplate { name } => show::<TemplateDefinition, _, _>(turn, scope, name)?,
        CommandKind::CreateProfile { profile } => match check_profile(turn, scope, profile)? {
            Ok(()) => create(turn, scope, profile)?,
            Err(problem) => Reply::invalid(problem),
        },
        CommandKind::UpdateProfile { profile } => match check_profile(turn, scope, profile)? {
            Ok(()) => update(turn, scope, profile)?,
            Err(problem) => Reply::invalid(problem),
        },
        CommandKind::DeleteProfile { name } => delete::<ProfileDefinition, _, _>(turn, scope, name)?,
        CommandKind::ListProfiles { page } => list::<ProfileDefinition, _, _>(turn, scope, page)?,
        CommandKind::ShowProfile { name } => show::<ProfileDefinition, _, _>(turn, scope, name)?,
        CommandKind::RenderTemplate { request } => render::of_request(turn, scope, request)?,
        _ => return Ok(None),
    }))
}

fn create<T: Defined + Clone, S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    definition: &T,
) -> Result<Reply, StateError> {
    let (name, noun) = (definition.name(), T::NOUN);
    if exists::<T>(turn.state, scope, name)? {
        return Ok(Reply::conflict(format!("{}/{} has a {noun} `{name}` already; update it", scope.0, scope.1)));
    }
    if turn.state.scan(&prefix::<T>(scope), T::MOST)?.len() >= T::MOST {
        let message = format!("{}/{} has {} {}, which is the most", scope.0, scope.1, T::MOST, T::PLURAL);
        return Ok(Reply::Refused { code: "LIMIT", message });
    }
    let kept = Kept { definition: definition.clone(), created_at: turn.now, updated_at: turn.now };
    store(turn.state, scope, &kept);
    Ok(Reply::done(kept.shown(scope)))
}

fn update<T: Defined + Clone, S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    definition: &T,
) -> Result<Reply, StateError> {
    let Some(known) = load::<T>(turn.state, scope, definition.name())? else {
        return Ok(unknown::<T>(scope, definition.name()));
    };
    let kept = Kept { definition: definition.clone(), updated_at: turn.now, ..known };
    store(turn.state, scope, &kept);
    Ok(Reply::done(kept.shown(scope)))
}

fn delete<T: Defined, S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    name: &str,
) -> Result<Reply, StateError> {
    let Some(known) = load::<T>(turn.state, scope, name)? else { return Ok(unknown::<T>(scope, name)) };
    remove::<T>(turn.state, scope, name);
    Ok(Reply::done(known.shown(scope)))
}

fn show<T: Defined, S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    name: &str,
) -> Result<Reply, StateError> {
    let known = load::<T>(turn.state, scope, name)?;
    Ok(known.map_or_else(|| unknown::<T>(scope, name), |known| Reply::done(known.shown(scope))))
}

fn list<T: Defined, S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    page: &acteon_schemas::Page,
) -> Result<Reply, StateError> {
    page::list(turn.state, &prefix::<T>(scope), page, T::PLURAL, |_, stored| {
        Ok(Some(decode::<T>(stored)?.shown(scope)))
    })
}

fn unknown<T: Defined>(scope: (&str, &str), name: &str) -> Reply {
    Reply::not_found(format!("{}/{} has no {} `{name}` of its own", scope.0, scope.1, T::NOUN))
}

/// The first profile that refers to a template.
fn user<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    template: &str,
) -> Result<Option<String>, StateError> {
    for key in turn.state.scan(&prefix::<ProfileDefinition>(scope), ProfileDefinition::MOST)? {
        let Some(stored) = turn.state.get(&key)? else { continue };
        let profile = decode::<ProfileDefinition>(stored)?.definition;
        if profile.fields.values().any(|field| tenant::references(field).contains(template)) {
            return Ok(Some(profile.name));
        }
    }
    Ok(None)
}

fn check_template(template: &TemplateDefinition) -> Result<(), String> {
    check_about(&template.name, template.description.as_deref(), &template.labels)?;
    tenant::check_text(&template.content).map_err(|problem| format!("`content`: {problem}"))
}

fn check_profile<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    scope: (&str, &str),
    profile: &ProfileDefinition,
) -> Result<Result<(), String>, StateError> {
    if let Err(problem) = check_about(&profile.name, profile.description.as_deref(), &profile.labels) {
        return Ok(Err(problem));
    }
    let fields = &profile.fields;
    if fields.is_empty() || fields.len() > MAX_FIELDS {
        return Ok(Err(format!("`fields` has {} entries; give 1 to {MAX_FIELDS}", fields.len())));
    }
    let bytes = json!(fields).to_string().len();
    if bytes > MAX_FIELDS_BYTES {
        return Ok(Err(format!("`fields` has {bytes} bytes; {MAX_FIELDS_BYTES} are allowed")));
    }
    for (field, source) in fields {
        let names = match check_text("fields", field, 1, MAX_NAME_BYTES).and_then(|()| tenant::check(source)) {
            Ok(names) => names,
            Err(problem) => return Ok(Err(format!("`fields.{field}`: {problem}"))),
        };
        for name in names {
            if !exists::<TemplateDefinition>(turn.state, scope, &name)? {
                return Ok(Err(format!("`fields.{field}`: {}/{} has no template `{name}`", scope.0, scope.1)));
            }
        }
    }
    Ok(Ok(()))
}

fn check_about(name: &str, description: Option<&str>, labels: &BTreeMap<String, String>) -> Result<(), String> {
    check_text("name", name, 1, MAX_NAME_BYTES)?;
    check_text("description", description.unwrap_or(""), 0, MAX_DESCRIPTION_BYTES)?;
    check_labels(labels)
}
