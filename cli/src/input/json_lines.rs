//! JSON lines: one object a line.

use super::{
    Each, MAX_COLUMNS, MAX_MESSAGE, MAX_RECORD, Place, Problem, Progress, Row, Source, Wanted, printable,
    short, too_long,
};
use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
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
        progress: &mut Progress<'_>,
        each: &mut Each<'_>,
    ) -> Result<u64, Problem> {
        let mut object = Object::new(wanted);
        let mut numbers = vec![0.0; wanted.numbers.len()];
        let mut group = String::new();
        let mut count = 0;
        while let Some((place, length)) = self.next_line(progress)? {
            object.clear();
            let line = self.source.rest().get(..length).unwrap_or_default();
            if let Err(what) = parse(line, &mut object) {
                return Err(Problem { place: Some(place), column: object.current, what });
            }
            for (&column, number) in wanted.numbers.iter().zip(&mut numbers) {
                let value = object.value(column).number();
                *number = value.map_err(|what| Problem::cell(place, column, what))?;
            }
            if let Some(column) = wanted.group {
                let value = object.value(column).text(&mut group);
                value.map_err(|what| Problem::cell(place, column, what))?;
            }
            let row = Row { place, numbers: &numbers, group: wanted.group.map(|_| group.as_str()) };
            each(&row).map_err(|no| Problem::refused(place, no))?;
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
    /// From the key to its index in `values`.
    by_key: HashMap<String, usize>,
    by_column: HashMap<usize, usize>,
    columns: Vec<usize>,
    values: Vec<Value>,
    /// The column whose value is being parsed.
    current: Option<usize>,
}

impl Object {
    fn new(wanted: &Wanted<'_>) -> Self {
        let (mut by_key, mut by_column, mut columns) = (HashMap::new(), HashMap::new(), Vec::new());
        for &column in wanted.numbers.iter().chain(&wanted.group) {
            let name = wanted.columns.get(column).cloned().unwrap_or_default();
            // A key that is wanted twice has one value.
            let index = *by_key.entry(name).or_insert(columns.len());
            by_column.insert(column, index);
            if index == columns.len() {
                columns.push(column);
            }
        }
        let values = columns.iter().map(|_| Value::Missing).collect();
        Self { by_key, by_column, columns, values, current: None }
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
        while let Some(index) = map.next_key_seed(Key(&self.by_key))? {
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
struct Key<'a>(&'a HashMap<String, usize>);

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

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(key).copied())
    }
}

const MISSING: &str = "the key is missing";

#[derive(Clone, Debug)]
enum Value {
    Missing,
    Null,
    Bool,
    Float(f64),
    Unsigned(u64),
    Signed(i64),
    Text(String),
    Array,
    Object,
}

impl Value {
    fn number(&self) -> Result<f64, String> {
        match *self {
            Self::Float(x) if x.is_finite() => Ok(x),
            Self::Unsigned(n) => Ok(n as f64),
            Self::Signed(n) => Ok(n as f64),
            Self::Missing => Err(MISSING.into()),
            _ => Err(format!("{}, not a finite number", self.kind())),
        }
    }

    fn text(&self, out: &mut String) -> Result<(), String> {
        out.clear();
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Float(x) => out.push_str(&x.to_string()),
            Self::Unsigned(n) => out.push_str(&n.to_string()),
            Self::Signed(n) => out.push_str(&n.to_string()),
            Self::Missing => return Err(MISSING.into()),
            _ => return Err(format!("{}, not a string or a number", self.kind())),
        }
        Ok(())
    }

    fn kind(&self) -> String {
        match self {
            Self::Missing => MISSING.into(),
            Self::Null => "the value is null".into(),
            Self::Bool => "the value is true or false".into(),
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

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Bool)
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
