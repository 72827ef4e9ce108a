use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::ipc::reader::FileReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn sample() -> RecordBatch {
    let words: DictionaryArray<Int32Type> = [Some("North"), None, Some("Ost, \"Mitte\"")].into_iter().collect();
    let texts = StringViewArray::from(vec![Some("a\nb"), Some(""), None]);
    let times = TimestampMicrosecondArray::from(vec![Some(1_314_554_400_000_000), Some(1_314_554_400_250_000), None]);
    RecordBatch::try_from_iter([
        ("district", Arc::new(words) as ArrayRef),
        ("text", Arc::new(texts)),
        ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)]))),
        ("share", Arc::new(Float32Array::from(vec![Some(0.1), Some(1.0), None]))),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ])
    .unwrap()
}

fn written(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = Writer::new(format, &sample().schema(), Vec::new()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap()
}

fn text(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(written(format, batches)).unwrap()
}

#[test]
fn csv_tells_null_from_empty_and_quotes_what_needs_it() {
    let expected = "district,text,n,share,at\n\
        North,\"a\nb\",1,0.1,2011-08-28T18:00:00Z\n\
        ,\"\",,1.0,2011-08-28T18:00:00.250Z\n\
        \"Ost, \"\"Mitte\"\"\",,-3,,\n";
    assert_eq!(text(Format::Csv, &[sample()]), expected);
    assert_eq!(text(Format::Csv, &[]), "district,text,n,share,at\n");
}

#[test]
fn json_is_one_array_however_many_batches_there_are() {
    let expected = concat!(
        r#"[{"district":"North","text":"a\nb","n":1,"share":0.1,"at":"2011-08-28T18:00:00Z"},"#,
        r#"{"district":null,"text":"","n":null,"share":1.0,"at":"2011-08-28T18:00:00.250Z"}]"#,
        "\n"
    );
    assert_eq!(text(Format::Json, &[sample().slice(0, 1), sample().slice(1, 1)]), expected);
    assert_eq!(text(Format::Json, &[]), "[]\n");
}

#[test]
fn a_table_is_aligned_and_counts_its_rows() {
    let expected = "\
\x20district     | text | n    | share | at
--------------+------+------+-------+--------------------------
 North        | a b  |    1 |   0.1 | 2011-08-28T18:00:00Z
 NULL         |      | NULL |   1.0 | 2011-08-28T18:00:00.250Z
 Ost, \"Mitte\" | NULL |   -3 |  NULL | NULL
(3 rows)
";
    let table = text(Format::Table, &[sample()]);
    // Numbers stand right, their names too.
    assert_eq!(table, expected.replace("n    | share", "   n | share"));
}

#[test]
fn parquet_and_arrow_read_back_the_same() {
    let plain = normal::batch(&sample(), &normal::schema(&sample().schema())).unwrap();
    let parquet = written(Format::Parquet, &[sample()]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(parquet)).unwrap().build().unwrap();
    assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), vec![plain.clone()]);
    let arrow = written(Format::Arrow, &[sample(), sample()]);
    let reader = FileReader::try_new(std::io::Cursor::new(arrow), None).unwrap();
    assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), vec![plain.clone(), plain]);
}

#[test]
fn a_repeated_name_gets_a_number() {
    let column = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let schema = datafusion::arrow::datatypes::Schema::new(vec![
        datafusion::arrow::datatypes::Field::new("n", datafusion::arrow::datatypes::DataType::Int64, true),
        datafusion::arrow::datatypes::Field::new("n", datafusion::arrow::datatypes::DataType::Int64, true),
    ]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column(), column()]).unwrap();
    let mut writer = Writer::new(Format::Json, &batch.schema(), Vec::new()).unwrap();
    writer.write(&batch).unwrap();
    assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), "[{\"n\":1,\"n_2\":1}]\n");
}

#[test]
fn a_format_is_known_by_its_name() {
    assert_eq!("parquet".parse::<Format>(), Ok(Format::Parquet));
    assert_eq!("xml".parse::<Format>().unwrap_err(), "`xml` is not a format: use one of table, csv, json, parquet, arrow");
}
