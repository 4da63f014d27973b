//! The Avro schema of a Rust type:
//!
//! - JSON of any shape is a string that holds JSON text, with the property `"acteon.json": true`; a map of them is a map
//!   of such strings.
//! - `Option<T>` is a union of null and `T`, null by default.
//! - An enum without data is an enum. One with a tag inside is a union of records whose field of that name is an enum of
//!   one symbol. Any other is a record of options of which exactly one is set, with `"acteon.one_of": true`.
//! - The unknown fields of an action, which stand beside the known ones in JSON, are a map, with
//!   `"acteon.flatten": true`.

use crate::source::{Content, Field, Kind, Types, Variant, split};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use syn::Type;

/// Types that are JSON text in Avro: any JSON, and an outcome in the shape of the HTTP API.
const JSON_TEXT: [&str; 3] = ["RawValue", "OutcomeDetail", "Value"];

/// The schema of the type of this name.
pub(crate) fn schema(types: &Types, name: &str) -> Value {
    Derive { types, defined: BTreeSet::new() }.named(name, true)
}

struct Derive<'t> {
    types: &'t Types,
    /// Named types are written out once and called by name from then on.
    defined: BTreeSet<String>,
}

impl Derive<'_> {
    fn named(&mut self, name: &str, top: bool) -> Value {
        if !self.defined.insert(name.to_owned()) {
            return json!(name);
        }
        let shape = self.types.get(name);
        match &shape.kind {
            Kind::Struct(fields) => self.record(name, &shape.doc, fields, top),
            Kind::Enum(variants, Some(tag)) => self.tagged_inside(variants, tag),
            Kind::Enum(variants, None) if variants.iter().all(|v| matches!(v.content, Content::Unit)) => {
                let symbols: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
                json!({"type": "enum", "name": name, "doc": shape.doc, "symbols": symbols})
            }
            Kind::Enum(variants, None) => {
                let fields: Vec<Value> = variants.iter().map(|variant| self.option(variant)).collect();
                let doc = format!("{} Exactly one field is set.", shape.doc);
                json!({"type": "record", "name": name, "doc": doc, "acteon.one_of": true, "fields": fields})
            }
        }
    }

    fn record(&mut self, name: &str, doc: &str, fields: &[Field], top: bool) -> Value {
        let mut record = json!({"type": "record", "name": name});
        if top {
            record["namespace"] = json!("acteon");
        }
        assert!(!doc.is_empty(), "{name} has no docs");
        record["doc"] = json!(doc);
        record["fields"] = fields.iter().map(|field| self.field(name, field)).collect();
        record
    }

    fn field(&mut self, record: &str, field: &Field) -> Value {
        assert!(!field.doc.is_empty(), "{record}.{} has no docs", field.name);
        let (mut schema, json_text) = self.of(&field.ty);
        let (outer, arguments) = split(&field.ty);
        // A map is one whether it is borrowed or owned.
        let outer = match arguments.as_slice() {
            [inner] if outer == "Cow" => split(inner).0,
            _ => outer,
        };
        let default = self.default(record, field, &outer);
        if outer == "Option" {
            schema = json!(["null", schema]);
        }
        let mut written = json!({"name": field.name, "doc": field.doc, "type": schema});
        if let Some(default) = default {
            written["default"] = default;
        }
        if json_text {
            written["acteon.json"] = json!(true);
        }
        if (record, field.name.as_str()) == ("Action", "extra") {
            written["acteon.flatten"] = json!(true);
        }
        written
    }

    /// What a field is where it is absent; `None`: it may not be.
    fn default(&self, record: &str, field: &Field, outer: &str) -> Option<Value> {
        match outer {
            "Option" => Some(Value::Null),
            // `Action` reads itself: what it keeps in collections may be absent.
            "Metadata" | "AuditLabels" | "Map" | "BTreeMap" if field.default || record == "Action" => Some(json!({})),
            _ if !field.default => None,
            "u32" => Some(json!(0)),
            "Vec" => Some(json!([])),
            "bool" => Some(json!(false)),
            "String" => Some(json!("")),
            // As JSON text.
            "Value" => Some(json!("null")),
            named => {
                let Kind::Struct(fields) = &self.types.get(named).kind else {
                    panic!("{record}.{}: a default that is an enum: teach it to tests/it", field.name)
                };
                let fields = fields.iter().map(|inner| {
                    let default = self.default(named, inner, &split(&inner.ty).0);
                    (inner.name.clone(), default.unwrap_or_else(|| panic!("{named}.{} has no default", inner.name)))
                });
                Some(Value::Object(fields.collect()))
            }
        }
    }

    /// The schema of a type, and whether its strings hold JSON text.
    fn of(&mut self, ty: &Type) -> (Value, bool) {
        let (name, arguments) = split(ty);
        match (name.as_str(), arguments.as_slice()) {
            ("Cow" | "Option", [inner]) => self.of(inner),
            ("str" | "String", _) => (json!("string"), false),
            ("bool", _) => (json!("boolean"), false),
            ("i32", _) => (json!("int"), false),
            ("i64" | "u32" | "u64", _) => (json!("long"), false),
            ("Vec", [item]) => {
                let (items, json_text) = self.of(item);
                (json!({"type": "array", "items": items}), json_text)
            }
            ("Metadata" | "AuditLabels", _) => (json!({"type": "map", "values": "string"}), false),
            ("BTreeMap", [_, value]) => {
                let (values, json_text) = self.of(value);
                (json!({"type": "map", "values": values}), json_text)
            }
            ("Map", [_, _]) => (json!({"type": "map", "values": "string"}), true),
            (text, _) if JSON_TEXT.contains(&text) => (json!("string"), true),
            (named, _) => (self.named(named, false), false),
        }
    }

    fn option(&mut self, variant: &Variant) -> Value {
        let schema = match &variant.content {
            Content::Unit => panic!("{}: a variant without data among some with: teach it to tests/it", variant.name),
            Content::Newtype(ty) => self.of(ty).0,
            Content::Struct(fields) => self.record(&variant.ident, &variant.doc, fields, false),
        };
        json!({"name": variant.name, "doc": variant.doc, "type": ["null", schema], "default": null})
    }

    fn tagged_inside(&mut self, variants: &[Variant], tag: &str) -> Value {
        let records = variants.iter().map(|variant| {
            let Content::Newtype(ty) = &variant.content else { panic!("{}: not a newtype", variant.name) };
            let (name, _) = split(ty);
            let mut record = self.named(&name, true);
            let kind = json!({"type": "enum", "name": format!("{}Kind", variant.ident), "symbols": [variant.name]});
            let mut fields = vec![json!({"name": tag, "doc": variant.doc, "type": kind})];
            fields.extend(record["fields"].as_array().unwrap().iter().cloned());
            record["fields"] = Value::Array(fields);
            record
        });
        records.collect()
    }
}

/// Order of a schema's properties in its file.
const ORDER: [&str; 12] = [
    "name",
    "type",
    "namespace",
    "doc",
    "symbols",
    "items",
    "values",
    "default",
    "acteon.json",
    "acteon.flatten",
    "acteon.one_of",
    "fields",
];

/// A schema as it stands in its file: what has fields takes a line for each of them, all else one line.
pub(crate) fn text(schema: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match schema {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| text(item, indent)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(object) => {
            let mut entries: Vec<(&String, &Value)> = object.iter().collect();
            entries.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name));
            let entry = |(name, value): (&String, &Value)| match value {
                Value::Array(fields) if name == "fields" => {
                    let fields: Vec<String> =
                        fields.iter().map(|field| format!("{pad}  {}", text(field, indent + 2))).collect();
                    format!("\"fields\": [\n{}\n{pad}]", fields.join(",\n"))
                }
                value => format!("{}: {}", json!(name), text(value, indent)),
            };
            let entries: Vec<String> = entries.into_iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
