//! JSON lines: one object a line.

use super::problem::{MAX_MESSAGE, Place, Problem};
use super::row::{Accept, Each, RowBuffer, Wanted};
use super::source::{MAX_COLUMNS, MAX_RECORD, Progress, Source, too_long};
use crate::printable::{printable, short};
use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

pub(super) struct JsonLines {
    source: Source,
    /// Lines used so far.
    line: u64,
}

/// Reads the keys of the first object, which stays in the window.
pub(super) fn open(source: Source) -> Result<(JsonLines, Vec<String>), Problem> {
    let mut lines = JsonLines { source, line: 0 };
    let Some((place, length)) = lines.next_line(&mut |_, _| {})? else {
        return Err(Problem::new("the file is empty"));
    };
    let mut keys = Vec::new();
    let line = lines.source.rest().get(..length).unwrap_or_default();
    parse(line, Keys(&mut keys)).map_err(|what| Problem::at(place, what))?;
    lines.line -= 1;
    Ok((lines, keys))
}

impl JsonLines {
    pub(super) fn read(
        mut self,
        wanted: &Wanted<'_>,
        columns: &[String],
        progress: &mut Progress<'_>,
        each: &mut Each<'_>,
    ) -> Result<u64, Problem> {
        let mut object = Object::new(wanted, columns);
        let mut row = RowBuffer::new(wanted);
        let mut count = 0;
        while let Some((place, length)) = self.next_line(progress)? {
            object.clear();
            let line = self.source.rest().get(..length).unwrap_or_default();
            if let Err(what) = parse(line, &mut object) {
                return Err(Problem { place: Some(place), column: object.current, what });
            }
            row.clear();
            for (i, &column) in wanted.numbers.iter().enumerate() {
                let value = object.value(column);
                let why = || value.not_a_number();
                let read = match value.number() {
                    Some(x) => row.number(i, column, x, why),
                    None if value.is_missing() => row.missing(i, column, why),
                    None => Err(why()),
                };
                read.map_err(|what| Problem::cell(place, column, what))?;
            }
            for (i, &column) in wanted.texts.iter().enumerate() {
                let text = object.value(column).text(row.lets_all_pass());
                row.text(i, &text.map_err(|what| Problem::cell(place, column, what))?);
            }
            row.finish(place, each)?;
            count += 1;
            self.source.advance(length + 1);
        }
        Ok(count)
    }

    /// The next line that is not blank and its length; it stays in the window.
    fn next_line(&mut self, progress: &mut Progress<'_>) -> Result<Option<(Place, usize)>, Problem> {
        loop {
            let place = Place::Line(self.line + 1);
            let rest = self.source.rest();
            let length = match memchr(b'\n', rest) {
                Some(length) => length,
                None if self.source.ended && rest.is_empty() => return Ok(None),
                None if self.source.ended => rest.len(),
                None => {
                    self.source.fill_record(place, progress)?;
                    continue;
                }
            };
            if length > MAX_RECORD {
                return Err(too_long(place));
            }
            self.line += 1;
            if !rest.get(..length).unwrap_or_default().trim_ascii().is_empty() {
                return Ok(Some((place, length)));
            }
            self.source.advance(length + 1);
        }
    }
}

/// Parses one line. The parser limits the depth of what it builds to 128 and skips the rest without recursion.
fn parse<'de, S: DeserializeSeed<'de>>(line: &'de [u8], seed: S) -> Result<S::Value, String> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let value = seed.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|e| {
        let text = e.to_string();
        // The line that serde counts is always the first.
        let text =
            text.strip_suffix(&format!(" at line {} column {}", e.line(), e.column())).unwrap_or(&text);
        let cut: String = text.chars().take(MAX_MESSAGE).collect();
        let dots = if cut.len() < text.len() { "…" } else { "" };
        let at = if e.column() > 0 { format!(" (byte {})", e.column()) } else { String::new() };
        format!("{}{dots}{at}", printable(&cut))
    })
}

/// Collects the keys of an object.
struct Keys<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AN_OBJECT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            if self.0.len() == MAX_COLUMNS {
                return Err(A::Error::custom(format!("more than {MAX_COLUMNS} columns")));
            }
            self.0.push(key);
        }
        Ok(())
    }
}

const AN_OBJECT: &str = "an object: JSON lines hold one object a line";

