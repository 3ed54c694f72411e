//! From JSON to Lua. `null` becomes `cjson.null`. Errors name what was expected, what was found, and where.

use mlua::{Lua, Value};

use super::super::raise::Raised;
use super::json::{DEPTH_MAX, Settings};

pub(super) fn value(lua: &Lua, settings: Settings, text: &[u8]) -> mlua::Result<Value> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(Raised::text("JSON parser does not support UTF-16 or UTF-32").into());
    }
    let mut parser = Parser { lua, settings, text, position: 0, depth: 0 };
    let first = parser.next();
    let value = parser.value(first)?;
    match parser.next() {
        (_, Token::End) => Ok(value),
        other => Err(parser.unexpected("the end", &other)),
    }
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ListBegin,
    ListEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

/// A token and where it begins.
type Placed = (usize, Token);

struct Parser<'a> {
    lua: &'a Lua,
    settings: Settings,
    text: &'a [u8],
    position: usize,
    depth: usize,
}

impl Parser<'_> {
    fn value(&mut self, token: Placed) -> mlua::Result<Value> {
        Ok(match token.1 {
            Token::String(text) => Value::String(self.lua.create_string(text)?),
            Token::Number(number) => Value::Number(number),
            Token::Boolean(value) => Value::Boolean(value),
            Token::Null => Value::NULL,
            Token::ObjectBegin => self.object()?,
            Token::ListBegin => self.list()?,
            _ => return Err(self.unexpected("value", &token)),
        })
    }

    fn object(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if matches!(token.1, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(Value::Table(table));
        }
        loop {
            let Token::String(key) = token.1 else {
                return Err(self.unexpected("object key string", &token));
            };
            let colon = self.next();
            if !matches!(colon.1, Token::Colon) {
                return Err(self.unexpected("colon", &colon));
            }
            let first = self.next();
            let value = self.value(first)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            token = self.next();
            match token.1 {
                Token::ObjectEnd => {
                    self.depth -= 1;
                    return Ok(Value::Table(table));
                }
                Token::Comma => token = self.next(),
                _ => return Err(self.unexpected("comma or object end", &token)),
            }
        }
    }

    fn list(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if matches!(token.1, Token::ListEnd) {
            self.depth -= 1;
            return Ok(Value::Table(table));
        }
        for index in 1.. {
            let value = self.value(token)?;
            table.raw_set(index, value)?;
            token = self.next();
            match token.1 {
                Token::ListEnd => break,
                Token::Comma => token = self.next(),
                _ => return Err(self.unexpected("comma or array end", &token)),
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn descend(&mut self) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth as i64 > self.settings.decode_depth_max || self.depth > DEPTH_MAX {
            let text = format!(
                "Found too many nested data structures ({}) at character {}",
                self.depth, self.position
            );
            return Err(Raised::text(text).into());
        }
        Ok(())
    }

    fn next(&mut self) -> Placed {
        while matches!(self.text.get(self.position), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
        let start = self.position;
        let Some(&byte) = self.text.get(start) else { return (start, Token::End) };
        let single = match byte {
            b'{' => Some(Token::ObjectBegin),
            b'}' => Some(Token::ObjectEnd),
            b'[' => Some(Token::ListBegin),
            b']' => Some(Token::ListEnd),
            b':' => Some(Token::Colon),
            b',' => Some(Token::Comma),
            // The end of a text in C.
            0 => return (start, Token::End),
            _ => None,
        };
        if let Some(token) = single {
            self.position += 1;
            return (start, token);
        }
        let token = match byte {
            b'"' => return self.string(start),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        };
        (start, token)
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.position..];
        for (word, token) in
            [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)]
        {
            if rest.starts_with(word.as_bytes()) {
                self.position += word.len();
                return token;
            }
        }
        if self.settings.decode_invalid && self.is_invalid_number() {
            self.number()
        } else {
            Token::Wrong("invalid token")
        }
    }

    /// Whether what follows is a number that JSON does not have: `nan`, `infinity`, `0x1f`.
    fn is_invalid_number(&self) -> bool {
        let rest = &self.text[self.position..];
        let rest = rest.strip_prefix(b"+").or(rest.strip_prefix(b"-")).unwrap_or(rest);
        match rest {
            [b'0', b'x' | b'X', ..] | [b'0', b'0'..=b'9', ..] => true,
            [b'0'..=b'9', ..] => self.text[self.position] == b'+',
            _ => [b"inf".as_slice(), b"nan"]
                .iter()
                .any(|word| rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(word))),
        }
    }

    fn number(&mut self) -> Token {
        if !self.settings.decode_invalid && self.is_invalid_number() {
            return Token::Wrong("invalid number");
        }
        let rest = &self.text[self.position..];
        match leading_number(rest) {
            Some((number, len)) => {
                self.position += len;
                Token::Number(number)
            }
            None => Token::Wrong("invalid number"),
        }
    }

    fn string(&mut self, start: usize) -> Placed {
        let mut text = Vec::new();
        self.position += 1;
        loop {
            let at = self.position;
            match self.text.get(at) {
                None => return (at, Token::Wrong("unexpected end of string")),
                Some(b'"') => {
                    self.position += 1;
                    return (start, Token::String(text));
                }
                Some(b'\\') => match self.escape(&mut text) {
                    Ok(()) => {}
                    Err(wrong) => return (at, Token::Wrong(wrong)),
                },
                Some(&byte) => {
                    text.push(byte);
                    self.position += 1;
                }
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), &'static str> {
        let letter = *self.text.get(self.position + 1).ok_or("invalid escape code")?;
        if letter == b'u' {
            return self.unicode(text);
        }
        text.push(match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err("invalid escape code"),
        });
        self.position += 2;
        Ok(())
    }

    /// `\uXXXX`, or two of them that make one character.
    fn unicode(&mut self, text: &mut Vec<u8>) -> Result<(), &'static str> {
        const WRONG: &str = "invalid unicode escape code";
        let unit = |at: usize| -> Option<u32> {
            let digits = self.text.get(at + 2..at + 6).filter(|_| self.text[at..].starts_with(b"\\u"))?;
            digits.iter().try_fold(0, |number, &digit| Some(number << 4 | char::from(digit).to_digit(16)?))
        };
        let high = unit(self.position).ok_or(WRONG)?;
        let (code, len) = match high {
            0xD800..=0xDBFF => {
                let low =
                    unit(self.position + 6).filter(|low| (0xDC00..=0xDFFF).contains(low)).ok_or(WRONG)?;
                (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), 12)
            }
            _ => (high, 6),
        };
        // The second half of a pair is no character without the first.
        let character = char::from_u32(code).ok_or(WRONG)?;
        text.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.position += len;
        Ok(())
    }

    fn unexpected(&self, expected: &str, found: &Placed) -> mlua::Error {
        let name = match &found.1 {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ListBegin => "T_ARR_BEGIN",
            Token::ListEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Wrong(what) => what,
        };
        Raised::text(format!("Expected {expected} but found {name} at character {}", found.0 + 1)).into()
    }
}

/// The number at the start of `text`, and how long it is, as C's `strtod` reads it.
fn leading_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let rest = &text[sign..];
    let signed = |number: f64| if negative { -number } else { number };
    let starts = |word: &[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    for (word, number) in
        [(b"infinity".as_slice(), f64::INFINITY), (b"inf", f64::INFINITY), (b"nan", f64::NAN)]
    {
        if starts(word) {
            return Some((signed(number), sign + word.len()));
        }
    }
    if starts(b"0x") {
        let digits = rest[2..].iter().take_while(|digit| digit.is_ascii_hexdigit()).count();
        if digits > 0 {
            let number = rest[2..2 + digits].iter().fold(0.0, |number, &digit| {
                number * 16.0 + f64::from(char::from(digit).to_digit(16).expect("a digit"))
            });
            return Some((signed(number), sign + 2 + digits));
        }
    }
    let (number, len) = fast_float2::parse_partial::<f64, _>(rest).ok()?;
    (len > 0).then_some((signed(number), sign + len))
}
