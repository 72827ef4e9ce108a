//! Functions that Postgres clients call before anybody asks anything, and the settings they look at.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::{as_int64_array, as_string_array};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Signature, SimpleScalarUDF, TypeSignature, Volatility, create_udf};

/// The Postgres whose dialect, types and catalog clients may expect.
pub(crate) const POSTGRES_VERSION: &str = "16.6";

/// Settings as `SHOW` and `current_setting()` give them; a session's own are kept beside.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("row_security", "off"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", POSTGRES_VERSION),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// What clients write that DataFusion cannot plan, and what it means here: catalogs by the numbers that they have in every
/// Postgres, and the storage options of `\d+`, which no table of ours has.
const PHRASES: &[(&str, &str)] = &[
    ("'pg_class'::regclass", "1259"),
    ("'pg_constraint'::regclass", "2606"),
    ("'pg_namespace'::regclass", "2615"),
    ("'pg_proc'::regclass", "1255"),
    ("'pg_type'::regclass", "1247"),
    (
        "pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', ')",
        "''",
    ),
];

/// The object identifier of `pg_class`: what `pg_description.classoid` says of tables.
pub(crate) const PG_CLASS_OID: i32 = 1259;

/// A statement with every phrase of [`PHRASES`] replaced.
pub(crate) fn understandable(sql: &str) -> Cow<'_, str> {
    let mut sql = Cow::Borrowed(sql);
    for (phrase, meaning) in PHRASES {
        if sql.contains(phrase) {
            sql = Cow::Owned(sql.replace(phrase, meaning));
        }
    }
    sql
}

/// A setting's value for everybody.
pub(crate) fn setting(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    SETTINGS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// What is registered beside DataFusion's and datafusion-postgres' functions.
pub(crate) fn all() -> [ScalarUDF; 5] {
    [version(), current_setting(), in_recovery(), table_size(), size_pretty()]
}

fn version() -> ScalarUDF {
    let text = format!(
        "PostgreSQL {POSTGRES_VERSION} (civicpulse {} on Apache DataFusion {})",
        env!("CARGO_PKG_VERSION"),
        datafusion::DATAFUSION_VERSION
    );
    let value = ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)));
    create_udf("version", vec![], DataType::Utf8, Volatility::Stable, Arc::new(move |_| Ok(value.clone())))
}

fn in_recovery() -> ScalarUDF {
    // A read-only replica says so: drivers that look for a primary to write to then look elsewhere.
    let value = ColumnarValue::Scalar(ScalarValue::Boolean(Some(true)));
    create_udf("pg_is_in_recovery", vec![], DataType::Boolean, Volatility::Stable, Arc::new(move |_| Ok(value.clone())))
}

fn current_setting() -> ScalarUDF {
    let signature = Signature::one_of(
        vec![TypeSignature::String(1), TypeSignature::Exact(vec![DataType::Utf8, DataType::Boolean])],
        Volatility::Stable,
    );
    let look_up = |args: &[ColumnarValue]| -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(args)?;
        let names = cast(&columns[0], &DataType::Utf8)?;
        let values: StringArray = as_string_array(&names)?.iter().map(|name| setting(name?)).collect();
        like(args, values)
    };
    ScalarUDF::from(SimpleScalarUDF::new_with_signature("current_setting", signature, DataType::Utf8, Arc::new(look_up)))
}

fn table_size() -> ScalarUDF {
    // Tables share memory with each other and with older snapshots: none has a size of its own.
    let unknown = ColumnarValue::Scalar(ScalarValue::Int64(None));
    create_udf(
        "pg_table_size",
        vec![DataType::Int32],
        DataType::Int64,
        Volatility::Stable,
        Arc::new(move |_| Ok(unknown.clone())),
    )
}

fn size_pretty() -> ScalarUDF {
    let show = |args: &[ColumnarValue]| -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(args)?;
        let texts: StringArray = as_int64_array(&columns[0])?.iter().map(|bytes| bytes.map(pretty)).collect();
        like(args, texts)
    };
    create_udf("pg_size_pretty", vec![DataType::Int64], DataType::Utf8, Volatility::Immutable, Arc::new(show))
}

/// `10 bytes`, `12 kB`, as Postgres shows sizes: a unit is left once there are ten thousand of it.
fn pretty(bytes: i64) -> String {
    let mut size = bytes;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if size.abs() < 10 << 10 {
            return format!("{size} {unit}");
        }
        size /= 1 << 10;
    }
    format!("{size} TB")
}

/// A constant for constant arguments, a column else.
fn like(args: &[ColumnarValue], values: StringArray) -> Result<ColumnarValue> {
    if args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?));
    }
    Ok(ColumnarValue::Array(Arc::new(values)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_sorted_and_found_in_any_case() {
        assert!(SETTINGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(setting("TimeZone"), Some("UTC"));
        assert_eq!(setting("shared_buffers"), None);
    }

    #[test]
    fn sizes_are_shown_as_postgres_does() {
        assert_eq!(
            [pretty(0), pretty(10_239), pretty(10_240), pretty(5 << 30)],
            ["0 bytes", "10239 bytes", "10 kB", "5120 MB"]
        );
    }

    #[test]
    fn catalogs_are_known_by_their_numbers() {
        let sql = "SELECT 1 WHERE d.classoid='pg_class'::regclass OR c.oid = 'feedback'::regclass";
        assert_eq!(understandable(sql), "SELECT 1 WHERE d.classoid=1259 OR c.oid = 'feedback'::regclass");
        assert!(matches!(understandable("SELECT 1"), Cow::Borrowed(_)));
        assert_eq!(PHRASES[0].1, PG_CLASS_OID.to_string());
    }
}
