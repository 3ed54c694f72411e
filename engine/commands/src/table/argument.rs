//! How a command's arguments are written: what `COMMAND DOCS` tells and redis-cli shows as hints.

/// What an argument looks like; the names are those that `COMMAND DOCS` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentKind {
    String,
    Integer,
    Double,
    /// A key; the index of the [`super::KeySpec`] that finds it.
    Key(usize),
    Pattern,
    UnixTime,
    /// A bare word: only the token.
    PureToken,
    /// One of the children.
    OneOf,
    /// All of the children in order.
    Block,
}

impl ArgumentKind {
    pub const fn name(self) -> &'static str {
        match self {
            ArgumentKind::String => "string",
            ArgumentKind::Integer => "integer",
            ArgumentKind::Double => "double",
            ArgumentKind::Key(_) => "key",
            ArgumentKind::Pattern => "pattern",
            ArgumentKind::UnixTime => "unix-time",
            ArgumentKind::PureToken => "pure-token",
            ArgumentKind::OneOf => "oneof",
            ArgumentKind::Block => "block",
        }
    }
}

/// One argument, or a group of them. Built with const chains, as rows are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Argument {
    pub name: &'static str,
    pub kind: ArgumentKind,
    /// The word that stands before the argument, or is it.
    pub token: Option<&'static str>,
    pub since: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    /// With `multiple`: the token is repeated too.
    pub multiple_token: bool,
    pub children: &'static [Argument],
}

impl Argument {
    pub const fn new(name: &'static str, kind: ArgumentKind) -> Argument {
        Argument {
            name,
            kind,
            token: None,
            since: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            children: &[],
        }
    }

    pub const fn string(name: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::String)
    }

    pub const fn integer(name: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::Integer)
    }

    pub const fn double(name: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::Double)
    }

    pub const fn pattern(name: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::Pattern)
    }

    pub const fn unix_time(name: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::UnixTime)
    }

    /// A key, found by the row's key spec number `spec`.
    pub const fn key(name: &'static str, spec: usize) -> Argument {
        Argument::new(name, ArgumentKind::Key(spec))
    }

    /// The bare word `token`.
    pub const fn word(name: &'static str, token: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::PureToken).token(token)
    }

    pub const fn one_of(name: &'static str, children: &'static [Argument]) -> Argument {
        let mut argument = Argument::new(name, ArgumentKind::OneOf);
        argument.children = children;
        argument
    }

    pub const fn block(name: &'static str, children: &'static [Argument]) -> Argument {
        let mut argument = Argument::new(name, ArgumentKind::Block);
        argument.children = children;
        argument
    }

    pub const fn token(mut self, token: &'static str) -> Argument {
        self.token = Some(token);
        self
    }

    pub const fn since(mut self, version: &'static str) -> Argument {
        self.since = Some(version);
        self
    }

    pub const fn optional(mut self) -> Argument {
        self.optional = true;
        self
    }

    pub const fn multiple(mut self) -> Argument {
        self.multiple = true;
        self
    }

    pub const fn multiple_token(mut self) -> Argument {
        self.multiple = true;
        self.multiple_token = true;
        self
    }
}
