//! A block of rows as columns of text, read by Polars' lazy CSV reader.

use polars::prelude::*;

use super::layout::Cells;
use super::rows::Dialect;

/// Rows as text without header; shared between the reader and whoever shows a row that was not understood.
#[derive(Clone)]
pub struct RowText(ScanSources);

impl From<Vec<u8>> for RowText {
    fn from(rows: Vec<u8>) -> Self {
        Self(ScanSources::Buffers(Arc::new([rows.into()])))
    }
}

impl RowText {
    /// The text.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            ScanSources::Buffers(buffers) => buffers.first().map_or(&[], |buffer| buffer.as_slice()),
            _ => &[],
        }
    }
}

/// Some rows; only the columns that the layout reads.
#[derive(Debug)]
pub struct Table {
    /// By logical column.
    columns: Vec<Option<StringChunked>>,
    height: usize,
}

/// One row of a [`Table`].
pub struct TableRow<'a> {
    table: &'a Table,
    row: usize,
}

impl Table {
    /// Parses rows without header. `fields` is the file's number of columns, `bound` the file's column behind each logical one.
    /// All columns are text; those that no logical column needs are skipped by the reader.
    ///
    /// # Errors
    /// Polars found other rows than were put in: a fault in this program, not in the file.
    pub fn parse(
        rows: &RowText,
        height: usize,
        fields: usize,
        dialect: Dialect,
        bound: &[Option<usize>],
    ) -> PolarsResult<Self> {
        if height == 0 {
            return Ok(Self { columns: bound.iter().map(|_| None).collect(), height });
        }
        let name = |column: usize| PlSmallStr::from(format!("c{column}"));
        let schema = Schema::from_iter((0..fields).map(|column| Field::new(name(column), DataType::String)));
        let mut wanted: Vec<usize> = bound.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let frame = LazyCsvReader::new_with_sources(rows.0.clone())
            .with_has_header(false)
            .with_schema(Some(Arc::new(schema)))
            .with_separator(dialect.separator)
            .with_quote_char(dialect.quote)
            .finish()?
            .select(wanted.iter().map(|column| col(name(*column))).collect::<Vec<_>>())
            .collect()?;
        let table = Self::from_frame(&frame, &bound.iter().map(|column| column.map(name)).collect::<Vec<_>>())?;
        polars_ensure!(table.height == height, ComputeError: "{} rows were read where {height} were written", table.height);
        Ok(table)
    }

    /// The text columns of a frame, by logical column.
    ///
    /// # Errors
    /// A column is missing or is not text.
    pub fn from_frame(frame: &DataFrame, names: &[Option<PlSmallStr>]) -> PolarsResult<Self> {
        let text = |name: &PlSmallStr| Ok(frame.column(name)?.str()?.rechunk().into_owned());
        let columns = names.iter().map(|name| name.as_ref().map(text).transpose()).collect::<PolarsResult<_>>()?;
        Ok(Self { columns, height: frame.height() })
    }

    /// How many rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// One row, counted from 0.
    pub fn row(&self, row: usize) -> TableRow<'_> {
        TableRow { table: self, row }
    }
}

impl Cells for TableRow<'_> {
    fn get(&self, column: usize) -> Option<&str> {
        let text = self.table.columns.get(column)?.as_ref()?.get(self.row)?.trim();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CSV: Dialect = Dialect { separator: b',', quote: Some(b'"') };

    #[test]
    fn cells_are_trimmed_and_blank_is_nothing() {
        let table =
            Table::parse(&b"1, x ,\"a, \"\"b\"\"\"\n2,\"\", \n".to_vec().into(), 2, 3, CSV, &[Some(0), Some(2), Some(1), None])
                .unwrap();
        let cells = |row: usize| (0..5).map(|column| table.row(row).get(column).map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(cells(0), [Some("1".into()), Some("a, \"b\"".into()), Some("x".into()), None, None]);
        assert_eq!(cells(1), [Some("2".into()), None, None, None, None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn polars_sees_the_rows_that_the_row_reader_saw(rows in proptest::collection::vec(proptest::collection::vec("[ -~\né\",]{0,9}", 3), 1..9)) {
            let mut text = b"a,b,c\n".to_vec();
            for row in &rows {
                // As loosely as exports do it: quoted only where it must be, marks in odd places left alone.
                let field = |field: &String| match field.contains(['\n', ',']) || field.starts_with('"') {
                    true => format!("\"{}\"", field.replace('"', "\"\"")),
                    false => field.clone(),
                };
                text.extend_from_slice(row.iter().map(field).collect::<Vec<_>>().join(",").as_bytes());
                text.push(b'\n');
            }
            let mut reader = super::super::rows::RowReader::new(&text[..], CSV);
            reader.header().unwrap();
            let block = reader.next_block().unwrap().unwrap();
            prop_assert!(block.bad.is_empty(), "{:?}", block.bad);
            let table = Table::parse(&block.bytes.into(), block.rows.len(), 3, CSV, &[Some(0), Some(1), Some(2)]).unwrap();
            for (row, fields) in rows.iter().enumerate() {
                for (column, field) in fields.iter().enumerate() {
                    let cells = table.row(row);
                    prop_assert_eq!(cells.get(column).unwrap_or(""), field.trim());
                }
            }
        }
    }
}
