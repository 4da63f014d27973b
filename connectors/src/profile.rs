//! Profiles: how a provider's payload is made from an action's. `[[profiles]]` name fields and their templates,
//! `[[templates]]` are texts that several of them share.

use crate::attachment;
use crate::config::ProviderConfig;
use crate::error::Error;
use crate::template::{Context, MAX_RENDERED_BYTES, Template, ValueTemplate};
use acteon_schemas::{Dispatch, MAX_NAME_BYTES, ProviderError, check_name, error_code as code};
pub use acteon_schemas::{ProfileDefinition, TemplateDefinition};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most templates, and most profiles.
pub const MAX_TEMPLATES: usize = 1_000;
/// Most fields of a profile.
const MAX_FIELDS: usize = 256;

/// All templates and profiles, as configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateLibrary {
    /// `[[templates]]`.
    pub templates: Vec<TemplateDefinition>,
    /// `[[profiles]]`.
    pub profiles: Vec<ProfileDefinition>,
}

impl TemplateLibrary {
    /// Checks that names are good and templates compile.
    ///
    /// # Errors
    /// [`Error::Template`] with the place of the key at fault.
    pub fn validate(&self) -> Result<(), Error> {
        Profiles::new(self).map(drop)
    }

    /// Checks that a provider's profile exists.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key `profile`.
    pub fn check_profile(&self, provider: &ProviderConfig) -> Result<(), Error> {
        let Some(name) = &provider.profile else { return Ok(()) };
        if self.profiles.iter().any(|profile| profile.name == *name) {
            return Ok(());
        }
        let problem = format!("is {name:?}, and there is no profile of that name; add it under [[profiles]]");
        Err(Error::provider(&provider.name, "profile", problem))
    }
}

/// The profiles, compiled.
#[derive(Debug, Default)]
pub(crate) struct Profiles(BTreeMap<String, BTreeMap<String, ValueTemplate>>);

impl Profiles {
    pub(crate) fn new(library: &TemplateLibrary) -> Result<Self, Error> {
        let bad = |place: String, problem: String| Error::Template { place, problem };
        for (list, count) in [("templates", library.templates.len()), ("profiles", library.profiles.len())] {
            if count > MAX_TEMPLATES {
                return Err(bad(list.to_owned(), format!("has {count} entries; the limit is {MAX_TEMPLATES}")));
            }
        }
        let mut templates = BTreeMap::new();
        for (index, definition) in library.templates.iter().enumerate() {
            let place = |key: &str| format!("templates[{index}].{key}");
            check_new(&definition.name, templates.contains_key(&definition.name))
                .map_err(|problem| bad(place("name"), problem))?;
            let template = Template::text(&definition.content).map_err(|problem| bad(place("content"), problem))?;
            templates.insert(definition.name.clone(), template);
        }
        let mut profiles = BTreeMap::new();
        for (index, definition) in library.profiles.iter().enumerate() {
            let place = |key: &str| format!("profiles[{index}].{key}");
            check_new(&definition.name, profiles.contains_key(&definition.name))
                .map_err(|problem| bad(place("name"), problem))?;
            if definition.fields.is_empty() || definition.fields.len() > MAX_FIELDS {
                let problem = format!("has {} entries; it must have 1 to {MAX_FIELDS}", definition.fields.len());
                return Err(bad(place("fields"), problem));
            }
            let mut fields = BTreeMap::new();
            for (field, source) in &definition.fields {
                let value = ValueTemplate::compile(source, &|name| templates.get(name).cloned())
                    .map_err(|problem| bad(place(&format!("fields.{field}")), problem))?;
                fields.insert(field.clone(), value);
            }
            profiles.insert(definition.name.clone(), fields);
        }
        Ok(Self(profiles))
    }

    /// The payload that a profile makes; `None` where the dispatch's own is sent.
    ///
    /// An action's `template` goes before the provider's own profile. Where no profiles are configured at all, it is the
    /// application's own field and means nothing here. A payload that a tenant's own profile has made is sent as it is.
    fn payload(
        &self,
        dispatch: &Dispatch<'_>,
        own: Option<&str>,
    ) -> Result<Option<Box<RawValue>>, ProviderError<'static>> {
        if self.0.is_empty() || dispatch.rendered_by.is_some() {
            return Ok(None);
        }
        let wanted = match dispatch.extra.get("template") {
            None | Some(Value::Null) => own,
            Some(Value::String(name)) => Some(name.as_str()),
            Some(_) => return Err(invalid("the action's `template` is not a string".to_owned())),
        };
        let Some(name) = wanted else { return Ok(None) };
        let fields = self
            .0
            .get(name)
            .ok_or_else(|| invalid(format!("there is no profile {name:?}; those configured are {}", self.names())))?;
        let context = Context::of(dispatch);
        let mut payload = match serde_json::from_str(dispatch.payload.get()) {
            Ok(Value::Object(payload)) => payload,
            _ => Map::new(),
        };
        for (field, template) in fields {
            let value = template
                .render(&context)
                .map_err(|problem| invalid(format!("field `{field}` of profile {name:?} can't be made: {problem}")))?;
            payload.insert(field.clone(), value);
        }
        let payload = to_raw_value(&payload).map_err(|error| invalid(error.to_string()))?;
        if payload.get().len() > MAX_RENDERED_BYTES {
            let length = payload.get().len();
            return Err(invalid(format!("profile {name:?} makes {length} bytes; the limit is {MAX_RENDERED_BYTES}")));
        }
        Ok(Some(payload))
    }

    fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// What happens to a provider's dispatches before it is called.
#[derive(Debug)]
pub(crate) struct Preparation {
    pub(crate) profiles: Arc<Profiles>,
    /// The provider's own profile.
    pub(crate) own: Option<String>,
}

impl Preparation {
    /// The dispatch with the payload that its profile makes and attachments that are within their limits; `None` where
    /// it stays as it is.
    ///
    /// # Errors
    /// What to report where it can't be sent.
    pub(crate) fn prepare<'a>(&self, dispatch: &Dispatch<'a>) -> Result<Option<Dispatch<'a>>, ProviderError<'static>> {
        attachment::of(dispatch)?;
        let payload = self.profiles.payload(dispatch, self.own.as_deref())?;
        Ok(payload.map(|payload| Dispatch { payload: std::borrow::Cow::Owned(payload), ..dispatch.clone() }))
    }
}

fn check_new(name: &str, is_known: bool) -> Result<(), String> {
    check_name("name", name, MAX_NAME_BYTES).map_err(|error| format!("is refused: {error}"))?;
    if is_known { Err(format!("is {name:?}, as of one before it; names tell them apart")) } else { Ok(()) }
}

fn invalid(message: String) -> ProviderError<'static> {
    ProviderError { code: code::VALIDATION.into(), message: message.into(), retryable: false, retry_after_ms: None }
}

#[cfg(test)]
mod tests;
