//! redis.conf and the command line. A line is a name and words, with quotes as in inline commands; `#`
//! begins a comment line; `include` reads another file in its place, with `*` and `?` in the path. On the command
//! line `--name word word` is a line, and is read after the file.

use std::fmt;

use squall_resp::{ArgRange, split_line};

use super::{Config, Parameter};
use crate::acl::Acl;
use crate::table::Table;

/// How deep `include` may nest.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Why a configuration was refused. `Display` tells a person where, what, and what may have been meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// Empty for the command line.
    pub file: String,
    pub line_number: usize,
    /// The line as it stands there.
    pub line: String,
    pub what: String,
    /// A parameter whose name is close to the one written.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            write!(f, "command line: ")?;
        } else {
            write!(f, "{}, line {}: ", self.file, self.line_number)?;
        }
        write!(f, "'{}': {}", self.line, self.what)?;
        match self.suggestion {
            Some(name) => write!(f, "; did you mean '{name}'?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Gives the files that a path names (several where it holds wildcards), each with its content.
pub type ReadFiles<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<(String, Vec<u8>)>, String>;

impl Config {
    /// The configuration that `squall-server <args>` asks for: defaults, then the file, then `--options`.
    /// `read` gives a file's content by path (`-` is standard input).
    pub fn from_command_line(args: &[String], read: ReadFiles<'_>) -> Result<Config, ConfigError> {
        let mut loader = Loader { config: Config::default(), save_points_seen: false };
        let options_from = match args.first() {
            Some(first) if first == "-" || !first.starts_with("--") => {
                loader.read_path(first, read, 0, &Place::command_line(first))?;
                if first != "-" {
                    loader.config.config_file = first.clone();
                }
                1
            }
            _ => 0,
        };
        // What the command line says of `save` replaces what the file says.
        loader.save_points_seen = false;
        let mut rest = &args[options_from..];
        while let Some((option, following)) = rest.split_first() {
            let Some(name) = option.strip_prefix("--") else {
                return Err(Place::command_line(option).error("an option begins with '--'"));
            };
            let words = following.iter().take_while(|word| !word.starts_with("--")).count();
            let (words, after) = following.split_at(words);
            // `--name "word word"` and `--name word word` are the same, as on a line of the file.
            let line =
                std::iter::once(name).chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            loader.option(name.as_bytes(), &words, read, 0, &Place::command_line(&line))?;
            rest = after;
        }
        Ok(loader.config)
    }

    /// The configuration in one file's text. `include` is refused.
    pub fn from_text(file: &str, text: &[u8]) -> Result<Config, ConfigError> {
        let mut loader = Loader { config: Config::default(), save_points_seen: false };
        let mut refuse = |path: &str| Err(format!("can't open config file '{path}'"));
        loader.text(file, text, &mut refuse, 0)?;
        Ok(loader.config)
    }
}

/// Where a line was read, for the error.
struct Place<'a> {
    file: &'a str,
    line_number: usize,
    line: &'a [u8],
}

impl<'a> Place<'a> {
    fn command_line(line: &'a str) -> Place<'a> {
        Place { file: "", line_number: 0, line: line.as_bytes() }
    }

    fn error(&self, what: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.file.into(),
            line_number: self.line_number,
            line: String::from_utf8_lossy(self.line).into_owned(),
            what: what.into(),
            suggestion: None,
        }
    }
}

/// A configuration being read.
struct Loader {
    config: Config,
    /// The first `save` replaces the default points, the others add to it.
    save_points_seen: bool,
}

impl Loader {
    fn read_path(
        &mut self,
        path: &str,
        read: ReadFiles<'_>,
        depth: usize,
        place: &Place<'_>,
    ) -> Result<(), ConfigError> {
        if depth >= INCLUDE_DEPTH_MAX {
            return Err(place.error("too many nested includes"));
        }
        let files = read(path).map_err(|what| place.error(what))?;
        for (file, text) in files {
            self.text(&file, &text, read, depth)?;
        }
        Ok(())
    }

    fn text(
        &mut self,
        file: &str,
        text: &[u8],
        read: ReadFiles<'_>,
        depth: usize,
    ) -> Result<(), ConfigError> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let place = Place { file, line_number: index + 1, line };
            let (buffer, ranges) =
                split(line).ok_or_else(|| place.error("unbalanced quotes in configuration line"))?;
            let words = words_of(&buffer, &ranges);
            if let Some((name, words)) = words.split_first() {
                self.option(name, words, read, depth, &place)?;
            }
        }
        Ok(())
    }

    fn option(
        &mut self,
        name: &[u8],
        words: &[&[u8]],
        read: ReadFiles<'_>,
        depth: usize,
        place: &Place<'_>,
    ) -> Result<(), ConfigError> {
        let lower = name.to_ascii_lowercase();
        match lower.as_slice() {
            b"include" => {
                let [path] = words else { return Err(place.error("wrong number of arguments")) };
                return self.read_path(&String::from_utf8_lossy(path), read, depth + 1, place);
            }
            b"loadmodule" | b"loadmodule-ex" => return Err(place.error("modules cannot be loaded")),
            b"rename-command" => return self.rename(words).map_err(|what| place.error(what)),
            b"user" => {
                let line = words.join(&b' ');
                self.config.users.push(String::from_utf8_lossy(&line).into_owned());
                return Acl::of(&self.config).map(drop).map_err(|what| place.error(what));
            }
            _ => {}
        }
        let Some(parameter) = Parameter::by_name(name) else {
            let mut error = place.error("bad directive or wrong number of arguments");
            error.suggestion = nearest(&lower);
            return Err(error);
        };
        // Lines of `save` add up, from the first one on, which replaces the default; `save ""` forgets them.
        let is_save = parameter.name == "save";
        let adds = is_save && self.save_points_seen && words != [b"".as_slice()];
        let earlier = if adds { self.config.save.clone() } else { Vec::new() };
        let result = set(parameter, &mut self.config, words);
        if adds {
            self.config.save.splice(0..0, earlier);
        }
        self.save_points_seen |= is_save;
        result.map_err(|what| place.error(what))
    }
}