/// What an object holds under the wanted keys.
struct Object {
    /// Whether a key that is no column would be lost.
    all: bool,
    /// From the key to its index in `values`.
    by_key: HashMap<String, usize>,
    by_column: HashMap<usize, usize>,
    columns: Vec<usize>,
    values: Vec<Value>,
    /// The column whose value is being parsed.
    current: Option<usize>,
}

impl Object {
    fn new(wanted: &Wanted<'_>, names: &[String]) -> Self {
        let (mut by_key, mut by_column, mut columns) = (HashMap::new(), HashMap::new(), Vec::new());
        for &column in wanted.numbers.iter().chain(wanted.texts) {
            let name = names.get(column).cloned().unwrap_or_default();
            // A key that is wanted twice has one value.
            let index = *by_key.entry(name).or_insert(columns.len());
            by_column.insert(column, index);
            if index == columns.len() {
                columns.push(column);
            }
        }
        let values = columns.iter().map(|_| Value::Missing).collect();
        let all = matches!(wanted.accept, Accept::Everything { .. });
        Self { all, by_key, by_column, columns, values, current: None }
    }

    fn clear(&mut self) {
        self.values.fill(Value::Missing);
        self.current = None;
    }

    fn value(&self, column: usize) -> &Value {
        self.by_column.get(&column).and_then(|&index| self.values.get(index)).unwrap_or(&Value::Missing)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Object {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Object {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AN_OBJECT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(index) = map.next_key_seed(Key { by_key: &self.by_key, all: self.all })? {
            let Some(value) = index.and_then(|index| self.values.get_mut(index)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.current = index.and_then(|index| self.columns.get(index).copied());
            if !matches!(value, Value::Missing) {
                return Err(A::Error::custom("the key occurs twice"));
            }
            *value = map.next_value_seed(OneValue)?;
            self.current = None;
        }
        Ok(())
    }
}

/// Reads a key as its index, `None` if it is not wanted.
struct Key<'a> {
    by_key: &'a HashMap<String, usize>,
    all: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        match self.by_key.get(key) {
            None if self.all => {
                Err(E::custom(format!("the first object does not have the key `{}`", short(key))))
            }
            index => Ok(index.copied()),
        }
    }
}

const MISSING: &str = "the key is missing";

#[derive(Clone, Debug)]
enum Value {
    Missing,
    Null,
    Bool(bool),
    Float(f64),
    Unsigned(u64),
    Signed(i64),
    Text(String),
    Array,
    Object,
}

impl Value {
    fn number(&self) -> Option<f64> {
        match *self {
            Self::Float(x) => Some(x),
            Self::Unsigned(n) => Some(n as f64),
            Self::Signed(n) => Some(n as f64),
            _ => None,
        }
    }

    /// JSON has no NaN: null is what stands for it.
    fn is_missing(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    #[cold]
    fn not_a_number(&self) -> String {
        match self {
            Self::Missing => MISSING.into(),
            _ => format!("{}, not a finite number", self.kind()),
        }
    }

    /// The text; with `all`, of whatever is one value.
    fn text(&self, all: bool) -> Result<Cow<'_, str>, String> {
        Ok(match self {
            Self::Text(text) => text.into(),
            Self::Float(x) if all => format!("{x:?}").into(),
            Self::Float(x) => x.to_string().into(),
            Self::Unsigned(n) => n.to_string().into(),
            Self::Signed(n) => n.to_string().into(),
            Self::Bool(x) if all => x.to_string().into(),
            Self::Missing | Self::Null if all => "".into(),
            Self::Missing => return Err(MISSING.into()),
            _ => return Err(format!("{}, not a string or a number", self.kind())),
        })
    }

    fn kind(&self) -> String {
        match self {
            Self::Missing => MISSING.into(),
            Self::Null => "the value is null".into(),
            Self::Bool(_) => "the value is true or false".into(),
            Self::Float(x) => format!("`{x}`"),
            Self::Unsigned(n) => format!("`{n}`"),
            Self::Signed(n) => format!("`{n}`"),
            Self::Text(text) => format!("`{}` is a string", short(text)),
            Self::Array => "the value is an array".into(),
            Self::Object => "the value is an object".into(),
        }
    }
}

/// Reads one value; of arrays and objects only that they are.
struct OneValue;

impl<'de> DeserializeSeed<'de> for OneValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, x: bool) -> Result<Value, E> {
        Ok(Value::Bool(x))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Float(x))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(n))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Signed(n))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object)
    }
}
