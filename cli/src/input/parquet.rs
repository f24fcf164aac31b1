//! Parquet, by the low-level column readers of the crate `parquet`.
//!
//! Rows are read in batches, so a page and a batch of each wanted column are in memory at a time. What the
//! crate would take on trust is checked before ([`super::pages`]); should it panic over a damaged file, that
//! is an error as any other, unless the tool is built with `panic = "abort"`.
//!
//! Two things a file can still ask for: more rows than its size suggests, as runs of equal values take a few
//! bytes; and, with many wanted columns, memory for a large page of each.

use super::pages::{Chunk, MAX_FOOTER, Pages, check_footer, read_at};
use super::{
    BLOCK, Each, MAX_COLUMNS, MAX_MESSAGE, MAX_RECORD, NOT_UTF8, Place, Problem, Progress, Row, Wanted,
    printable,
};
use ::parquet::basic::{ConvertedType, LogicalType, Type};
use ::parquet::column::reader::ColumnReaderImpl;
use ::parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy, RowGroupMetaData,
};
use ::parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};
use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

/// Values of all columns in a batch, and the most rows.
const BATCH_VALUES: usize = 1 << 20;
const BATCH_ROWS: usize = 1 << 13;

pub(super) struct Parquet {
    file: Arc<File>,
    length: u64,
    footer: ParquetMetaData,
    /// For each top-level column its place among the leaves of the schema, if it is flat.
    leaves: Vec<Option<usize>>,
}

/// Reads the footer.
pub(super) fn open(file: File) -> Result<(Parquet, Vec<String>), Problem> {
    let length = file.metadata()?.len();
    let not_parquet = || Problem::new("not a Parquet file, or cut off: it does not end in `PAR1`");
    let tail_at = length.checked_sub(8).filter(|&at| at >= 4).ok_or_else(not_parquet)?;
    let tail = read_at(&file, tail_at, 8)?;
    let (size, magic) = tail.split_first_chunk().ok_or_else(not_parquet)?;
    if magic == b"PARE" {
        return Err(Problem::new("the Parquet file is encrypted"));
    }
    if magic != b"PAR1" {
        return Err(not_parquet());
    }
    let size = u32::from_le_bytes(*size);
    let start =
        tail_at.checked_sub(size.into()).ok_or_else(|| damaged("the footer is longer than the file"))?;
    if size as usize > MAX_FOOTER {
        return Err(Problem::new(format!("the footer is longer than {} MiB", MAX_FOOTER >> 20)));
    }
    let bytes = read_at(&file, start, size as usize)?;
    if !check_footer(&bytes) {
        return Err(damaged("the footer makes no sense"));
    }
    let options = ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    quiet(|| {
        let footer = ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options));
        let footer = footer.map_err(|e| Problem::new(explain(&e)))?;
        let schema = footer.file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        if fields.len() > MAX_COLUMNS {
            return Err(Problem::new(format!("more than {MAX_COLUMNS} columns")));
        }
        let columns = fields.iter().map(|field| field.name().to_owned()).collect();
        let mut leaves = vec![None; fields.len()];
        for (i, leaf) in schema.columns().iter().enumerate() {
            if leaf.path().parts().len() == 1
                && leaf.max_rep_level() == 0
                && let Some(slot) = leaves.get_mut(schema.get_column_root_idx(i))
            {
                *slot = Some(i);
            }
        }
        Ok((Parquet { file: Arc::new(file), length: start, footer, leaves }, columns))
    })?
}

