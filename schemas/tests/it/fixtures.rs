//! `test-data/v1/`: what was written once is read for ever. A file's name begins with its record's; where a record is
//! written in another form than it is read in, the form written is in `<name>.expected.json`.

use crate::convert::Convert;
use crate::source::{Kind, Types};
use crate::{RECORDS, path, schema};
use acteon_schemas::{
    Action, AuditRecord, Command, DeadLetter, DeadLetterResolution, Definition, Dispatch, OutcomeRecord,
    ProviderHealth, ProviderResult,
};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::RecordSchema;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The fixtures by file name without `.json`; those of a file that holds a list are numbered.
fn fixtures() -> BTreeMap<String, Value> {
    let mut fixtures = BTreeMap::new();
    for entry in std::fs::read_dir(path("test-data/v1")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap().strip_suffix(".json").unwrap().to_owned();
        let json = serde_json::from_slice(&std::fs::read(&file).unwrap());
        match json.unwrap_or_else(|error| panic!("{name}: {error}")) {
            Value::Array(list) => {
                fixtures.extend(list.into_iter().enumerate().map(|(index, json)| (format!("{name}[{index}]"), json)));
            }
            json => drop(fixtures.insert(name, json)),
        }
    }
    fixtures
}

/// The record with all its fields. Fields that came later are in a file of a later number, since the first is for ever.
fn full<'f>(fixtures: &'f BTreeMap<String, Value>, record: &str) -> &'f Value {
    let first = format!("{record}.full");
    let (_, newest) = fixtures.iter().rfind(|(name, _)| name.starts_with(&first)).unwrap();
    newest
}

/// Decodes a record's JSON with its Rust type, and encodes it again.
fn through_rust(record: &str, json: &Value) -> Result<Value, String> {
    fn serde<'de, T: Deserialize<'de> + Serialize>(text: &'de str) -> Result<Value, String> {
        written(&serde_json::from_str::<T>(text).map_err(|error| error.to_string())?)
    }
    fn written(record: &impl Serialize) -> Result<Value, String> {
        // Through text: raw JSON is only raw there.
        serde_json::from_str(&serde_json::to_string(record).unwrap()).map_err(|error| error.to_string())
    }
    let text = json.to_string();
    match record {
        "action" => written(&Action::decode(text.as_bytes()).map_err(|error| error.to_string())?),
        "command" => written(&Command::decode(text.as_bytes()).map_err(|error| error.to_string())?),
        "definition" => written(&Definition::decode(text.as_bytes()).map_err(|error| error.to_string())?),
        "dispatch" => serde::<Dispatch<'_>>(&text),
        "provider_result" => serde::<ProviderResult<'_>>(&text),
        "outcome" => serde::<OutcomeRecord<'_>>(&text),
        "audit" => serde::<AuditRecord<'_>>(&text),
        "dead_letter" => serde::<DeadLetter>(&text),
        "dead_letter_resolution" => serde::<DeadLetterResolution>(&text),
        "provider_health" => serde::<ProviderHealth>(&text),
        other => panic!("no record {other}"),
    }
}

/// The record's schema; for definitions, the one of the fixture's kind.
fn record_schema<'s>(schema: &'s Schema, json: &Value) -> &'s RecordSchema {
    match schema {
        Schema::Record(record) => record,
        Schema::Union(union) => {
            let records = union.variants().iter().filter_map(|variant| match variant {
                Schema::Record(record) => Some(record),
                _ => None,
            });
            let of_kind = |record: &&RecordSchema| matches!(&record.fields[0].schema, Schema::Enum(kind) if json["kind"] == kind.symbols[0].as_str());
            records.into_iter().find(of_kind).unwrap()
        }
        other => panic!("{other:?} is not a record"),
    }
}

#[test]
fn fixtures_pass_through_rust_and_avro_unchanged() {
    let fixtures = fixtures();
    for (name, json) in &fixtures {
        if name.ends_with(".expected") {
            continue;
        }
        let (record, _) = name.split_once('.').unwrap();
        let expected = fixtures.get(&format!("{name}.expected")).unwrap_or(json);
        let rust = through_rust(record, json).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&rust, expected, "{name}");

        let schema = schema(record);
        let convert = Convert::new(&schema);
        let avro = convert.to_avro(&schema, expected);
        let bytes = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(avro.clone()).unwrap();
        let read = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut bytes.as_slice()).unwrap();
        assert_eq!(read, avro, "{name}");
        let back = through_rust(record, &convert.to_json(&schema, &read)).unwrap();
        assert_eq!(&back, expected, "{name}");
    }
}

