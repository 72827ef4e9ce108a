//! Asks a running server, and gives its answer back as Arrow, so that it can be written in every format.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, Int16Builder, Int32Builder,
    Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinHandle;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Config, NoTls, Row, SimpleQueryMessage, Statement};

use crate::batches::Batches;
use crate::error::SqlError;
use crate::postgres::Secret;
use crate::session::DATABASE;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Postgres counts time from 2000-01-01.
const EPOCH_US: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i32 = 10_957;

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address does not parse.
    #[error("`{url}` is not an address: write postgres://127.0.0.1:5433")]
    Url {
        /// As given, without its password.
        url: String,
    },
    /// Nobody there, or not for us.
    #[error("cannot connect to {server}: {problem}")]
    Connect {
        /// Host and port.
        server: String,
        /// What happened.
        problem: String,
    },
}

/// A connection to a server.
pub struct Client {
    client: tokio_postgres::Client,
    connection: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    /// Connects to `postgres://[user@]host[:port]`, by default as user `civicpulse` on port 5433.
    pub async fn connect(url: &str, password: Option<&Secret>) -> Result<Self, ClientError> {
        let hidden = || ClientError::Url { url: without_password(url) };
        let mut config: Config = url.parse().map_err(|_| hidden())?;
        if config.get_hosts().is_empty() {
            return Err(hidden());
        }
        if config.get_ports().is_empty() {
            config.port(5433);
        }
        if config.get_user().is_none() {
            config.user(DATABASE);
        }
        if config.get_dbname().is_none() {
            config.dbname(DATABASE);
        }
        if let Some(password) = password {
            config.password(password.expose());
        }
        config.application_name("civicpulse sql");
        let connected = config.connect(NoTls).await;
        let (client, connection) =
            connected.map_err(|error| ClientError::Connect { server: without_password(url), problem: reason(&error) })?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the server ended");
            }
        });
        Ok(Self { client, connection })
    }

    /// Runs one statement. The result streams; dropping it ends the query.
    pub async fn query(&self, sql: &str) -> Result<Batches, SqlError> {
        let statement = self.client.prepare(sql).await.map_err(remote)?;
        let natural = statement.columns().iter().map(|column| Some(Field::new(column.name(), natural(column.type_())?, true)));
        let natural: Option<Vec<Field>> = natural.collect();
        let Some(natural) = natural.map(|fields| Arc::new(Schema::new(fields))) else {
            let column = statement.columns().iter().find(|column| crate::client::natural(column.type_()).is_none());
            let (name, what) = column.map_or(("", ""), |column| (column.name(), column.type_().name()));
            return Err(SqlError::Unsupported(format!(
                "reading column `{name}` of type {what} from a server (cast it to text)"
            )));
        };
        let schema = self.described(sql, &statement, &natural).await;
        let rows = self.client.query_raw(&statement, std::iter::empty::<&str>()).await.map_err(remote)?;
        let target = Arc::clone(&schema);
        let batches = rows.map_err(remote).try_chunks(BATCH_ROWS).map(move |rows| match rows {
            Ok(rows) => batch(&rows, &natural, &target),
            Err(error) => Err(error.1),
        });
        Ok(Batches::new(schema, batches.boxed()))
    }

    /// The columns in the server's own Arrow types, which Postgres' types do not tell apart. A statement that cannot be
    /// described keeps the types of the wire.
    async fn described(&self, sql: &str, statement: &Statement, natural: &SchemaRef) -> SchemaRef {
        let Ok(messages) = self.client.simple_query(&format!("DESCRIBE {sql}")).await else { return Arc::clone(natural) };
        let types: Vec<DataType> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get("data_type")?.parse().ok(),
                _ => None,
            })
            .collect();
        if types.len() != statement.columns().len() {
            return Arc::clone(natural);
        }
        let fields = natural.fields().iter().zip(types).map(|(field, data_type)| Field::new(field.name(), data_type, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// The Arrow type in which a Postgres type is read.
fn natural(wire: &Type) -> Option<DataType> {
    Some(match *wire {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::DATE => DataType::Date32,
        Type::BYTEA => DataType::Binary,
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN | Type::NUMERIC => DataType::Utf8,
        _ => return None,
    })
}

/// A value's bytes, whatever its type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn batch(rows: &[Row], natural: &Schema, target: &SchemaRef) -> Result<RecordBatch, SqlError> {
    let wrong = |problem: String| SqlError::Internal(format!("reading the server's answer: {problem}"));
    let mut columns = Vec::with_capacity(natural.fields().len());
    for (index, field) in natural.fields().iter().enumerate() {
        let numeric = rows.first().is_some_and(|row| *row.columns()[index].type_() == Type::NUMERIC);
        let values = rows.iter().map(|row| row.try_get::<_, Option<Raw<'_>>>(index));
        let values: Vec<Option<Raw<'_>>> = values.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
        let column = column(&values, field.data_type(), numeric)
            .ok_or_else(|| wrong(format!("a value of `{}` is malformed", field.name())))?;
        columns.push(match target.field(index).data_type() {
            DataType::Null => new_null_array(&DataType::Null, rows.len()),
            target => cast(&column, target).map_err(|error| wrong(error.to_string()))?,
        });
    }
    RecordBatch::try_new(Arc::clone(target), columns).map_err(|error| wrong(error.to_string()))
}

/// Decodes one column of Postgres' binary format; `None` when a value has the wrong length.
fn column(values: &[Option<Raw<'_>>], data_type: &DataType, numeric: bool) -> Option<ArrayRef> {
    macro_rules! fixed {
        ($builder:expr, $number:ty, $convert:expr) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    Some(Raw(bytes)) => builder.append_value($convert(<$number>::from_be_bytes((*bytes).try_into().ok()?))),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }};
    }
    Some(match data_type {
        DataType::Boolean => fixed!(BooleanBuilder::new(), u8, |byte| byte != 0),
        DataType::Int16 => fixed!(Int16Builder::new(), i16, std::convert::identity),
        DataType::Int32 => fixed!(Int32Builder::new(), i32, std::convert::identity),
        DataType::Int64 => fixed!(Int64Builder::new(), i64, std::convert::identity),
        DataType::Float32 => fixed!(Float32Builder::new(), f32, std::convert::identity),
        DataType::Float64 => fixed!(Float64Builder::new(), f64, std::convert::identity),
        DataType::Date32 => fixed!(Date32Builder::new(), i32, |days: i32| days.saturating_add(EPOCH_DAYS)),
        DataType::Timestamp(_, zone) => {
            let builder = TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone());
            fixed!(builder, i64, |micros: i64| micros.saturating_add(EPOCH_US))
        }
        DataType::Binary => {
            let mut builder = BinaryBuilder::new();
            values.iter().for_each(|value| builder.append_option(value.as_ref().map(|Raw(bytes)| bytes)));
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = StringBuilder::new();
            for value in values {
                match value {
                    Some(Raw(bytes)) if numeric => builder.append_value(decimal(bytes)?),
                    Some(Raw(bytes)) => builder.append_value(std::str::from_utf8(bytes).ok()?),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
    })
}

/// Postgres' binary `numeric`: groups of four decimal digits.
fn decimal(bytes: &[u8]) -> Option<String> {
    let word = |index: usize| Some(u16::from_be_bytes(bytes.get(2 * index..2 * index + 2)?.try_into().ok()?));
    let (groups, weight, sign, scale) = (word(0)?, word(1)? as i16, word(2)?, word(3)?);
    if sign == 0xC000 {
        return Some("NaN".to_owned());
    }
    let group = |position: i16| -> Option<u16> {
        // Groups that are not sent are zero.
        let index = i32::from(weight) - i32::from(position);
        if (0..i32::from(groups)).contains(&index) { word(4 + index as usize) } else { Some(0) }
    };
    let mut text = String::from(if sign == 0x4000 { "-" } else { "" });
    let mut whole = String::new();
    for position in (0..=weight.max(0)).rev() {
        whole.push_str(&format!("{:04}", group(position)?));
    }
    let trimmed = whole.trim_start_matches('0');
    text.push_str(if trimmed.is_empty() { "0" } else { trimmed });
    if scale > 0 {
        let mut fraction = String::new();
        let mut position = -1;
        while fraction.len() < usize::from(scale) {
            fraction.push_str(&format!("{:04}", group(position)?));
            position -= 1;
        }
        text.push('.');
        text.push_str(&fraction[..usize::from(scale)]);
    }
    Some(text)
}

fn remote(error: tokio_postgres::Error) -> SqlError {
    match error.as_db_error() {
        Some(server) => SqlError::Remote { code: server.code().code().to_owned(), message: server.message().to_owned() },
        None => SqlError::Remote {
            code: "08006".to_owned(),
            message: format!("the connection to the server broke: {}", reason(&error)),
        },
    }
}

fn reason(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(server), _) => server.message().to_owned(),
        (None, Some(source)) => source.to_string(),
        (None, None) => error.to_string(),
    }
}

fn without_password(url: &str) -> String {
    match url.split_once("://").map(|(_, rest)| rest).unwrap_or(url).rsplit_once('@') {
        Some((_, host)) => host.to_owned(),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(words: &[u16]) -> Option<String> {
        decimal(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>())
    }

    #[test]
    fn decimals_are_read_digit_by_digit() {
        assert_eq!(numeric(&[5, 4, 0, 0, 1844, 6744, 737, 955, 1615]).as_deref(), Some("18446744073709551615"));
        assert_eq!(numeric(&[0, 0, 0, 0]).as_deref(), Some("0"));
        assert_eq!(numeric(&[2, 0, 0x4000, 2, 12, 3400]).as_deref(), Some("-12.34"));
        assert_eq!(numeric(&[1, -1i16 as u16, 0, 4, 25]).as_deref(), Some("0.0025"));
        assert_eq!(numeric(&[1, 1, 0, 0, 3]).as_deref(), Some("30000"));
        assert_eq!(numeric(&[1, 0, 0, 0]), None, "a group is missing");
        assert_eq!(numeric(&[1]), None);
    }

    #[test]
    fn a_password_is_not_repeated() {
        assert_eq!(without_password("postgres://ann:secret@host:1"), "host:1");
        assert_eq!(without_password("nonsense"), "nonsense");
    }
}
