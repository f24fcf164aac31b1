//! Pages of a Parquet column chunk.
//!
//! The crate `parquet` reserves memory for whatever sizes a file claims, and a failed reservation ends the
//! process (arrow-rs issue 10734, <https://github.com/apache/arrow-rs/issues/10734>). So the pages are read and
//! unpacked here, within limits, and the crate gets them once their sizes are known to be true; [`check_footer`]
//! does the same for the file's metadata. When a release of the crate reserves no more than a file can fill,
//! its own `SerializedPageReader` takes the place of [`Pages`], and most of this file goes.

use ::parquet::basic::{Compression, Encoding, Type};
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::{ParquetError, Result};
use bytes::Bytes;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest page, packed or not. Writers aim at 1 MiB.
const MAX_PAGE: usize = 256 << 20;
/// The largest dictionary; decoded, it takes up to eight times the memory.
const MAX_DICTIONARY: usize = 64 << 20;
/// The largest header of a page; it may hold two values as statistics.
const MAX_HEADER: usize = 16 << 20;
/// Room reserved for a page before any of it is unpacked.
const RESERVED: usize = 4 << 20;

/// The largest footer; decoded, it takes up to thirty times the memory.
pub(super) const MAX_FOOTER: usize = 64 << 20;
/// The longest list in a footer, such as the columns of a row group.
const MAX_LIST: usize = 1 << 20;
/// The deepest nesting of a schema, which the crate walks by recursion.
const MAX_DEPTH: usize = 100;

/// A column chunk as the footer describes it.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) values: u64,
    pub(super) codec: Compression,
    pub(super) kind: Type,
    /// Bytes of one value of a fixed length.
    pub(super) width: usize,
    pub(super) nullable: bool,
}

/// Reads the pages of one column chunk.
pub(super) struct Pages {
    file: Arc<File>,
    chunk: Chunk,
    at: u64,
    end: u64,
    values_left: u64,
    read: Arc<AtomicU64>,
}

impl Pages {
    /// `read` counts the bytes.
    pub(super) fn new(file: Arc<File>, chunk: Chunk, read: Arc<AtomicU64>) -> Self {
        let (at, end) = (chunk.start, chunk.start.saturating_add(chunk.size));
        let values_left = chunk.values;
        Self { file, chunk, at, end, values_left, read }
    }

