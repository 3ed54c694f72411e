//! The configuration: a typed [`Config`], one row per parameter ([`PARAMETERS`](parameters)), and the ways
//! to read and change it. CONFIG, redis.conf, the command line and CONFIG REWRITE all derive from the rows.
//!
//! - [`kinds`], [`choices`], [`values`]: how values are read and written;
//! - [`encryption`]: which of them are about TLS;
//! - [`file`]: redis.conf's syntax, `include`, and the command line;
//! - [`rewrite`]: a file brought up to date with its comments and order kept.

pub mod choices;
mod encryption;
mod events;
pub mod file;
pub mod kinds;
mod parameters;
pub mod rewrite;
pub mod values;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use choices::{
    AppendFsync, Choice, DisklessLoad, EvictionPolicy, LogLevelChoice, PreferredEndpoint, Protection,
    TlsAuthClients,
};
pub use events::{EventClass, EventClasses};
pub use file::ConfigError;
pub use kinds::{MemoryShare, Words};
pub use parameters::Config;
use parameters::PARAMETERS;
pub use values::{OutputLimit, OutputLimits, SavePoint, ShutdownWish};

/// What else is to be known of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Trait {
    /// Only at start-up.
    Immutable,
    /// Only where `enable-protected-configs` allows it: it decides which files are written.
    Protected,
    /// A secret: kept out of logs.
    Sensitive,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traits(u8);

impl Traits {
    const fn of(traits: &[Trait]) -> Traits {
        let mut bits = 0;
        let mut index = 0;
        while index < traits.len() {
            bits |= 1 << traits[index] as u8;
            index += 1;
        }
        Traits(bits)
    }

    pub const fn has(self, wanted: Trait) -> bool {
        self.0 & (1 << wanted as u8) != 0
    }
}

/// One row of the configuration.
pub struct Parameter {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub traits: Traits,
    pub many_words: bool,
    set: fn(&mut Config, Words<'_>) -> Result<(), String>,
    show: fn(&Config) -> String,
}

impl Parameter {
    /// All rows, in the order of the table.
    pub fn all() -> &'static [Parameter] {
        PARAMETERS
    }

    /// By name or alias, in any case.
    pub fn by_name(name: &[u8]) -> Option<&'static Parameter> {
        static BY_NAME: LazyLock<BTreeMap<&'static str, &'static Parameter>> = LazyLock::new(|| {
            let names = |parameter: &'static Parameter| {
                let aliases = parameter.aliases.iter().copied();
                aliases.chain([parameter.name]).map(move |name| (name, parameter))
            };
            PARAMETERS.iter().flat_map(names).collect()
        });
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        BY_NAME.get(name.as_str()).copied()
    }

    /// Its value, as CONFIG GET shows it.
    pub fn show(&self, config: &Config) -> String {
        (self.show)(config)
    }

    /// Sets it from words, as a line of redis.conf gives them.
    pub fn set_words(&self, config: &mut Config, words: Words<'_>) -> Result<(), String> {
        (self.set)(config, words)
    }

    /// Sets it from one value, as CONFIG SET gives it: split at blanks where the parameter has many words.
    pub fn set_value(&self, config: &mut Config, value: &[u8]) -> Result<(), String> {
        if self.many_words {
            let words: Vec<&[u8]> =
                value.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
            (self.set)(config, &words)
        } else {
            (self.set)(config, &[value])
        }
    }

    pub fn is_default(&self, config: &Config) -> bool {
        self.show(config) == self.show(&Config::default())
    }
}

impl Config {
    /// Whether a protected feature may be used by a client on this machine (`local`) or elsewhere.
    pub fn permits(protection: choices::Protection, local: bool) -> bool {
        match protection {
            choices::Protection::Yes => true,
            choices::Protection::No => false,
            choices::Protection::Local => local,
        }
    }

    /// Changes several parameters, all or none; gives back those whose value differs now. `may_protected`:
    /// this client may change protected parameters.
    pub fn set_all(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        may_protected: bool,
    ) -> Result<Vec<&'static Parameter>, SetError> {
        let mut changed = self.clone();
        let mut seen: Vec<&'static Parameter> = Vec::new();
        for &(name, value) in pairs {
            let unknown = || SetError::Unknown(String::from_utf8_lossy(name).into_owned());
            let parameter = Parameter::by_name(name).ok_or_else(unknown)?;
            let refuse =
                |what: String| SetError::Refused { name: String::from_utf8_lossy(name).into_owned(), what };
            if parameter.traits.has(Trait::Immutable) {
                return Err(refuse("can't set immutable config".into()));
            }
            if parameter.traits.has(Trait::Protected) && !may_protected {
                return Err(refuse("can't set protected config".into()));
            }
            if seen.iter().any(|other| other.name == parameter.name) {
                return Err(refuse("duplicate parameter".into()));
            }
            seen.push(parameter);
            parameter.set_value(&mut changed, value).map_err(refuse)?;
        }
        seen.retain(|parameter| parameter.show(&changed) != parameter.show(self));
        *self = changed;
        Ok(seen)
    }
}

/// Why CONFIG SET changed nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetError {
    Unknown(String),
    Refused { name: String, what: String },
}
