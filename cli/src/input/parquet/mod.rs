//! Parquet, by the low-level column readers of the crate `parquet`.
//!
//! Rows are read in batches, so a page and a batch of each wanted column are in memory at a time. What the
//! crate would take on trust is checked before ([`pages`]); should it panic over a damaged file, that
//! is an error as any other, unless the tool is built with `panic = "abort"`.
//!
//! Two things a file can still ask for: more rows than its size suggests, as runs of equal values take a few
//! bytes; and, with many wanted columns, memory for a large page of each.

mod pages;

use super::problem::{MAX_MESSAGE, NOT_UTF8, Place, Problem};
use super::row::{Accept, Each, RowBuffer, Wanted};
use super::source::{BLOCK, MAX_COLUMNS, MAX_RECORD, Progress};
use crate::printable::printable;
use ::parquet::basic::{ConvertedType, LogicalType, Type};
use ::parquet::column::reader::ColumnReaderImpl;
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy, RowGroupMetaData,
};
use ::parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};
use half::f16;
use pages::{Chunk, MAX_FOOTER, Pages, check_footer, read_at};
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
        let all = matches!(wanted.accept, Accept::Everything { .. });
        let number_leaves = self.leaves(wanted.numbers, numeric)?;
        let text_leaves = self.leaves(wanted.texts, if all { anything } else { grouping })?;
        let mut total = 0;
        for group in self.footer.row_groups() {
            for leaf in number_leaves.iter().chain(&text_leaves) {
                total += self.chunk(group, leaf)?.size;
            }
        }
        let read = Arc::new(AtomicU64::new(0));
        let width = number_leaves.len() + text_leaves.len();
        let batch = (BATCH_VALUES / width.max(1)).clamp(1, BATCH_ROWS);
        let mut buffer = RowBuffer::new(wanted);
        let mut scratch = String::new();
        let (mut before, mut reported) = (0, 0);
        for group in self.footer.row_groups() {
            let reader = |leaf: &Leaf| {
                let pages = Pages::new(Arc::clone(&self.file), self.chunk(group, leaf)?, Arc::clone(&read));
                quiet(|| Reader::new(leaf, pages))
            };
            let mut numbers = number_leaves.iter().map(reader).collect::<Result<Vec<_>, _>>()?;
            let mut texts = text_leaves.iter().map(reader).collect::<Result<Vec<_>, _>>()?;
            let mut left = usize::try_from(group.num_rows()).map_err(|_| damaged("a count is negative"))?;
            while left > 0 {
                let rows = left.min(batch);
                let columns = wanted.numbers.iter().chain(wanted.texts);
                for (reader, &column) in numbers.iter_mut().chain(&mut texts).zip(columns) {
                    let next = quiet(|| reader.next(rows))?;
                    next.map_err(|what| Problem { place: None, column: Some(column), what })?;
                }
                for row in 0..rows {
                    let place = Place::Row(before + row as u64 + 1);
                    buffer.clear();
                    for (i, (reader, &column)) in numbers.iter().zip(wanted.numbers).enumerate() {
                        let read = match reader.number(row) {
                            Some(x) => {
                                buffer.number(i, column, x, || format!("`{x}` is not a finite number"))
                            }
                            None => buffer.missing(i, column, || NULL.into()),
                        };
                        read.map_err(|what| Problem::cell(place, column, what))?;
                    }
                    for (i, (reader, &column)) in texts.iter().zip(wanted.texts).enumerate() {
                        let text = reader.text(row, all, &mut scratch);
                        buffer.text(i, text.map_err(|what| Problem::cell(place, column, what))?);
                    }
                    buffer.finish(place, each)?;
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
const NULL: &str = "the value is null";

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
    Bool,
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

/// How to read a column that passes through: also what has no order.
fn anything(about: &ColumnDescriptor) -> Option<Kind> {
    match about.physical_type() {
        Type::BOOLEAN => Some(Kind::Bool),
        _ => grouping(about),
    }
}

/// A reader of one column of a row group with its buffers.
struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    max_level: i16,
    levels: Vec<i16>,
    values: Vec<T::T>,
    /// Where the value of each row is in `values`, if some rows have none.
    places: Vec<Option<usize>>,
}

impl<T: DataType> Column<T> {
    fn new(leaf: &Leaf, pages: Pages) -> Self {
        let reader = ColumnReaderImpl::new(Arc::clone(&leaf.about), Box::new(pages));
        let max_level = leaf.about.max_def_level();
        Self { reader, max_level, levels: Vec::new(), values: Vec::new(), places: Vec::new() }
    }

    /// Reads the next `rows` rows.
    fn next(&mut self, rows: usize) -> Result<(), String> {
        self.levels.clear();
        self.values.clear();
        self.places.clear();
        let read = self.reader.read_records(rows, Some(&mut self.levels), None, &mut self.values);
        let (records, values, _) = read.map_err(|e| explain(&e))?;
        if records != rows {
            return Err(format!("{DAMAGED}: fewer values than the footer says"));
        }
        if values != rows {
            let mut used = 0;
            let places = self.levels.iter().map(|&level| {
                let is_there = level == self.max_level;
                used += usize::from(is_there);
                is_there.then(|| used - 1)
            });
            self.places.extend(places);
        }
        Ok(())
    }

    /// The value of a row of the batch, `None` for null.
    #[inline]
    fn value(&self, row: usize) -> Option<&T::T> {
        let place = if self.places.is_empty() { row } else { self.places.get(row).copied().flatten()? };
        self.values.get(place)
    }
}

/// A column reader for each kind of column.
enum Reader {
    Bool(Column<BoolType>),
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
            Kind::Bool => Self::Bool(Column::new(leaf, pages)),
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

    /// Reads the next `rows` rows.
    fn next(&mut self, rows: usize) -> Result<(), String> {
        match self {
            Self::Bool(column) => column.next(rows),
            Self::Signed32(column) | Self::Unsigned32(column) => column.next(rows),
            Self::Signed64(column) | Self::Unsigned64(column) => column.next(rows),
            Self::Half(column) => column.next(rows),
            Self::Float(column) => column.next(rows),
            Self::Double(column) => column.next(rows),
            Self::Text(column) => column.next(rows),
        }
    }

    /// The number of a row of the batch, `None` for null.
    #[inline]
    fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Signed32(column) => column.value(row).map(|&n| n.into()),
            Self::Unsigned32(column) => column.value(row).map(|&n| n.cast_unsigned().into()),
            Self::Signed64(column) => column.value(row).map(|&n| n as f64),
            Self::Unsigned64(column) => column.value(row).map(|&n| n.cast_unsigned() as f64),
            Self::Half(column) => column.value(row).map(half),
            Self::Float(column) => column.value(row).map(|&x| x.into()),
            Self::Double(column) => column.value(row).copied(),
            // Columns of these are not read as numbers.
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// The text of a row of the batch; with `all`, of whatever is one value.
    fn text<'a>(&'a self, row: usize, all: bool, scratch: &'a mut String) -> Result<&'a str, String> {
        scratch.clear();
        // Writing to a string does not fail.
        let written = match self {
            // Copies are not kept: a hostile dictionary may repeat a long text in every row.
            Self::Text(column) => {
                let text = column.value(row).map(ByteArray::data);
                return match text {
                    Some(text) if text.len() > MAX_RECORD => {
                        Err(format!("longer than {} MiB", MAX_RECORD >> 20))
                    }
                    Some(text) => std::str::from_utf8(text).map_err(|_| NOT_UTF8.into()),
                    None if all => Ok(""),
                    None => Err(NULL.into()),
                };
            }
            Self::Bool(column) => column.value(row).map(|x| write!(scratch, "{x}")),
            Self::Signed32(column) => column.value(row).map(|n| write!(scratch, "{n}")),
            Self::Unsigned32(column) => column.value(row).map(|n| write!(scratch, "{}", n.cast_unsigned())),
            Self::Signed64(column) => column.value(row).map(|n| write!(scratch, "{n}")),
            Self::Unsigned64(column) => column.value(row).map(|n| write!(scratch, "{}", n.cast_unsigned())),
            // In its own precision, in which it has fewer digits.
            Self::Float(column) if all => column.value(row).map(|x| write!(scratch, "{x:?}")),
            Self::Float(column) => match column.value(row) {
                Some(x) if !x.is_finite() => return Err(format!("`{x}` is not a finite number")),
                x => x.map(|x| write!(scratch, "{x}")),
            },
            Self::Half(_) | Self::Double(_) => match self.number(row) {
                Some(x) if all => Some(write!(scratch, "{x:?}")),
                Some(x) if x.is_finite() => Some(write!(scratch, "{x}")),
                Some(x) => return Err(format!("`{x}` is not a finite number")),
                None => None,
            },
        };
        match written {
            Some(_) => Ok(scratch),
            None if all => Ok(""),
            None => Err(NULL.into()),
        }
    }
}

fn half(value: &FixedLenByteArray) -> f64 {
    match value.data() {
        &[low, high] => f16::from_le_bytes([low, high]).to_f64(),
        _ => f64::NAN,
    }
}