    fn header(&mut self) -> Result<Header> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        for window in [1 << 10, 1 << 16, MAX_HEADER] {
            let bytes = read_at(&self.file, self.at, window.min(left))?;
            let mut thrift = Thrift { rest: &bytes };
            if let Some(header) = thrift.page_header() {
                self.at += (bytes.len() - thrift.rest.len()) as u64;
                return Ok(header);
            }
            if window >= left {
                break;
            }
        }
        Err(damaged("the header of a page is damaged"))
    }

    fn next_page(&mut self) -> Result<Option<Page>> {
        while self.at < self.end && self.values_left > 0 {
            let started = self.at;
            let header = self.header()?;
            let packed = size(header.packed_size)?;
            let plain = size(header.plain_size)?;
            if packed as u64 > self.end - self.at {
                return Err(damaged("a page is longer than its column chunk"));
            }
            if packed.max(plain) > MAX_PAGE || (header.kind == DICTIONARY && plain > MAX_DICTIONARY) {
                return Err(damaged("a page is too large"));
            }
            let body = self.at;
            self.at += packed as u64;
            self.read.fetch_add(self.at - started, Ordering::Relaxed);
            let is_data = matches!(header.kind, DATA | DATA_V2);
            let values =
                u32::try_from(header.values).map_err(|_| damaged("a page holds a negative count"))?;
            if (!is_data && header.kind != DICTIONARY) || (is_data && values == 0) {
                continue;
            }
            let bytes = read_at(&self.file, body, packed)?;
            let page = self.page(&header, values, bytes, plain)?;
            if is_data {
                let left = self.values_left.checked_sub(u64::from(values));
                self.values_left = left.ok_or_else(|| damaged("more values than the footer says"))?;
            }
            return Ok(Some(page));
        }
        Ok(None)
    }

    fn page(&self, header: &Header, values: u32, bytes: Vec<u8>, plain: usize) -> Result<Page> {
        let codec = self.chunk.codec;
        let encoding = encoding(header.encoding)?;
        if header.kind == DATA_V2 {
            let levels = size(header.def_length)?.saturating_add(size(header.rep_length)?);
            let Some((front, rest)) = bytes.split_at_checked(levels) else {
                return Err(damaged("the levels of a page are longer than the page"));
            };
            let plain =
                plain.checked_sub(levels).ok_or_else(|| damaged("a page is shorter than its levels"))?;
            let buf = if header.unpacked || codec == Compression::UNCOMPRESSED {
                bytes
            } else {
                [front, &unpack(codec, rest, plain)?].concat()
            };
            let (encoding, buf) = self.plain_texts(encoding, buf, levels, values)?;
            return Ok(Page::DataPageV2 {
                buf: buf.into(),
                num_values: values,
                encoding,
                num_nulls: u32::try_from(header.nulls)
                    .map_err(|_| damaged("a page holds a negative count"))?,
                num_rows: values,
                def_levels_byte_len: header.def_length.unsigned_abs(),
                rep_levels_byte_len: header.rep_length.unsigned_abs(),
                is_compressed: false,
                statistics: None,
            });
        }
        let buf = if codec == Compression::UNCOMPRESSED { bytes } else { unpack(codec, &bytes, plain)? };
        if header.kind == DICTIONARY {
            let width = match self.chunk.kind {
                Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
                Type::FIXED_LEN_BYTE_ARRAY => self.chunk.width.max(1),
                _ => 8,
            };
            if (values as usize).saturating_mul(width) > buf.len() {
                return Err(damaged("a dictionary is shorter than it claims"));
            }
            return Ok(Page::DictionaryPage {
                buf: buf.into(),
                num_values: values,
                encoding,
                is_sorted: false,
            });
        }
        let levels = match buf.first_chunk() {
            // The levels come first, after their length.
            Some(length) if self.chunk.nullable => (u32::from_le_bytes(*length) as usize).saturating_add(4),
            _ => 0,
        };
        let (encoding, buf) = self.plain_texts(encoding, buf, levels, values)?;
        Ok(Page::DataPage {
            num_values: values,
            encoding,
            def_level_encoding: self::encoding(header.def_encoding)?,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
            buf: Bytes::from(buf),
        })
    }

    /// The two encodings of text that hold lengths of their own are turned into the plain one: the crate
    /// trusts the lengths, and with shared prefixes a small page can stand for any amount of text.
    fn plain_texts(
        &self,
        encoding: Encoding,
        buf: Vec<u8>,
        levels: usize,
        values: u32,
    ) -> Result<(Encoding, Vec<u8>)> {
        let prefixes = match encoding {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => false,
            Encoding::DELTA_BYTE_ARRAY => true,
            _ => return Ok((encoding, buf)),
        };
        let width = match self.chunk.kind {
            Type::FIXED_LEN_BYTE_ARRAY => Some(self.chunk.width),
            _ => None,
        };
        let plain = buf.split_at_checked(levels).and_then(|(levels, data)| {
            let mut out = levels.to_vec();
            plain_texts(data, values as usize, prefixes, width, &mut out)?;
            Some((Encoding::PLAIN, out))
        });
        plain.ok_or_else(|| damaged("the lengths in a page are damaged"))
    }
}

/// Appends texts with delta-encoded lengths to `out`, each after its length unless all have one `width`.
fn plain_texts(
    data: &[u8],
    values: usize,
    prefixes: bool,
    width: Option<usize>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut thrift = Thrift { rest: data };
    let prefixes = if prefixes { Some(thrift.deltas(values)?) } else { None };
    let suffixes = thrift.deltas(values)?;
    let mut text = thrift.rest;
    let mut before = 0..0;
    for (i, suffix) in suffixes.into_iter().enumerate() {
        let prefix = match &prefixes {
            Some(prefixes) => *prefixes.get(i)?,
            None => 0,
        };
        let (piece, rest) = text.split_at_checked(suffix)?;
        text = rest;
        let length = prefix + suffix;
        if prefix > before.len() || out.len() + length > MAX_PAGE {
            return None;
        }
        match width {
            None => out.extend_from_slice(&u32::try_from(length).ok()?.to_le_bytes()),
            Some(width) if width == length => {}
            Some(_) => return None,
        }
        let start = out.len();
        out.extend_from_within(before.start..before.start + prefix);
        out.extend_from_slice(piece);
        before = start..out.len();
    }
    Some(())
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.next_page()
    }

    // The crate looks ahead only to skip rows and in repeated columns.
    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(damaged("pages cannot be skipped"))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Err(damaged("pages cannot be skipped"))
    }
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.into())
}

