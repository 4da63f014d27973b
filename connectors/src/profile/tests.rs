#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::dispatch;
use serde_json::json;

fn library() -> TemplateLibrary {
    let fields = |fields: Value| fields.as_object().unwrap().clone();
    TemplateLibrary {
        templates: vec![TemplateDefinition {
            name: "greeting".into(),
            content: "Hello {{ payload.name }}".into(),
            ..TemplateDefinition::default()
        }],
        profiles: vec![
            ProfileDefinition {
                name: "order".into(),
                fields: fields(json!({"subject": "Order {{ payload.id }}", "body": {"$ref": "greeting"}})),
                ..ProfileDefinition::default()
            },
            ProfileDefinition {
                name: "plain".into(),
                fields: fields(json!({"text": "{{ action.tenant }}"})),
                ..ProfileDefinition::default()
            },
            ProfileDefinition {
                name: "failing".into(),
                fields: fields(json!({"text": "{{ 1 / payload.zero }}"})),
                ..ProfileDefinition::default()
            },
        ],
    }
}

/// The payload for an action that names `template`, at a provider with the profile `own`.
fn prepared(library: &TemplateLibrary, template: Value, own: Option<&str>) -> Result<Option<Value>, String> {
    let mut record = dispatch(&json!({"id": 7, "name": "Ann", "zero": 0}));
    record["extra"]["template"] = template;
    let text = record.to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    let preparation = Preparation { profiles: Arc::new(Profiles::new(library).unwrap()), own: own.map(str::to_owned) };
    match preparation.prepare(&dispatch) {
        Ok(dispatch) => Ok(dispatch.map(|dispatch| serde_json::from_str(dispatch.payload.get()).unwrap())),
        Err(error) => Err(format!("{}: {}", error.code, error.message)),
    }
}

#[test]
fn fields_are_set_in_the_payload() {
    let order = json!({"id": 7, "name": "Ann", "zero": 0, "subject": "Order 7", "body": "Hello Ann"});
    assert_eq!(prepared(&library(), json!("order"), None), Ok(Some(order)));
    let plain = json!({"id": 7, "name": "Ann", "zero": 0, "text": "acme"});
    assert_eq!(prepared(&library(), Value::Null, Some("plain")), Ok(Some(plain.clone())));
    assert_eq!(prepared(&library(), json!("plain"), Some("order")), Ok(Some(plain)), "the action's goes first");
    assert_eq!(prepared(&library(), Value::Null, None), Ok(None));
}

#[test]
fn a_template_s_name_means_something_only_where_there_are_profiles() {
    assert_eq!(prepared(&TemplateLibrary::default(), json!("order-confirmation"), None), Ok(None));
    for (template, part) in [
        (json!("nosuch"), "VALIDATION: there is no profile \"nosuch\"; those configured are failing, order, plain"),
        (json!(7), "VALIDATION: the action's `template` is not a string"),
        (json!("failing"), "VALIDATION: field `text` of profile \"failing\" can't be made"),
    ] {
        let error = prepared(&library(), template, None).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn bad_definitions_are_refused_with_their_place() {
    let change = |change: fn(&mut TemplateLibrary)| {
        let mut library = library();
        change(&mut library);
        library.validate().unwrap_err().to_string()
    };
    for (error, part) in [
        (change(|all| all.templates[0].content = "{{".into()), "`templates[0].content` is a bad template"),
        (change(|all| all.templates[0].name = String::new()), "`templates[0].name` is refused"),
        (change(|all| all.templates.push(all.templates[0].clone())), "`templates[1].name` is \"greeting\", as of one"),
        (change(|all| all.profiles[1].name = "order".into()), "`profiles[1].name` is \"order\", as of one"),
        (change(|all| all.profiles[0].fields.clear()), "`profiles[0].fields` has 0 entries"),
        (change(|all| all.templates.clear()), "`profiles[0].fields.body` names the template \"greeting\""),
        (change(|all| all.templates = vec![all.templates[0].clone(); 1_001]), "`templates` has 1001 entries"),
    ] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn what_a_tenant_s_own_profile_has_made_is_sent_as_it_is() {
    let mut record = dispatch(&json!({"id": 7}));
    record["rendered_by"] = json!("mail");
    let text = record.to_string();
    let dispatch: Dispatch<'_> = serde_json::from_str(&text).unwrap();
    let profiles = Arc::new(Profiles::new(&library()).unwrap());
    let preparation = Preparation { profiles, own: Some("plain".to_owned()) };
    assert!(preparation.prepare(&dispatch).unwrap().is_none());
}