#[test]
fn every_record_has_a_full_and_a_minimal_fixture() {
    let fixtures = fixtures();
    for (record, _) in RECORDS {
        let schema = schema(record);
        let full = full(&fixtures, record);
        let minimal = &fixtures[&format!("{record}.minimal")];
        for field in &record_schema(&schema, full).fields {
            let flattened = field.custom_attributes.contains_key("acteon.flatten");
            assert!(flattened || !full[&field.name].is_null(), "{record}.full lacks {}", field.name);
        }
        for field in &record_schema(&schema, minimal).fields {
            assert!(
                field.default != Some(Value::Null) || minimal[&field.name].is_null(),
                "{record}.minimal has {}",
                field.name
            );
        }
    }
}

#[test]
fn rust_needs_exactly_the_fields_that_avro_has_no_default_for() {
    let fixtures = fixtures();
    for (record, _) in RECORDS {
        let schema = schema(record);
        let full = full(&fixtures, record);
        for field in &record_schema(&schema, full).fields {
            let mut without: Map<String, Value> = full.as_object().unwrap().clone();
            without.remove(&field.name);
            let read = through_rust(record, &Value::Object(without));
            assert_eq!(read.is_ok(), field.default.is_some(), "{record}.{}: {read:?}", field.name);
        }
    }
}

/// The names of the variants of an enum.
fn variants(types: &Types, name: &str) -> Vec<String> {
    match &types.get(name).kind {
        Kind::Enum(variants, _) => variants.iter().map(|variant| variant.name.clone()).collect(),
        Kind::Struct(_) => panic!("{name} is no enum"),
    }
}

#[test]
fn every_command_detail_and_definition_has_a_fixture() {
    let (fixtures, types) = (fixtures(), Types::read(&path("src")));
    let of = |record: &'static str| fixtures.iter().filter(move |(name, _)| name.starts_with(&format!("{record}.")));
    for (record, rust, at) in [
        ("command", "CommandKind", "command"),
        ("outcome", "OutcomeDetail", "detail"),
        ("definition", "Definition", "kind"),
    ] {
        for variant in variants(&types, rust) {
            let is = |json: &Value| json[at] == variant.as_str() || !json[at][&variant].is_null();
            assert!(of(record).any(|(_, json)| is(json)), "no fixture of {rust} {variant}");
        }
    }
    for outcome in variants(&types, "Outcome") {
        let known = of("outcome").chain(of("audit")).any(|(_, json)| json["outcome"] == outcome.as_str());
        assert!(known, "no fixture with the outcome {outcome}");
    }
}

#[test]
fn other_names_of_fields_are_read() {
    for (one, other) in [
        (r#"{"transition":{"fingerprint":"f","to":"s"}}"#, r#"{"transition":{"fingerprint":"f","to_state":"s"}}"#),
        (
            r#"{"create_recurring":{"recurring":{"cron_expression":"* * * * *","action":{"provider":"p","action_type":"a"}}}}"#,
            r#"{"create_recurring":{"recurring":{"cron_expr":"* * * * *","action_template":{"provider":"p","action_type":"a"}}}}"#,
        ),
    ] {
        let read = |text: &str| serde_json::from_str::<acteon_schemas::CommandKind>(text).unwrap();
        assert_eq!(read(one), read(other));
    }
}

#[test]
fn unknown_fields_of_an_action_are_kept() {
    let unknown = fixtures()["action.unknown_fields"].to_string();
    let action = Action::decode(unknown.as_bytes()).unwrap();
    let mut names: Vec<&str> = action.extra.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["attachments", "nothing", "starts_at", "template", "trace_context", "x-vendor"]);
    // And the known ones are not among them.
    let full = fixtures()["action.full"].to_string();
    assert!(Action::decode(full.as_bytes()).unwrap().extra.is_empty());
}