impl Loader {
    /// `rename-command COMMAND name`: the names that there are change with each line.
    fn rename(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let [original, name] = words else { return Err("wrong number of arguments".into()) };
        let [original, name] =
            [original, name].map(|word| String::from_utf8_lossy(word).to_ascii_lowercase());
        let renamed = &self.config.renamed_commands;
        let is_known = |name: &str| match renamed.iter().rev().find(|(from, to)| from == name || to == name) {
            Some((_, to)) => to == name,
            None => Table::shared().command(name.as_bytes()).is_some(),
        };
        if !is_known(&original) {
            return Err("No such command in rename-command".into());
        }
        if is_known(&name) {
            return Err("Target command name already exists".into());
        }
        self.config.renamed_commands.push((original, name));
        Ok(())
    }
}

/// A parameter of many words takes them one by one or quoted together; `""` is an empty list of them.
fn set(parameter: &Parameter, config: &mut Config, words: &[&[u8]]) -> Result<(), String> {
    match words {
        [] => Err("bad directive or wrong number of arguments".into()),
        [value] => parameter.set_value(config, value),
        _ => parameter.set_words(config, words),
    }
}

pub(super) fn split(line: &[u8]) -> Option<(Vec<u8>, Vec<ArgRange>)> {
    let (mut buffer, mut ranges) = (Vec::new(), Vec::new());
    split_line(line, &mut buffer, &mut ranges).ok()?;
    Some((buffer, ranges))
}

pub(super) fn words_of<'a>(buffer: &'a [u8], ranges: &[ArgRange]) -> Vec<&'a [u8]> {
    ranges.iter().map(|range| &buffer[range.start as usize..][..range.len as usize]).collect()
}

/// The parameter whose name takes the fewest edits to reach, if that is few.
fn nearest(name: &[u8]) -> Option<&'static str> {
    const EDITS_MAX: usize = 3;
    if name.len() > 64 {
        return None;
    }
    let names = Parameter::all().iter().map(|parameter| parameter.name);
    let closest = names.map(|known| (edits(name, known.as_bytes()), known)).min()?;
    (closest.0 <= EDITS_MAX.min(name.len() / 2)).then_some(closest.1)
}

/// Levenshtein's distance.
fn edits(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
