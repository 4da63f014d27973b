//! A record's JSON as an Avro value and back, led by its schema: see `derive` for the rules.

use apache_avro::Schema;
use apache_avro::schema::{RecordField, RecordSchema};
use apache_avro::types::Value as Avro;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Finds a schema that is called by name.
pub(crate) struct Convert<'s> {
    named: HashMap<String, &'s Schema>,
}

impl<'s> Convert<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        let mut convert = Self { named: HashMap::new() };
        convert.collect(schema);
        convert
    }

    fn collect(&mut self, schema: &'s Schema) {
        match schema {
            Schema::Record(record) => {
                self.named.insert(record.name.to_string(), schema);
                record.fields.iter().for_each(|field| self.collect(&field.schema));
            }
            Schema::Enum(named) => {
                self.named.insert(named.name.to_string(), schema);
            }
            Schema::Union(union) => union.variants().iter().for_each(|variant| self.collect(variant)),
            Schema::Array(array) => self.collect(&array.items),
            Schema::Map(map) => self.collect(&map.types),
            _ => {}
        }
    }

    pub(crate) fn to_avro(&self, schema: &Schema, json: &Value) -> Avro {
        self.value(schema, json, false)
    }

    fn value(&self, schema: &Schema, json: &Value, text: bool) -> Avro {
        match (schema, json) {
            (Schema::Ref { name }, _) => self.value(self.named[&name.to_string()], json, text),
            (Schema::String, _) if text => Avro::String(json.to_string()),
            (Schema::String, Value::String(string)) => Avro::String(string.clone()),
            (Schema::Null, Value::Null) => Avro::Null,
            (Schema::Boolean, Value::Bool(bool)) => Avro::Boolean(*bool),
            (Schema::Int, Value::Number(n)) => Avro::Int(n.as_i64().unwrap().try_into().unwrap()),
            (Schema::Long, Value::Number(n)) => Avro::Long(n.as_i64().unwrap()),
            (Schema::Enum(named), Value::String(symbol)) => {
                let index = named.symbols.iter().position(|known| known == symbol);
                let index = index.unwrap_or_else(|| panic!("{symbol} is not in {:?}", named.symbols));
                Avro::Enum(index.try_into().unwrap(), symbol.clone())
            }
            (Schema::Array(array), Value::Array(items)) => {
                Avro::Array(items.iter().map(|item| self.value(&array.items, item, text)).collect())
            }
            (Schema::Map(map), Value::Object(entries)) => {
                let entry = |(key, value): (&String, &Value)| (key.clone(), self.value(&map.types, value, text));
                Avro::Map(entries.iter().map(entry).collect())
            }
            (Schema::Union(union), _) => {
                let index = union.variants().iter().position(|variant| is_of(variant, json)).unwrap();
                let value = self.value(&union.variants()[index], json, text);
                Avro::Union(index.try_into().unwrap(), Box::new(value))
            }
            (Schema::Record(record), Value::Object(object)) => self.record(record, object),
            (schema, json) => panic!("{json} is not of {schema:?}"),
        }
    }

    fn record(&self, record: &RecordSchema, object: &Map<String, Value>) -> Avro {
        let mut rest = object.clone();
        let mut fields: Vec<(String, Avro)> = Vec::new();
        for field in record.fields.iter().filter(|field| !is(field, "acteon.flatten")) {
            rest.remove(&field.name);
            let text = is(field, "acteon.json");
            // Null is nothing, but where any JSON may stand, it is a value.
            let any_json = text && matches!(field.schema, Schema::String);
            let absent = || match &field.default {
                Some(Value::String(json)) if any_json => serde_json::from_str(json).unwrap(),
                Some(default) => default.clone(),
                None => panic!("no {}.{}", record.name, field.name),
            };
            let json = object.get(&field.name).filter(|json| any_json || !json.is_null());
            let json = json.cloned().unwrap_or_else(absent);
            fields.push((field.name.clone(), self.value(&field.schema, &json, text)));
        }
        for field in record.fields.iter().filter(|field| is(field, "acteon.flatten")) {
            let others = Value::Object(std::mem::take(&mut rest));
            fields.push((field.name.clone(), self.value(&field.schema, &others, is(field, "acteon.json"))));
        }
        assert!(rest.is_empty(), "{} does not know {rest:?}", record.name);
        Avro::Record(fields)
    }

    /// Leaves out what is null.
    pub(crate) fn to_json(&self, schema: &Schema, avro: &Avro) -> Value {
        self.json(schema, avro, false)
    }

    fn json(&self, schema: &Schema, avro: &Avro, text: bool) -> Value {
        match (schema, avro) {
            (Schema::Ref { name }, _) => self.json(self.named[&name.to_string()], avro, text),
            (_, Avro::String(string)) if text => serde_json::from_str(string).unwrap(),
            (_, Avro::String(string) | Avro::Enum(_, string)) => json!(string),
            (_, Avro::Boolean(bool)) => json!(bool),
            (_, Avro::Int(n)) => json!(n),
            (_, Avro::Long(n)) => json!(n),
            (_, Avro::Null) => Value::Null,
            (Schema::Array(array), Avro::Array(items)) => {
                items.iter().map(|item| self.json(&array.items, item, text)).collect()
            }
            (Schema::Map(map), Avro::Map(entries)) => {
                entries.iter().map(|(key, value)| (key.clone(), self.json(&map.types, value, text))).collect()
            }
            (Schema::Union(union), Avro::Union(index, value)) => {
                self.json(&union.variants()[usize::try_from(*index).unwrap()], value, text)
            }
            (Schema::Record(record), Avro::Record(fields)) => {
                let mut object = Map::new();
                for (field, (_, avro)) in record.fields.iter().zip(fields) {
                    match self.json(&field.schema, avro, is(field, "acteon.json")) {
                        Value::Null if matches!(avro, Avro::Union(0, _)) => {}
                        Value::Object(others) if is(field, "acteon.flatten") => object.extend(others),
                        json => {
                            object.insert(field.name.clone(), json);
                        }
                    }
                }
                Value::Object(object)
            }
            (schema, avro) => panic!("{avro:?} is not of {schema:?}"),
        }
    }
}

/// Whether a union's variant is the one for this JSON: null or not, or the record whose tag it has.
fn is_of(variant: &Schema, json: &Value) -> bool {
    match variant {
        Schema::Null => json.is_null(),
        Schema::Record(record) => match record.fields.first().map(|field| (&field.name, &field.schema)) {
            Some((tag, Schema::Enum(kind))) if kind.symbols.len() == 1 => json[tag] == kind.symbols[0].as_str(),
            _ => !json.is_null(),
        },
        _ => !json.is_null(),
    }
}

fn is(field: &RecordField, property: &str) -> bool {
    field.custom_attributes.get(property) == Some(&Value::Bool(true))
}
