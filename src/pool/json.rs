//! JSON as far as rows need it: an object a line, of texts, whole numbers, switches and lists. It reads what others may have written (RFC
//! 8259) and never panics or nests deep; it knows no row. `saved_json.rs` uses it.

use crate::base::text::shown;
use std::fmt::{Display, Write};

/// Lists in lists in an object: no row goes deeper.
const DEPTH_MAX: u32 = 4;

/// A value that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Switch(bool),
    Number(i128),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    pub fn text(text: impl Display) -> Value {
        Value::Text(text.to_string())
    }

    pub fn pair(first: Value, second: Value) -> Value {
        Value::List(vec![first, second])
    }

    /// What kind it is, for a complaint.
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Switch(_) => "a switch",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    pub fn into_text(self) -> Result<String, String> {
        if let Value::Text(text) = self { Ok(text) } else { Err(format!("{} where a text is expected", self.kind())) }
    }

    pub fn into_number<T: TryFrom<i128>>(self) -> Result<T, String> {
        let Value::Number(number) = self else { return Err(format!("{} where a number is expected", self.kind())) };
        T::try_from(number).map_err(|_| format!("{number} is out of range"))
    }

    pub fn into_list(self) -> Result<Vec<Value>, String> {
        if let Value::List(list) = self { Ok(list) } else { Err(format!("{} where a list is expected", self.kind())) }
    }

    pub fn into_pair(self) -> Result<(Value, Value), String> {
        let pair: Result<[Value; 2], _> = self.into_list()?.try_into();
        pair.map(|[first, second]| (first, second)).map_err(|list| format!("{} values where two are expected", list.len()))
    }
}

/// Reads one value; nothing but white space may surround it.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() { Err(reader.wrong("the end")) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn wrong(&self, expected: &str) -> String {
        let found: String = self.rest().chars().take(16).collect();
        format!("byte {}: '{}' where {expected} is expected", self.at + 1, shown(&found))
    }

    fn skip_space(&mut self) {
        while matches!(self.text.as_bytes().get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Takes `token` if it comes next, after white space.
    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let is_there = self.rest().starts_with(token);
        self.at += if is_there { token.len() } else { 0 };
        is_there
    }

    fn value(&mut self, depth: u32) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("nothing that is nested so deep"));
        }
        self.skip_space();
        let word = |reader: &mut Self, word, value| if reader.take(word) { Ok(value) } else { Err(reader.wrong("a value")) };
        match self.rest().bytes().next() {
            Some(b'"') => {
                self.at += 1;
                self.rest_of_text().map(Value::Text)
            }
            Some(b'[') => {
                self.at += 1;
                self.sequence("]", |reader| reader.value(depth + 1)).map(Value::List)
            }
            Some(b'{') => {
                self.at += 1;
                self.sequence("}", |reader| reader.member(depth + 1)).map(Value::Object)
            }
            Some(b'n') => word(self, "null", Value::Null),
            Some(b't') => word(self, "true", Value::Switch(true)),
            Some(b'f') => word(self, "false", Value::Switch(false)),
            _ => self.number(),
        }
    }

    fn member(&mut self, depth: u32) -> Result<(String, Value), String> {
        if !self.take("\"") {
            return Err(self.wrong("a name in quotes"));
        }
        let name = self.rest_of_text()?;
        if !self.take(":") {
            return Err(self.wrong("a colon"));
        }
        Ok((name, self.value(depth)?))
    }

    /// What stands between commas up to `end`.
    fn sequence<T>(&mut self, end: &str, mut one: impl FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        if self.take(end) {
            return Ok(all);
        }
        loop {
            all.push(one(self)?);
            if self.take(end) {
                return Ok(all);
            }
            if !self.take(",") {
                return Err(self.wrong("a comma or the end"));
            }
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let length = self.rest().bytes().take_while(|b| matches!(b, b'0'..=b'9' | b'-')).count();
        let digits = &self.rest()[..length];
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        let is_canonical = unsigned == "0" || !unsigned.starts_with('0');
        let number = digits.parse().ok().filter(|_| is_canonical && !self.rest()[length..].starts_with(['.', 'e', 'E']));
        let number = number.ok_or_else(|| self.wrong("a value (a number is a whole one)"))?;
        self.at += length;
        Ok(Value::Number(number))
    }

    /// A text whose first quote was taken.
    fn rest_of_text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            let plain = self
                .rest()
                .bytes()
                .position(|b| matches!(b, b'"' | b'\\' | ..b' '))
                .ok_or_else(|| self.wrong("a closing quote"))?;
            text.push_str(&self.rest()[..plain]);
            self.at += plain;
            if self.rest().starts_with('"') {
                self.at += 1;
                return Ok(text);
            }
            text.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        let mut chars = self.rest().chars();
        if chars.next() != Some('\\') {
            return Err(self.wrong("an escape"));
        }
        let c = match chars.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode(),
            _ => return Err(self.wrong("an escape")),
        };
        self.at += 2;
        Ok(c)
    }

    /// `\u` with four hex digits, or two of them that make one character together.
    fn unicode(&mut self) -> Result<char, String> {
        let unit = |text: &str| {
            let digits = text.strip_prefix("\\u")?.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u16::from_str_radix(digits, 16).ok()
        };
        let first = unit(self.rest());
        let second = self.rest().get(6..).and_then(unit);
        let found = char::decode_utf16([first, second].into_iter().map_while(|unit| unit)).next().and_then(Result::ok);
        let c = found.ok_or_else(|| self.wrong("a character"))?;
        self.at += 6 * c.len_utf16();
        Ok(c)
    }
}