impl Parquet {
    pub(super) fn read(
        self,
        wanted: &Wanted<'_>,
        progress: &mut Progress<'_>,
        each: &mut Each<'_>,
    ) -> Result<u64, Problem> {
        let number_leaves = self.leaves(wanted.numbers, numeric)?;
        let group_leaf = self.leaves(wanted.group.as_slice(), grouping)?;
        let mut total = 0;
        for group in self.footer.row_groups() {
            for leaf in number_leaves.iter().chain(&group_leaf) {
                total += self.chunk(group, leaf)?.size;
            }
        }
        let read = Arc::new(AtomicU64::new(0));
        let width = number_leaves.len();
        let batch = (BATCH_VALUES / (width + 1)).clamp(1, BATCH_ROWS);
        let mut numbers = vec![0.0; batch * width];
        let mut scratch = String::new();
        let (mut before, mut reported) = (0, 0);
        for group in self.footer.row_groups() {
            let reader = |leaf: &Leaf| {
                let pages = Pages::new(Arc::clone(&self.file), self.chunk(group, leaf)?, Arc::clone(&read));
                quiet(|| Reader::new(leaf, pages))
            };
            let mut readers = number_leaves.iter().map(reader).collect::<Result<Vec<_>, _>>()?;
            let mut group_reader = group_leaf.first().map(reader).transpose()?;
            let mut left = usize::try_from(group.num_rows()).map_err(|_| damaged("a count is negative"))?;
            while left > 0 {
                let rows = left.min(batch);
                // Errors of a column are placed relative to the batch.
                let place = |row: usize| Place::Row(before + row as u64 + 1);
                let fault = |column: usize, fault: Fault| match fault.row {
                    Some(row) => Problem::cell(place(row), column, fault.what),
                    None => Problem { place: None, column: Some(column), what: fault.what },
                };
                for (i, (reader, &column)) in readers.iter_mut().zip(wanted.numbers).enumerate() {
                    let out = numbers.iter_mut().skip(i).step_by(width);
                    quiet(|| reader.numbers(rows, out))?.map_err(|e| fault(column, e))?;
                }
                if let (Some(reader), Some(column)) = (&mut group_reader, wanted.group) {
                    quiet(|| reader.groups(rows))?.map_err(|e| fault(column, e))?;
                }
                for row in 0..rows {
                    let numbers = numbers.get(row * width..(row + 1) * width).unwrap_or_default();
                    let group = group_reader.as_ref().map(|reader| reader.group(row, &mut scratch));
                    each(&Row { place: place(row), numbers, group })
                        .map_err(|no| Problem::refused(place(row), no))?;
                }
                before += rows as u64;
                left -= rows;
                let now = read.load(Ordering::Relaxed);
                if now - reported >= BLOCK as u64 {
                    reported = now;
                    progress(now, Some(total));
                }
            }
        }
        progress(read.load(Ordering::Relaxed), Some(total));
        Ok(before)
    }

    /// The leaves of these columns, if `accept` has a way to read their types.
    fn leaves(
        &self,
        columns: &[usize],
        accept: fn(&ColumnDescriptor) -> Option<Kind>,
    ) -> Result<Vec<Leaf>, Problem> {
        let schema = self.footer.file_metadata().schema_descr();
        let leaf = |&column: &usize| {
            let refuse = |what: String| Problem { place: None, column: Some(column), what };
            let index = self.leaves.get(column).copied().flatten();
            let index = index.ok_or_else(|| refuse("nested and repeated columns cannot be read".into()))?;
            let Some(about) = schema.columns().get(index) else { return Err(damaged("a column is missing")) };
            let kind = accept(about).ok_or_else(|| {
                let logical = match (about.logical_type_ref(), about.converted_type()) {
                    (Some(logical), _) => {
                        let name = format!("{logical:?}");
                        format!(
                            " ({})",
                            name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
                        )
                    }
                    (None, ConvertedType::NONE) => String::new(),
                    (None, converted) => format!(" ({converted})"),
                };
                refuse(format!("columns of type {}{logical} cannot be read here", about.physical_type()))
            })?;
            Ok(Leaf { column, index, kind, about: Arc::clone(about) })
        };
        columns.iter().map(leaf).collect()
    }

    /// What the footer says of a column chunk, once that is plausible.
    fn chunk(&self, group: &RowGroupMetaData, leaf: &Leaf) -> Result<Chunk, Problem> {
        let about = &leaf.about;
        let wrong = || Problem { column: Some(leaf.column), ..damaged("the footer makes no sense") };
        let chunk: &ColumnChunkMetaData = group.columns().get(leaf.index).ok_or_else(wrong)?;
        if chunk.file_path().is_some() {
            let what = "the column is in another file".into();
            return Err(Problem { place: None, column: Some(leaf.column), what });
        }
        // Some writers set the offset of a dictionary to 0 where there is none.
        let data = chunk.data_page_offset();
        let start = chunk.dictionary_page_offset().filter(|&at| at > 0 && at < data).unwrap_or(data);
        let start = u64::try_from(start).map_err(|_| wrong())?;
        let size = u64::try_from(chunk.compressed_size()).map_err(|_| wrong())?;
        let end = start.checked_add(size).ok_or_else(wrong)?;
        if end > self.length || chunk.num_values() != group.num_rows() || chunk.num_values() < 0 {
            return Err(wrong());
        }
        Ok(Chunk {
            start,
            size,
            values: chunk.num_values().unsigned_abs(),
            codec: chunk.compression(),
            kind: about.physical_type(),
            width: usize::try_from(about.type_length()).unwrap_or(0),
            nullable: about.max_def_level() > 0,
        })
    }
}

const DAMAGED: &str = "damaged Parquet file";