fn size(claimed: i32) -> Result<usize> {
    usize::try_from(claimed).map_err(|_| damaged("a page has a negative size"))
}

pub(super) fn read_at(mut file: &File, at: u64, length: usize) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Unpacks a page to exactly `size` bytes.
fn unpack(codec: Compression, packed: &[u8], size: usize) -> Result<Vec<u8>> {
    let wrong = || damaged("a page cannot be unpacked");
    let plain = match codec {
        // A page without values.
        _ if size == 0 => Vec::new(),
        Compression::SNAPPY => {
            if snap::raw::decompress_len(packed).map_err(|_| wrong())? != size {
                return Err(wrong());
            }
            snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| wrong())?
        }
        Compression::GZIP(_) => read_all(flate2::read::MultiGzDecoder::new(packed), size)?,
        Compression::ZSTD(_) => {
            read_all(ruzstd::decoding::StreamingDecoder::new(packed).map_err(|_| wrong())?, size)?
        }
        Compression::LZ4_RAW => lz4_flex::block::decompress(packed, size).map_err(|_| wrong())?,
        Compression::LZ4 => match lz4_hadoop(packed, size) {
            Some(plain) => plain,
            // Some writers meant LZ4_RAW.
            None => lz4_flex::block::decompress(packed, size).map_err(|_| wrong())?,
        },
        Compression::UNCOMPRESSED => packed.to_vec(),
        Compression::BROTLI(_) | Compression::LZO => {
            let what = "pages packed with Brotli or LZO cannot be read; Snappy, Zstandard, gzip and LZ4 can";
            return Err(ParquetError::NYI(what.into()));
        }
    };
    if plain.len() == size { Ok(plain) } else { Err(wrong()) }
}

fn read_all(packed: impl Read, size: usize) -> Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(size.min(RESERVED));
    // One byte more, to notice a page that unpacks to more than it claims.
    packed.take(size as u64 + 1).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Hadoop's frames: the lengths of a block unpacked and packed, then the block.
fn lz4_hadoop(mut packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    while !packed.is_empty() {
        let (lengths, rest) = packed.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *lengths;
        let (to, from) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let (block, rest) = rest.split_at_checked(from as usize)?;
        let to = to as usize;
        if plain.len().checked_add(to)? > size {
            return None;
        }
        plain.extend_from_slice(&lz4_flex::block::decompress(block, to).ok()?);
        packed = rest;
    }
    Some(plain)
}

const RLE: i32 = 3;

fn encoding(id: i32) -> Result<Encoding> {
    #[expect(deprecated, reason = "old files hold it")]
    let bit_packed = Encoding::BIT_PACKED;
    Ok(match id {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        RLE => Encoding::RLE,
        4 => bit_packed,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return Err(damaged("unknown encoding")),
    })
}

const DATA: i32 = 0;
const DICTIONARY: i32 = 2;
const DATA_V2: i32 = 3;

/// The header of a page; fields that its kind does not have are zero.
#[derive(Debug, Default)]
struct Header {
    kind: i32,
    plain_size: i32,
    packed_size: i32,
    values: i32,
    nulls: i32,
    encoding: i32,
    def_encoding: i32,
    def_length: i32,
    rep_length: i32,
    unpacked: bool,
}

/// Checks that the schema of a footer is what the crate can walk, and that no list in it is absurdly long.
pub(super) fn check_footer(footer: &[u8]) -> bool {
    let mut children = Vec::new();
    let read = Thrift { rest: footer }.structure(0, &mut |thrift, id, kind| {
        if id != SCHEMA || kind != LIST {
            return thrift.skip(kind, 0);
        }
        let (kind, length) = thrift.list()?;
        for _ in 0..length {
            if kind != STRUCT {
                return None;
            }
            let mut count = 0;
            thrift.structure(0, &mut |thrift, id, kind| match (id, kind) {
                (NUM_CHILDREN, I32) => {
                    count = usize::try_from(thrift.int()?).ok()?;
                    Some(())
                }
                _ => thrift.skip(kind, 0),
            })?;
            children.push(count);
        }
        Some(())
    });
    read.is_some() && is_tree(&children)
}