/// An object that is being written. What is absent, empty or false is left out.
pub struct Line(String);

impl Line {
    /// Begins with the member "row".
    pub fn of(row: &str) -> Line {
        Line(format!("{{\"row\":\"{row}\""))
    }

    pub fn text(mut self, name: &str, value: impl Display) -> Line {
        self.name(name);
        write_text(&mut self.0, &value.to_string());
        self
    }

    pub fn number(mut self, name: &str, value: impl Into<i128>) -> Line {
        self.name(name);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{}", value.into());
        self
    }

    pub fn text_if(self, name: &str, value: Option<impl Display>) -> Line {
        if let Some(value) = value { self.text(name, value) } else { self }
    }

    pub fn number_if(self, name: &str, value: Option<impl Into<i128>>) -> Line {
        if let Some(value) = value { self.number(name, value) } else { self }
    }

    pub fn switch(mut self, name: &str, value: bool) -> Line {
        if value {
            self.name(name);
            self.0.push_str("true");
        }
        self
    }

    pub fn list(mut self, name: &str, values: Vec<Value>) -> Line {
        if !values.is_empty() {
            self.name(name);
            write_value(&mut self.0, &Value::List(values));
        }
        self
    }

    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(',');
        write_text(&mut self.0, name);
        self.0.push(':');
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Switch(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => drop(write!(out, "{number}")),
        Value::Text(text) => write_text(out, text),
        Value::List(values) => {
            for (i, value) in values.iter().enumerate() {
                out.push(if i == 0 { '[' } else { ',' });
                write_value(out, value);
            }
            out.push_str(if values.is_empty() { "[]" } else { "]" });
        }
        Value::Object(members) => {
            for (i, (name, value)) in members.iter().enumerate() {
                out.push(if i == 0 { '{' } else { ',' });
                write_text(out, name);
                out.push(':');
                write_value(out, value);
            }
            out.push_str(if members.is_empty() { "{}" } else { "}" });
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Another's JSON with the same value, if it has one: no fractions, no numbers beyond 64 bits.
    fn theirs(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Switch(value) => (*value).into(),
            Value::Number(number) => {
                u64::try_from(*number).map(Into::into).unwrap_or_else(|_| i64::try_from(*number).expect("in range").into())
            }
            Value::Text(text) => text.clone().into(),
            Value::List(values) => values.iter().map(theirs).collect::<Vec<_>>().into(),
            Value::Object(members) => {
                serde_json::Value::Object(members.iter().map(|(name, value)| (name.clone(), theirs(value))).collect())
            }
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let number = prop_oneof![any::<u64>().prop_map(i128::from), any::<i64>().prop_map(i128::from)];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Switch),
            number.prop_map(Value::Number),
            any::<String>().prop_map(Value::Text),
        ];
        leaf.prop_recursive(DEPTH_MAX, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_here_and_elsewhere(value in values()) {
            let mut text = String::new();
            write_value(&mut text, &value);
            prop_assert_eq!(parse(&text), Ok(value.clone()));
            let their: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            prop_assert_eq!(&their, &theirs(&value));
            // And what they write is read here, pretty or not; the order of members is theirs.
            let read = parse(&serde_json::to_string_pretty(&their).expect("written")).expect("it is JSON");
            prop_assert_eq!(theirs(&read), their);
        }

        #[test]
        fn whatever_is_read_is_judged_as_elsewhere(text in r#"[\[\]{},:"0-9a-fnrtuel\\ .+-]{0,24}"#) {
            let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            match parse(&text) {
                Ok(_) => prop_assert!(is_json, "{} is no JSON", text),
                Err(error) => prop_assert!(error.starts_with("byte "), "{}", error),
            }
        }
    }

    #[test]
    fn escapes_and_complaints_are_exact() {
        for (text, expected) in [
            (r#""\u00e9\ud83d\ude00\n\/""#, Ok(Value::text("é😀\n/"))),
            (" [ 1 , -2 ] ", Ok(Value::List(vec![Value::Number(1), Value::Number(-2)]))),
            ("1.5", Err("byte 1: '1.5' where a value (a number is a whole one) is expected")),
            ("01", Err("byte 1: '01' where a value (a number is a whole one) is expected")),
            ("{\"a\" 1}", Err("byte 6: '1}' where a colon is expected")),
            ("[1 2]", Err("byte 4: '2]' where a comma or the end is expected")),
            ("\"\\ud83d\"", Err("byte 2: '\\\\ud83d\"' where a character is expected")),
            ("\"a\nb\"", Err("byte 3: '\\nb\"' where an escape is expected")),
            ("1 x", Err("byte 3: 'x' where the end is expected")),
            ("[[[[[[1]]]]]]", Err("byte 6: '[1]]]]]]' where nothing that is nested so deep is expected")),
            ("", Err("byte 1: '' where a value (a number is a whole one) is expected")),
        ] {
            assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
        }
        assert!(parse(&"[".repeat(1 << 20)).is_err(), "it does not nest deep");
    }
}