fn damaged(what: &str) -> Problem {
    Problem::new(format!("{DAMAGED}: {what}"))
}

/// What the crate, or [`Pages`] through it, says. It may quote the file.
fn explain(e: &ParquetError) -> String {
    let text = match e {
        ParquetError::NYI(what) => return what.clone(),
        ParquetError::General(what) | ParquetError::EOF(what) => what.clone(),
        ParquetError::External(e) => e.to_string(),
        e => e.to_string(),
    };
    let text: String = text.chars().take(MAX_MESSAGE).collect();
    format!("{DAMAGED}: {}", printable(&text))
}

/// Runs code of the crate; a panic is an error, and is not printed.
fn quiet<T>(run: impl FnOnce() -> T) -> Result<T, Problem> {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result.map_err(|_| damaged("its contents make no sense"))
}

/// A wanted column.
struct Leaf {
    column: usize,
    /// Among the leaves of the schema.
    index: usize,
    kind: Kind,
    about: ColumnDescPtr,
}

#[derive(Clone, Copy)]
enum Kind {
    Signed32,
    Unsigned32,
    Signed64,
    Unsigned64,
    Half,
    Float,
    Double,
    Text,
}

/// How to read a column of numbers. An integer that stands for a date or a decimal is not a number.
fn numeric(about: &ColumnDescriptor) -> Option<Kind> {
    use ConvertedType as C;
    let signed = match (about.logical_type_ref(), about.converted_type()) {
        (Some(LogicalType::Integer(int)), _) => int.is_signed,
        (Some(LogicalType::Float16), _) if about.type_length() == 2 => {
            return (about.physical_type() == Type::FIXED_LEN_BYTE_ARRAY).then_some(Kind::Half);
        }
        (None, C::NONE | C::INT_8 | C::INT_16 | C::INT_32 | C::INT_64) => true,
        (None, C::UINT_8 | C::UINT_16 | C::UINT_32 | C::UINT_64) => false,
        _ => return None,
    };
    match about.physical_type() {
        Type::INT32 if signed => Some(Kind::Signed32),
        Type::INT32 => Some(Kind::Unsigned32),
        Type::INT64 if signed => Some(Kind::Signed64),
        Type::INT64 => Some(Kind::Unsigned64),
        Type::FLOAT => Some(Kind::Float),
        Type::DOUBLE => Some(Kind::Double),
        _ => None,
    }
}

/// How to read a column of groups: text or numbers.
fn grouping(about: &ColumnDescriptor) -> Option<Kind> {
    use ConvertedType as C;
    if about.physical_type() != Type::BYTE_ARRAY {
        return numeric(about);
    }
    match (about.logical_type_ref(), about.converted_type()) {
        (Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _)
        | (None, C::NONE | C::UTF8 | C::ENUM | C::JSON) => Some(Kind::Text),
        _ => None,
    }
}

/// What is wrong with a column in a batch.
struct Fault {
    row: Option<usize>,
    what: String,
}

impl Fault {
    fn new(row: usize, what: impl Into<String>) -> Self {
        Self { row: Some(row), what: what.into() }
    }
}

/// A reader of one column of a row group with its buffers.
struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    max_level: i16,
    levels: Vec<i16>,
    values: Vec<T::T>,
}

impl<T: DataType> Column<T> {
    fn new(leaf: &Leaf, pages: Pages) -> Self {
        let reader = ColumnReaderImpl::new(Arc::clone(&leaf.about), Box::new(pages));
        Self { reader, max_level: leaf.about.max_def_level(), levels: Vec::new(), values: Vec::new() }
    }

    /// Exactly `rows` values, none null.
    fn batch(&mut self, rows: usize) -> Result<&[T::T], Fault> {
        self.levels.clear();
        self.values.clear();
        let read = self.reader.read_records(rows, Some(&mut self.levels), None, &mut self.values);
        let (records, values, _) = read.map_err(|e| Fault { row: None, what: explain(&e) })?;
        if records != rows {
            let what = format!("{DAMAGED}: fewer values than the footer says");
            return Err(Fault { row: None, what });
        }
        if values != rows {
            let row = self.levels.iter().position(|&level| level < self.max_level);
            return Err(Fault::new(row.unwrap_or(0), "the value is null"));
        }
        Ok(&self.values)
    }

