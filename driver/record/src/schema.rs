//! The committed JSON Schemas are those of the types, and old data stays readable.

use std::{borrow::Cow, fs, path::Path};

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

use crate::{Finite, Line, Points, Run, RunId, SCHEMA};

impl JsonSchema for RunId {
    fn schema_name() -> Cow<'static, str> {
        "RunId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "UTC time to the second and a short suffix.",
            "type": "string",
            "pattern": "^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$",
        })
    }
}

impl JsonSchema for Finite {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Finite".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        f64::json_schema(generator)
    }
}

impl JsonSchema for Points {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Points".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Vec<(f64, f64)>>::json_schema(generator)
    }
}

/// A moment as RFC 3339 has it.
pub(crate) fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// The schema of what is written: all fields are there.
fn schema_of<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

/// With `UPDATE_SCHEMA=1` the file is written instead.
fn is_committed<T: JsonSchema>(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schema")
        .join(file);
    let now = schema_of::<T>();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "{} is not the schema of the types any more; UPDATE_SCHEMA=1 cargo test -p lab-record writes it. \
         Where old data does not fit, SCHEMA needs a new number and the reader a default",
        path.display()
    );
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    is_committed::<Run>("data.schema.json");
    is_committed::<Line>("event.schema.json");
}

#[test]
fn data_of_every_older_format_is_read() {
    for schema in 1..SCHEMA {
        let file = format!("{}/schema/old/{schema}.json", env!("CARGO_MANIFEST_DIR"));
        let run = crate::reports::read(Path::new(&file)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(run.schema, schema);
        assert!(!run.checks.is_empty() && !run.series.is_empty());
    }
}
