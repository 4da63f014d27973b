use super::template::{Filling, Template, Unfilled, is_pointer};
use super::{SettingsError, Signature, Unsigned};
use acteon_schemas::{Action, MAX_NAME_BYTES, Metadata};
use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most actions that are made of one request.
pub const MAX_INTAKE_ITEMS: usize = 1_000;
/// Most labels that an intake gives an action.
pub const MAX_INTAKE_LABELS: usize = 64;

/// How an intake makes actions, as configured. Texts are [`Template`]s; what is empty is not set.
#[derive(Debug, Clone, Default)]
pub struct IntakeSettings {
    /// What its path ends with.
    pub name: String,
    /// Fields that every action has.
    pub namespace: String,
    /// As above.
    pub tenant: String,
    /// As above.
    pub provider: String,
    /// As above.
    pub action_type: String,
    /// JSON pointer to the list of which each entry becomes an action; without it the body becomes one.
    pub items: Option<String>,
    /// JSON pointer from an item to its action's payload; without it that is the item.
    pub payload: Option<String>,
    /// The action's id: senders that repeat a request repeat it. A random one where there is nothing to fill in.
    pub id: Option<String>,
    /// Left out where there is nothing to fill in, as all that follow.
    pub dedup_key: Option<String>,
    /// The state that the action's event shall enter.
    pub status: Option<String>,
    /// The event that the action belongs to.
    pub fingerprint: Option<String>,
    /// When what the action tells of began (RFC 3339).
    pub starts_at: Option<String>,
    /// When it ended.
    pub ends_at: Option<String>,
    /// The action's labels.
    pub labels: BTreeMap<String, String>,
}

/// A checked [`IntakeSettings`], and who may send.
#[derive(Debug, Clone)]
pub struct Intake {
    name: String,
    items: Option<String>,
    payload: Option<String>,
    required: [(&'static str, Template); 4],
    optional: Vec<(&'static str, Template)>,
    labels: BTreeMap<String, Template>,
    signature: Option<Signature>,
}

/// A request, taken apart as far as every intake does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r [u8],
    /// Milliseconds since 1970.
    pub(crate) now: i64,
}

/// Why no action is made of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody knows who sent it.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// It is no JSON.
    #[error("the body is no JSON: {0}")]
    NoJson(String),
    /// It lacks what the intake's settings ask for, or has too much.
    #[error("{0}")]
    Shape(String),
}

impl Intake {
    /// Checks settings.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn new(settings: IntakeSettings, signature: Option<Signature>) -> Result<Self, SettingsError> {
        check_name(&settings.name)?;
        for (key, pointer) in [("items", &settings.items), ("payload", &settings.payload)] {
            if let Some(pointer) = pointer.as_deref().filter(|pointer| !is_pointer(pointer)) {
                let problem = format!("is {pointer:?}; it must be a JSON pointer such as /events");
                return Err(SettingsError::new(key, problem));
            }
        }
        if settings.labels.len() > MAX_INTAKE_LABELS {
            let problem = format!("has {} entries; the limit is {MAX_INTAKE_LABELS}", settings.labels.len());
            return Err(SettingsError::new("labels", problem));
        }
        let required = |key, source: &str| Ok((key, Template::parse(key, source)?));
        let optional = [
            ("id", &settings.id),
            ("dedup_key", &settings.dedup_key),
            ("status", &settings.status),
            ("fingerprint", &settings.fingerprint),
            ("starts_at", &settings.starts_at),
            ("ends_at", &settings.ends_at),
        ];
        let optional = optional
            .into_iter()
            .filter_map(|(key, source)| Some(Template::parse(key, source.as_deref()?).map(|template| (key, template))));
        let labels = settings.labels.iter().map(|(name, source)| {
            Template::parse(&format!("labels.{name}"), source).map(|template| (name.clone(), template))
        });
        Ok(Self {
            required: [
                required("namespace", &settings.namespace)?,
                required("tenant", &settings.tenant)?,
                required("provider", &settings.provider)?,
                required("action_type", &settings.action_type)?,
            ],
            optional: optional.collect::<Result<_, _>>()?,
            labels: labels.collect::<Result<_, _>>()?,
            name: settings.name,
            items: settings.items,
            payload: settings.payload,
            signature,
        })
    }