    fn numbers<'a>(
        &mut self,
        rows: usize,
        out: impl Iterator<Item = &'a mut f64>,
        to_number: impl Fn(&T::T) -> f64,
    ) -> Result<(), Fault> {
        for (row, (value, out)) in self.batch(rows)?.iter().zip(out).enumerate() {
            *out = to_number(value);
            if !out.is_finite() {
                return Err(Fault::new(row, format!("`{out}` is not a finite number")));
            }
        }
        Ok(())
    }

    fn write(&self, row: usize, out: &mut String, write: impl Fn(&T::T, &mut String) -> std::fmt::Result) {
        if let Some(value) = self.values.get(row) {
            // Writing to a string does not fail.
            let _ = write(value, out);
        }
    }
}

/// A column reader for each kind of column.
enum Reader {
    Signed32(Column<Int32Type>),
    Unsigned32(Column<Int32Type>),
    Signed64(Column<Int64Type>),
    Unsigned64(Column<Int64Type>),
    Half(Column<FixedLenByteArrayType>),
    Float(Column<FloatType>),
    Double(Column<DoubleType>),
    Text(Column<ByteArrayType>),
}

impl Reader {
    fn new(leaf: &Leaf, pages: Pages) -> Self {
        match leaf.kind {
            Kind::Signed32 => Self::Signed32(Column::new(leaf, pages)),
            Kind::Unsigned32 => Self::Unsigned32(Column::new(leaf, pages)),
            Kind::Signed64 => Self::Signed64(Column::new(leaf, pages)),
            Kind::Unsigned64 => Self::Unsigned64(Column::new(leaf, pages)),
            Kind::Half => Self::Half(Column::new(leaf, pages)),
            Kind::Float => Self::Float(Column::new(leaf, pages)),
            Kind::Double => Self::Double(Column::new(leaf, pages)),
            Kind::Text => Self::Text(Column::new(leaf, pages)),
        }
    }

    /// Reads a batch as finite numbers.
    fn numbers<'a>(&mut self, rows: usize, out: impl Iterator<Item = &'a mut f64>) -> Result<(), Fault> {
        match self {
            Self::Signed32(column) => column.numbers(rows, out, |&n| n.into()),
            Self::Unsigned32(column) => column.numbers(rows, out, |&n| n.cast_unsigned().into()),
            Self::Signed64(column) => column.numbers(rows, out, |&n| n as f64),
            Self::Unsigned64(column) => column.numbers(rows, out, |&n| n.cast_unsigned() as f64),
            Self::Half(column) => column.numbers(rows, out, half),
            Self::Float(column) => column.numbers(rows, out, |&x| x.into()),
            Self::Double(column) => column.numbers(rows, out, |&x| x),
            Self::Text(_) => Err(Fault { row: None, what: "text, not numbers".into() }),
        }
    }

    /// Reads a batch of groups and checks that each has a text.
    fn groups(&mut self, rows: usize) -> Result<(), Fault> {
        match self {
            // Copies are not made: a hostile dictionary may repeat a long text in every row.
            Self::Text(column) => {
                for (row, value) in column.batch(rows)?.iter().enumerate() {
                    if value.len() > MAX_RECORD {
                        return Err(Fault::new(row, format!("longer than {} MiB", MAX_RECORD >> 20)));
                    }
                    std::str::from_utf8(value.data()).map_err(|_| Fault::new(row, NOT_UTF8))?;
                }
                Ok(())
            }
            _ => self.numbers(rows, vec![0.0; rows].iter_mut()),
        }
    }

    /// The text of a row of the last batch of groups.
    fn group<'a>(&'a self, row: usize, scratch: &'a mut String) -> &'a str {
        scratch.clear();
        match self {
            Self::Text(column) => {
                let value = column.values.get(row).map(ByteArray::data).unwrap_or_default();
                return std::str::from_utf8(value).unwrap_or_default();
            }
            Self::Signed32(column) => column.write(row, scratch, |n, out| write!(out, "{n}")),
            Self::Unsigned32(column) => {
                column.write(row, scratch, |n, out| write!(out, "{}", n.cast_unsigned()))
            }
            Self::Signed64(column) => column.write(row, scratch, |n, out| write!(out, "{n}")),
            Self::Unsigned64(column) => {
                column.write(row, scratch, |n, out| write!(out, "{}", n.cast_unsigned()))
            }
            Self::Half(column) => column.write(row, scratch, |x, out| write!(out, "{}", half(x))),
            Self::Float(column) => column.write(row, scratch, |x, out| write!(out, "{x}")),
            Self::Double(column) => column.write(row, scratch, |x, out| write!(out, "{x}")),
        }
        scratch
    }
}

/// An IEEE 754 number of 16 bits.
fn half(value: &FixedLenByteArray) -> f64 {
    let &[low, high] = value.data() else { return f64::NAN };
    let bits = u16::from_le_bytes([low, high]);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * (-24_f64).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}
