//! The formats of the records: `src/`, `avro/*.avsc` and `test-data/v1/` say the same.
//!
//! `UPDATE_AVRO=1 cargo test -p acteon-schemas` writes `avro/` from the Rust types. A fixture is never changed: an old
//! record must stay readable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod convert;
mod derive;
mod fixtures;
mod source;

use std::path::PathBuf;

/// The records: name of the schema file and of the Rust type.
const RECORDS: [(&str, &str); 10] = [
    ("action", "Action"),
    ("command", "Command"),
    ("dispatch", "Dispatch"),
    ("provider_result", "ProviderResult"),
    ("outcome", "OutcomeRecord"),
    ("audit", "AuditRecord"),
    ("definition", "Definition"),
    ("dead_letter", "DeadLetter"),
    ("dead_letter_resolution", "DeadLetterResolution"),
    ("provider_health", "ProviderHealth"),
];

/// A file or folder of this crate, where its tests run: the place that it was built in may be another checkout's.
fn path(relative: &str) -> PathBuf {
    PathBuf::from(relative)
}

/// The parsed schema of a record.
fn schema(record: &str) -> apache_avro::Schema {
    let file = path(&format!("avro/{record}.avsc"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    apache_avro::Schema::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn avro_schemas_equal_the_rust_types() {
    let types = source::Types::read(&path("src"));
    let update = std::env::var_os("UPDATE_AVRO").is_some();
    for (record, rust) in RECORDS {
        let file = path(&format!("avro/{record}.avsc"));
        let derived = derive::schema(&types, rust);
        if update {
            std::fs::write(&file, derive::text(&derived, 0) + "\n").unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&file).unwrap_or_default().trim_end(),
            derive::text(&derived, 0),
            "avro/{record}.avsc differs from `{rust}`; run: UPDATE_AVRO=1 cargo test -p acteon-schemas"
        );
        schema(record);
    }
}

#[test]
fn every_schema_file_is_of_a_record() {
    let mut files: Vec<String> = std::fs::read_dir(path("avro"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut wanted: Vec<String> = RECORDS.iter().map(|(record, _)| format!("{record}.avsc")).collect();
    wanted.sort();
    assert_eq!(files, wanted);
}
