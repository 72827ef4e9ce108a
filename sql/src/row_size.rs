//! No row so large that a client, or this process, chokes on it.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;

use crate::error::SqlError;

/// Refuses a batch that has a row of more than `limit` bytes of text, bytes or lists.
pub(crate) fn check(batch: &RecordBatch, limit: usize) -> Result<(), SqlError> {
    // All rows together are smaller than the limit nearly always, and that is cheap to see.
    if batch.get_array_memory_size() <= limit {
        return Ok(());
    }
    let mut bytes = vec![0usize; batch.num_rows()];
    for column in batch.columns() {
        add(column, &mut bytes);
    }
    if bytes.into_iter().any(|bytes| bytes > limit) { Err(SqlError::RowTooLarge { limit }) } else { Ok(()) }
}

fn add(column: &ArrayRef, bytes: &mut [usize]) {
    let mut each = |length: &dyn Fn(usize) -> usize| {
        for (row, bytes) in bytes.iter_mut().enumerate() {
            if column.is_valid(row) {
                *bytes += length(row);
            }
        }
    };
    match column.data_type() {
        DataType::Utf8 => each(&|row| column.as_string::<i32>().value_length(row) as usize),
        DataType::LargeUtf8 => each(&|row| column.as_string::<i64>().value_length(row) as usize),
        DataType::Utf8View => each(&|row| column.as_string_view().value(row).len()),
        DataType::Binary => each(&|row| column.as_binary::<i32>().value_length(row) as usize),
        DataType::LargeBinary => each(&|row| column.as_binary::<i64>().value_length(row) as usize),
        DataType::BinaryView => each(&|row| column.as_binary_view().value(row).len()),
        DataType::List(_) => each(&|row| column.as_list::<i32>().value(row).to_data().get_slice_memory_size().unwrap_or(0)),
        DataType::LargeList(_) => {
            each(&|row| column.as_list::<i64>().value(row).to_data().get_slice_memory_size().unwrap_or(0))
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::StringArray;

    use super::*;

    #[test]
    fn one_long_row_among_short_ones_is_found() {
        let column: ArrayRef = Arc::new(StringArray::from(vec![Some("a".repeat(100)), None, Some("b".repeat(3_000))]));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        assert_eq!(check(&batch, 1_000), Err(SqlError::RowTooLarge { limit: 1_000 }));
        assert_eq!(check(&batch.slice(0, 2), 1_000), Ok(()));
    }
}