    /// What its path ends with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The actions of a request, as JSON.
    pub(crate) fn actions(&self, request: Request<'_>) -> Result<Vec<Vec<u8>>, Refused> {
        if let Some(signature) = &self.signature {
            signature.check(request.headers, request.body, request.now)?;
        }
        let no_json = |error: serde_json::Error| Refused::NoJson(error.to_string());
        let body: Value = serde_json::from_slice(request.body).map_err(no_json)?;
        let raw: &RawValue = serde_json::from_slice(request.body).map_err(no_json)?;
        let Some(pointer) = &self.items else {
            let filling = Filling { item: &body, body: &body, headers: request.headers };
            return self.action(filling, raw).map(|action| vec![action]).map_err(Refused::Shape);
        };
        let missing =
            || Refused::Shape(format!("`{pointer}` is no list; the intake `{}` makes actions of it", self.name));
        let items = body.pointer(pointer).and_then(Value::as_array).ok_or_else(missing)?;
        let texts: Vec<&RawValue> =
            at(raw, pointer).and_then(|list| serde_json::from_str(list.get()).ok()).ok_or_else(missing)?;
        if items.len() > MAX_INTAKE_ITEMS {
            let problem = format!("`{pointer}` has {} entries; the limit is {MAX_INTAKE_ITEMS}", items.len());
            return Err(Refused::Shape(problem));
        }
        let made = items.iter().zip(texts).enumerate().map(|(index, (item, text))| {
            let filling = Filling { item, body: &body, headers: request.headers };
            self.action(filling, text).map_err(|problem| Refused::Shape(format!("`{pointer}/{index}`: {problem}")))
        });
        made.collect()
    }

    /// One action. Its payload is passed on as it came.
    fn action(&self, filling: Filling<'_>, text: &RawValue) -> Result<Vec<u8>, String> {
        let required = |index: usize| {
            let (key, template): &(_, Template) = &self.required[index];
            template.fill(filling).map_err(|problem| format!("field `{key}`: {problem}"))
        };
        let payload = match &self.payload {
            None => text,
            Some(pointer) => at(text, pointer).ok_or_else(|| format!("field `payload`: there is no `{pointer}`"))?,
        };
        let mut action = Action {
            id: None,
            namespace: Cow::Owned(required(0)?),
            tenant: Cow::Owned(required(1)?),
            provider: Cow::Owned(required(2)?),
            action_type: Cow::Owned(required(3)?),
            payload: Cow::Borrowed(payload),
            metadata: Metadata::default(),
            dedup_key: None,
            status: None,
            fingerprint: None,
            created_at: None,
            dispatch_at: None,
            extra: serde_json::Map::new(),
        };
        for (key, template) in &self.optional {
            let Some(text) = filled(key, template, filling)? else { continue };
            match *key {
                "id" => action.id = Some(Cow::Owned(text)),
                "dedup_key" => action.dedup_key = Some(Cow::Owned(text)),
                "status" => action.status = Some(Cow::Owned(text)),
                "fingerprint" => action.fingerprint = Some(Cow::Owned(text)),
                other => drop(action.extra.insert(other.to_owned(), Value::String(text))),
            }
        }
        for (name, template) in &self.labels {
            if let Some(text) = filled(name, template, filling)? {
                action.metadata.0.insert(name.clone(), text);
            }
        }
        serde_json::to_vec(&action).map_err(|error| error.to_string())
    }
}

/// The text of a field that may be left out.
fn filled(key: &str, template: &Template, filling: Filling<'_>) -> Result<Option<String>, String> {
    match template.fill(filling) {
        Ok(text) => Ok(Some(text)),
        Err(Unfilled::Missing(_)) => Ok(None),
        Err(problem) => Err(format!("field `{key}`: {problem}")),
    }
}

/// An intake's name is a part of its path.
fn check_name(name: &str) -> Result<(), SettingsError> {
    let is_part = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !is_part || name.starts_with('.') {
        let problem = format!("is {name:?}; a path ends with it, so it has letters, digits, `-`, `_` and `.`");
        return Err(SettingsError::new("name", problem));
    }
    Ok(())
}

