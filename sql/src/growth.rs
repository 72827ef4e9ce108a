//! Functions whose result can be any size, however small their arguments: `repeat('x', 2000000000)` asks for two gigabytes
//! that no memory pool accounts for. They keep their behaviour, and refuse results beyond a bound.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, IntervalMonthDayNanoType};
use datafusion::common::Result;
use datafusion::common::cast::as_int64_array;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::error::SqlError;

/// Largest result of one call, over all rows of a batch.
const RESULT_BYTES: i128 = 64 << 20;

/// How the size of a result follows from the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Growth {
    /// The first argument, as often as the second says.
    Repeated,
    /// As many items as the second argument says.
    Sized,
    /// From the first argument to the second, in steps of the third.
    Stepped,
}

/// The functions, by every name that they have.
const GROWING: &[(&str, Growth)] = &[
    ("repeat", Growth::Repeated),
    ("lpad", Growth::Sized),
    ("rpad", Growth::Sized),
    ("array_repeat", Growth::Repeated),
    ("array_resize", Growth::Sized),
    ("range", Growth::Stepped),
    ("generate_series", Growth::Stepped),
];

/// A function of [`GROWING`] with its bound.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

/// Bounded versions of those of `functions` that need it.
pub(crate) fn bounded<'a>(functions: impl Iterator<Item = &'a Arc<ScalarUDF>>) -> Vec<ScalarUDF> {
    functions
        .filter_map(|function| {
            let (_, growth) = GROWING.iter().find(|(name, _)| *name == function.name())?;
            Some(ScalarUDF::from(Bounded { inner: Arc::clone(function), growth: *growth }))
        })
        .collect()
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let inner = self.inner.inner().with_updated_config(config)?;
        Some(ScalarUDF::from(Self { inner: Arc::new(inner), growth: self.growth }))
    }

    fn simplify(&self, arguments: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(arguments, info)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let columns = arguments.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        if self.growth.bytes(&columns)? > RESULT_BYTES {
            let (name, limit) = (self.name(), RESULT_BYTES >> 20);
            return Err(SqlError::Argument(format!("{name}() would make more than {limit} MiB at once: ask for less")).into());
        }
        self.inner.invoke_with_args(arguments)
    }
}

impl Growth {
    /// About how large the result will be. Arguments of unexpected types are left to the function, which refuses them.
    fn bytes(self, columns: &[ArrayRef]) -> Result<i128> {
        let [first, second, ..] = columns else {
            // generate_series(n) and range(n).
            return Ok(columns
                .first()
                .map_or(Ok(None), numbers)?
                .map_or(0, |counts| counts.iter().map(|n| i128::from((*n).max(0)) * 8).sum()));
        };
        Ok(match self {
            Self::Repeated => {
                let each = (first.to_data().get_slice_memory_size().unwrap_or(0) / first.len().max(1)).max(1) as i128;
                let text = (0..first.len()).map(|row| text_bytes(first, row).map_or(each, |bytes| bytes as i128));
                let Some(times) = numbers(second)? else { return Ok(0) };
                text.zip(times).map(|(bytes, times)| bytes * i128::from(times.max(0))).sum()
            }
            Self::Sized => numbers(second)?.map_or(0, |sizes| sizes.iter().map(|size| i128::from((*size).max(0)) * 4).sum()),
            Self::Stepped => {
                let (Some(from), Some(to)) = (nanoseconds(first)?, nanoseconds(second)?) else { return Ok(0) };
                let steps = columns.get(2).map(steps).transpose()?.flatten();
                let step = |row: usize| steps.as_ref().map_or(1, |steps| steps[row]).unsigned_abs().max(1) as i128;
                from.iter().zip(&to).enumerate().map(|(row, (from, to))| (to - from).abs() / step(row) * 8).sum()
            }
        })
    }
}

fn text_bytes(column: &ArrayRef, row: usize) -> Option<usize> {
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value_length(row) as usize,
        DataType::LargeUtf8 => column.as_string::<i64>().value_length(row) as usize,
        DataType::Utf8View => column.as_string_view().value(row).len(),
        _ => return None,
    })
}

/// Whole numbers, null as 0; `None` for other types.
fn numbers(column: &ArrayRef) -> Result<Option<Vec<i64>>> {
    if !column.data_type().is_integer() {
        return Ok(None);
    }
    let column = cast(column, &DataType::Int64)?;
    Ok(Some(as_int64_array(&column)?.iter().map(|value| value.unwrap_or(0)).collect()))
}

/// Numbers as they are, times in nanoseconds.
fn nanoseconds(column: &ArrayRef) -> Result<Option<Vec<i128>>> {
    use datafusion::arrow::datatypes::TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    const DAY: i128 = 86_400_000_000_000;
    let factor = match column.data_type() {
        data_type if data_type.is_integer() => 1,
        DataType::Date32 => DAY,
        DataType::Date64 | DataType::Timestamp(Millisecond, _) => 1_000_000,
        DataType::Timestamp(Second, _) => 1_000_000_000,
        DataType::Timestamp(Microsecond, _) => 1_000,
        DataType::Timestamp(Nanosecond, _) => 1,
        _ => return Ok(None),
    };
    let values = match column.data_type() {
        DataType::Date32 => cast(&cast(column, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(column, &DataType::Int64)?,
    };
    Ok(Some(as_int64_array(&values)?.iter().map(|value| i128::from(value.unwrap_or(0)) * factor).collect()))
}

/// The steps in the same units; a month counts as 28 days.
fn steps(column: &ArrayRef) -> Result<Option<Vec<i128>>> {
    const DAY: i128 = 86_400_000_000_000;
    if let Some(intervals) = column.as_primitive_opt::<IntervalMonthDayNanoType>() {
        let length = |interval: datafusion::arrow::datatypes::IntervalMonthDayNano| {
            (i128::from(interval.months) * 28 + i128::from(interval.days)) * DAY + i128::from(interval.nanoseconds)
        };
        return Ok(Some(intervals.iter().map(|interval| interval.map_or(1, length)).collect()));
    }
    Ok(numbers(column)?.map(|steps| steps.into_iter().map(i128::from).collect()))
}
