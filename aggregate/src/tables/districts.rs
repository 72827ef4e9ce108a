//! Table `districts`: reference data that the city supplies.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::{column, schema_of};
use crate::config::Reference;
use crate::error::AggregateError;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema_of([
        column("district", DataType::Utf8View, false, "the name that reports carry"),
        column("population", DataType::Float64, true, "residents; null where the city supplies none"),
        column("deprivation", DataType::Float64, true, "deprivation on the city's own scale, higher is more deprived"),
        column("deprivation_band", DataType::Int64, true, "band of the deprivation among the districts, 1 the least deprived"),
        column("area_km2", DataType::Float64, true, "area in square kilometres; null where the city supplies none"),
        column("density_per_km2", DataType::Float64, true, "residents per square kilometre"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(reference: &Reference) -> Result<RecordBatch, AggregateError> {
    let (districts, bands) = (&reference.districts, reference.bands());
    let band = |name: &str| bands.get(name).map(|band| *band as i64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(districts.iter().map(|district| &district.name))),
        Arc::new(districts.iter().map(|district| district.population).collect::<Float64Array>()),
        Arc::new(districts.iter().map(|district| district.deprivation).collect::<Float64Array>()),
        Arc::new(districts.iter().map(|district| band(&district.name)).collect::<Int64Array>()),
        Arc::new(districts.iter().map(|district| district.area_km2).collect::<Float64Array>()),
        Arc::new(districts.iter().map(|district| district.density_per_km2()).collect::<Float64Array>()),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