/// What stands at a JSON pointer, as it came.
fn at<'t>(text: &'t RawValue, pointer: &str) -> Option<&'t RawValue> {
    pointer.split('/').skip(1).try_fold(text, |text, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match text.get().as_bytes().first()? {
            b'{' => serde_json::from_str::<BTreeMap<Cow<'t, str>, &'t RawValue>>(text.get()).ok()?.remove(&*step),
            b'[' => {
                serde_json::from_str::<Vec<&'t RawValue>>(text.get()).ok()?.get(step.parse::<usize>().ok()?).copied()
            }
            _ => None,
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> IntakeSettings {
        IntakeSettings {
            name: "shop".to_owned(),
            namespace: "shop".to_owned(),
            tenant: "{{/tenant|acme}}".to_owned(),
            provider: "log".to_owned(),
            action_type: "order.{{/type}}".to_owned(),
            ..IntakeSettings::default()
        }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn actions(settings: IntakeSettings, body: &str) -> Result<Vec<String>, Refused> {
        let headers = HeaderMap::new();
        let request = Request { headers: &headers, body: body.as_bytes(), now: 0 };
        let actions = Intake::new(settings, None).unwrap().actions(request)?;
        Ok(actions.into_iter().map(|action| String::from_utf8(action).unwrap()).collect())
    }

    #[test]
    fn a_body_becomes_an_action_and_its_numbers_stay_as_they_are() {
        let body = r#"{"type": "paid", "amount": 12345678901234567890123.50}"#;
        let made = actions(settings(), body).unwrap();
        let expected = format!(
            r#"{{"namespace":"shop","tenant":"acme","provider":"log","action_type":"order.paid","payload":{body}}}"#
        );
        assert_eq!(made, [expected]);
    }

    #[test]
    fn each_entry_of_a_list_becomes_an_action() {
        let settings = IntakeSettings {
            items: some("/data/events"),
            payload: some("/object"),
            id: some("{{/id}}"),
            dedup_key: some("{{/key}}"),
            status: some("{{/state}}"),
            fingerprint: some("{{/object/order}}"),
            starts_at: some("{{/since}}"),
            labels: BTreeMap::from([
                ("shop".to_owned(), "{{body/shop}}".to_owned()),
                ("no".to_owned(), "{{/no}}".to_owned()),
            ]),
            ..settings()
        };
        let body = json!({"shop": "s1", "data": {"events": [
            {"id": "e1", "type": "paid", "key": "k", "state": "paid", "since": "2026-03-02T10:00:00Z", "object": {"order": 1}},
            {"type": "sent", "object": {"order": 2}},
        ]}});
        let made = actions(settings, &body.to_string()).unwrap();
        let made: Vec<Value> = made.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let common = json!({"namespace": "shop", "tenant": "acme", "provider": "log"});
        let expected = |more: Value| {
            let mut action = common.clone();
            action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            action
        };
        assert_eq!(
            made[0],
            expected(json!({"action_type": "order.paid", "id": "e1", "dedup_key": "k", "status": "paid",
            "fingerprint": "1", "starts_at": "2026-03-02T10:00:00Z", "payload": {"order": 1}, "metadata": {"shop": "s1"}}))
        );
        assert_eq!(
            made[1],
            expected(json!({"action_type": "order.sent", "fingerprint": "2", "payload": {"order": 2},
            "metadata": {"shop": "s1"}}))
        );
    }

    #[test]
    fn a_request_of_another_shape_is_refused_as_a_whole() {
        let listed = IntakeSettings { items: some("/events"), payload: some("/object"), ..settings() };
        let many = format!(r#"{{"events":[{}]}}"#, vec!["1"; MAX_INTAKE_ITEMS + 1].join(","));
        let cases = [
            (settings(), "{", "the body is no JSON: "),
            (settings(), "{}", "field `action_type`: there is no `/type`"),
            (settings(), r#"{"type": []}"#, "field `action_type`: `/type` is a list or an object"),
            (listed.clone(), r#"{"events": {}}"#, "`/events` is no list; the intake `shop`"),
            (listed.clone(), "[]", "`/events` is no list"),
            (listed.clone(), &many, "`/events` has 1001 entries; the limit is 1000"),
            (listed.clone(), r#"{"events":[{"type":"a"}]}"#, "`/events/0`: field `payload`: there is no `/object`"),
            (
                listed,
                r#"{"events":[{"type":"a","object":1},{"object":2}]}"#,
                "`/events/1`: field `action_type`: there is no",
            ),
        ];
        for (settings, body, expected) in cases {
            let error = actions(settings, body).unwrap_err().to_string();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn bad_settings_are_refused_by_name() {
        let labels = (0..=MAX_INTAKE_LABELS).map(|n| (n.to_string(), "x".to_owned())).collect();
        let cases = [
            (IntakeSettings { name: String::new(), ..settings() }, "`name` is \"\""),
            (IntakeSettings { name: "a/b".to_owned(), ..settings() }, "`name` is \"a/b\"; a path ends with it"),
            (IntakeSettings { name: "..".to_owned(), ..settings() }, "`name` is"),
            (IntakeSettings { tenant: String::new(), ..settings() }, "`tenant` is empty"),
            (
                IntakeSettings { items: some("events"), ..settings() },
                "`items` is \"events\"; it must be a JSON pointer",
            ),
            (IntakeSettings { payload: some(""), ..settings() }, "`payload` is \"\""),
            (IntakeSettings { id: some("{{id}}"), ..settings() }, "`id` has the place \"id\""),
            (IntakeSettings { labels, ..settings() }, "`labels` has 65 entries; the limit is 64"),
        ];
        for (settings, expected) in cases {
            let error = Intake::new(settings, None).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