/// Whether these numbers of children, in the order of a walk, make one tree that is not too deep.
fn is_tree(children: &[usize]) -> bool {
    // The nodes still missing on each level.
    let mut missing = vec![1_usize];
    for &count in children {
        while missing.last() == Some(&0) {
            missing.pop();
        }
        let Some(last) = missing.last_mut() else { return false };
        *last -= 1;
        if count > children.len() {
            return false;
        }
        if count > 0 {
            missing.push(count);
        }
        if missing.len() > MAX_DEPTH {
            return false;
        }
    }
    missing.iter().all(|&count| count == 0)
}

const SCHEMA: i16 = 2;
const NUM_CHILDREN: i16 = 5;

/// Reads Thrift's compact protocol; `None` is the end of the bytes, or bytes that make no sense.
struct Thrift<'a> {
    rest: &'a [u8],
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

type Field<'f, 'a> = dyn FnMut(&mut Thrift<'a>, i16, u8) -> Option<()> + 'f;

impl<'a> Thrift<'a> {
    fn page_header(&mut self) -> Option<Header> {
        let mut header = Header::default();
        self.structure(0, &mut |thrift, id, kind| match (id, kind) {
            (1, I32) => thrift.int32(&mut header.kind),
            (2, I32) => thrift.int32(&mut header.plain_size),
            (3, I32) => thrift.int32(&mut header.packed_size),
            // The three kinds of pages; the second has one encoding, the others have more fields.
            (5 | 7, STRUCT) => thrift.structure(0, &mut |thrift, id, kind| match (id, kind) {
                (1, I32) => thrift.int32(&mut header.values),
                (2, I32) => thrift.int32(&mut header.encoding),
                (3, I32) => thrift.int32(&mut header.def_encoding),
                _ => thrift.skip(kind, 0),
            }),
            (8, STRUCT) => thrift.structure(0, &mut |thrift, id, kind| match (id, kind) {
                (1, I32) => thrift.int32(&mut header.values),
                (2, I32) => thrift.int32(&mut header.nulls),
                (4, I32) => thrift.int32(&mut header.encoding),
                (5, I32) => thrift.int32(&mut header.def_length),
                (6, I32) => thrift.int32(&mut header.rep_length),
                (7, TRUE | FALSE) => {
                    header.unpacked = kind == FALSE;
                    Some(())
                }
                _ => thrift.skip(kind, 0),
            }),
            _ => thrift.skip(kind, 0),
        })?;
        Some(header)
    }

    /// Calls `field` with the id and the kind of each field; it must read the value.
    fn structure(&mut self, depth: usize, field: &mut Field<'_, 'a>) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            let (delta, kind) = (head >> 4, head & 15);
            if kind == 0 {
                return Some(());
            }
            id = if delta == 0 { i16::try_from(self.int()?).ok()? } else { id.checked_add(delta.into())? };
            field(self, id, kind)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            TRUE | FALSE => Some(()),
            3 => self.bytes(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.bytes(8),
            8 => {
                let length = self.varint()?;
                self.bytes(usize::try_from(length).ok()?)
            }
            9 | 10 => {
                let (kind, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip_item(kind, depth))
            }
            11 => {
                let length = self.varint()?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                (0..length).try_for_each(|_| {
                    self.skip_item(kinds >> 4, depth)?;
                    self.skip_item(kinds & 15, depth)
                })
            }
            STRUCT => self.structure(depth + 1, &mut |thrift, _, kind| thrift.skip(kind, depth + 1)),
            _ => None,
        }
    }

    /// In a list, unlike a struct, a bool takes a byte.
    fn skip_item(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            TRUE | FALSE => self.bytes(1),
            _ if depth > MAX_DEPTH => None,
            _ => self.skip(kind, depth + 1),
        }
    }

    /// The kind and the number of the items of a list.
    fn list(&mut self) -> Option<(u8, usize)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            length => length.into(),
        };
        (length <= MAX_LIST).then_some((head & 15, length))
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn bytes(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        let n = self.varint()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// Lengths in the encoding DELTA_BINARY_PACKED, which has Thrift's integers in its headers; at most `most`.
    fn deltas(&mut self, most: usize) -> Option<Vec<usize>> {
        let block = usize::try_from(self.varint()?).ok()?;
        let minis = usize::try_from(self.varint()?).ok()?;
        let count = usize::try_from(self.varint()?).ok().filter(|&count| count <= most)?;
        let mut value = self.int()? as i32;
        let per_mini = block.checked_div(minis).filter(|&n| n > 0 && n % 8 == 0 && block <= MAX_LIST)?;
        let mut out = Vec::new();
        if count > 0 {
            out.push(usize::try_from(value).ok()?);
        }
        while out.len() < count {
            let least = self.int()? as i32;
            let (widths, rest) = self.rest.split_at_checked(minis)?;
            self.rest = rest;
            for &width in widths {
                let width = usize::from(width);
                let values = per_mini.min(count - out.len());
                if values == 0 {
                    break;
                }
                if width > 32 {
                    return None;
                }
                // The last bytes may be missing where they hold no values.
                let bytes = (per_mini * width / 8).min(self.rest.len());
                let (packed, rest) = self.rest.split_at_checked(bytes)?;
                self.rest = rest;
                for bit in (0..values).map(|k| k * width) {
                    let mut word = [0; 8];
                    let from = packed.get(bit / 8..(bit + width).div_ceil(8))?;
                    word.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                    let delta = u64::from_le_bytes(word) >> (bit % 8) & ((1 << width) - 1);
                    value = value.wrapping_add(least).wrapping_add(delta as i32);
                    out.push(usize::try_from(value).ok()?);
                }
            }
        }
        Some(out)
    }

    fn int32(&mut self, to: &mut i32) -> Option<()> {
        *to = i32::try_from(self.int()?).ok()?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Compression, MAX_PAGE, Thrift, is_tree, plain_texts, unpack};
    use std::io::Write as _;

    #[test]
    fn trees() {
        assert!(is_tree(&[2, 0, 0]));
        assert!(is_tree(&[1, 2, 0, 0]));
        assert!(is_tree(&[0]));
        assert!(!is_tree(&[]));
        assert!(!is_tree(&[2, 0]));
        assert!(!is_tree(&[1, 0, 0]));
        assert!(!is_tree(&[1 << 30, 0, 0]));
        let chain: Vec<_> = [1; 1000].into_iter().chain([0]).collect();
        assert!(!is_tree(&chain));
    }

    #[test]
    fn pages_of_another_size_than_they_claim() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
        let gzip = gzip.finish().unwrap();
        let snappy = snap::raw::Encoder::new().compress_vec(&vec![0; 1 << 20]).unwrap();
        let lz4 = lz4_flex::block::compress(&vec![0; 1 << 20]);
        for (codec, packed) in [
            (Compression::GZIP(Default::default()), gzip),
            (Compression::SNAPPY, snappy),
            (Compression::LZ4_RAW, lz4.clone()),
            (Compression::LZ4, lz4),
        ] {
            assert_eq!(unpack(codec, &packed, 1 << 20).unwrap().len(), 1 << 20, "{codec}");
            for size in [1, 10, (1 << 20) - 1, (1 << 20) + 1, MAX_PAGE] {
                assert!(unpack(codec, &packed, size).is_err(), "{codec} {size}");
            }
        }
    }

    #[test]
    fn texts_that_grow_without_bound() {
        // Lengths in blocks of 128 values and 4 parts: a first value, then steps of a constant size.
        let lengths = |count: u32, first: u8, step: u8| {
            let mut out = vec![0x80, 1, 4];
            let mut rest = count;
            while rest > 127 {
                out.push(rest as u8 | 128);
                rest >>= 7;
            }
            out.extend([rest as u8, 2 * first]);
            (0..(count - 1).div_ceil(128)).for_each(|_| out.extend([2 * step, 0, 0, 0, 0]));
            out
        };
        assert_eq!(Thrift { rest: &lengths(300, 1, 2) }.deltas(300).unwrap()[..3], [1, 3, 5]);
        assert_eq!(Thrift { rest: &lengths(300, 1, 2) }.deltas(299), None);
        // Each text is the one before it and one more byte.
        let grow = |count: u32| {
            let text = vec![b'x'; count as usize];
            let page = [lengths(count, 0, 1), lengths(count, 1, 0), text].concat();
            let mut out = Vec::new();
            plain_texts(&page, count as usize, true, None, &mut out).map(|()| out.len())
        };
        assert_eq!(grow(3), Some(3 * 4 + 1 + 2 + 3));
        assert_eq!(grow(1_000_000), None);
    }
}
