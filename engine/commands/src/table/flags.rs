//! What a row says about its command in single words: the behaviour flags that COMMAND shows and the
//! dispatcher tests, and the categories by which ACL rules choose commands.

/// How a command behaves; the names are those that COMMAND shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Flag {
    Write,
    ReadOnly,
    DenyOom,
    Admin,
    PubSub,
    NoScript,
    Blocking,
    Loading,
    Stale,
    SkipMonitor,
    SkipSlowlog,
    Asking,
    Fast,
    NoAuth,
    MayReplicate,
    NoAsyncLoading,
    NoMulti,
    /// A request without any key is in order: scripts.
    NoMandatoryKeys,
    AllowBusy,
    /// The specs do not find every key: clients have to ask COMMAND GETKEYS.
    MovableKeys,
    /// Not in COMMAND's answer: its words may hold a password, so MONITOR and SLOWLOG hide them.
    Secret,
    /// Not in COMMAND's answer: executed at once even after MULTI.
    NeverQueued,
    /// Not in COMMAND's answer: MONITOR shows it after what it did (EXEC after its commands).
    ShownLast,
    /// Not in COMMAND's answer: a subscriber that speaks RESP2 may send it.
    WhileSubscribed,
}

impl Flag {
    /// Every flag that COMMAND shows.
    pub const SHOWN: [Flag; 20] = [
        Flag::Write,
        Flag::ReadOnly,
        Flag::DenyOom,
        Flag::Admin,
        Flag::PubSub,
        Flag::NoScript,
        Flag::Blocking,
        Flag::Loading,
        Flag::Stale,
        Flag::SkipMonitor,
        Flag::SkipSlowlog,
        Flag::Asking,
        Flag::Fast,
        Flag::NoAuth,
        Flag::MayReplicate,
        Flag::NoAsyncLoading,
        Flag::NoMulti,
        Flag::NoMandatoryKeys,
        Flag::MovableKeys,
        Flag::AllowBusy,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Flag::Write => "write",
            Flag::ReadOnly => "readonly",
            Flag::DenyOom => "denyoom",
            Flag::Admin => "admin",
            Flag::PubSub => "pubsub",
            Flag::NoScript => "noscript",
            Flag::Blocking => "blocking",
            Flag::Loading => "loading",
            Flag::Stale => "stale",
            Flag::SkipMonitor => "skip_monitor",
            Flag::SkipSlowlog => "skip_slowlog",
            Flag::Asking => "asking",
            Flag::Fast => "fast",
            Flag::NoAuth => "no_auth",
            Flag::MayReplicate => "may_replicate",
            Flag::NoAsyncLoading => "no_async_loading",
            Flag::NoMulti => "no_multi",
            Flag::NoMandatoryKeys => "no_mandatory_keys",
            Flag::AllowBusy => "allow_busy",
            Flag::MovableKeys => "movablekeys",
            Flag::Secret => "secret",
            Flag::NeverQueued => "never_queued",
            Flag::ShownLast => "shown_last",
            Flag::WhileSubscribed => "while_subscribed",
        }
    }
}

/// A set of [`Flag`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(u32);

impl Flags {
    pub const fn of(flags: &[Flag]) -> Flags {
        let mut bits = 0;
        let mut index = 0;
        while index < flags.len() {
            bits |= 1 << flags[index] as u8;
            index += 1;
        }
        Flags(bits)
    }

    pub const fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    pub const fn with(self, flag: Flag) -> Flags {
        Flags(self.0 | 1 << flag as u8)
    }

    pub fn shown(self) -> impl Iterator<Item = Flag> {
        Flag::SHOWN.into_iter().filter(move |&flag| self.has(flag))
    }
}

/// What ACL rules and `COMMAND LIST FILTERBY ACLCAT` choose commands by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Category {
    Keyspace,
    Read,
    Write,
    Set,
    SortedSet,
    List,
    Hash,
    String,
    Bitmap,
    HyperLogLog,
    Geo,
    Stream,
    PubSub,
    Admin,
    Fast,
    Slow,
    Blocking,
    Dangerous,
    Connection,
    Transaction,
    Scripting,
}

impl Category {
    pub const ALL: [Category; 21] = [
        Category::Keyspace,
        Category::Read,
        Category::Write,
        Category::Set,
        Category::SortedSet,
        Category::List,
        Category::Hash,
        Category::String,
        Category::Bitmap,
        Category::HyperLogLog,
        Category::Geo,
        Category::Stream,
        Category::PubSub,
        Category::Admin,
        Category::Fast,
        Category::Slow,
        Category::Blocking,
        Category::Dangerous,
        Category::Connection,
        Category::Transaction,
        Category::Scripting,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Category::Keyspace => "keyspace",
            Category::Read => "read",
            Category::Write => "write",
            Category::Set => "set",
            Category::SortedSet => "sortedset",
            Category::List => "list",
            Category::Hash => "hash",
            Category::String => "string",
            Category::Bitmap => "bitmap",
            Category::HyperLogLog => "hyperloglog",
            Category::Geo => "geo",
            Category::Stream => "stream",
            Category::PubSub => "pubsub",
            Category::Admin => "admin",
            Category::Fast => "fast",
            Category::Slow => "slow",
            Category::Blocking => "blocking",
            Category::Dangerous => "dangerous",
            Category::Connection => "connection",
            Category::Transaction => "transaction",
            Category::Scripting => "scripting",
        }
    }

    pub fn by_name(name: &[u8]) -> Option<Category> {
        Category::ALL.into_iter().find(|category| category.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A set of [`Category`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Categories(u32);

impl Categories {
    pub const fn of(categories: &[Category]) -> Categories {
        let mut bits = 0;
        let mut index = 0;
        while index < categories.len() {
            bits |= 1 << categories[index] as u8;
            index += 1;
        }
        Categories(bits)
    }

    pub const fn has(self, category: Category) -> bool {
        self.0 & (1 << category as u8) != 0
    }

    /// The categories that follow from a command's flags, so that rows name only the others.
    pub const fn implied_by(self, flags: Flags) -> Categories {
        let mut bits = self.0;
        if flags.has(Flag::Write) {
            bits |= 1 << Category::Write as u8;
        }
        if flags.has(Flag::ReadOnly) && !self.has(Category::Scripting) {
            bits |= 1 << Category::Read as u8;
        }
        if flags.has(Flag::Admin) {
            bits |= 1 << Category::Admin as u8 | 1 << Category::Dangerous as u8;
        }
        if flags.has(Flag::PubSub) {
            bits |= 1 << Category::PubSub as u8;
        }
        if flags.has(Flag::Blocking) {
            bits |= 1 << Category::Blocking as u8;
        }
        let speed = if flags.has(Flag::Fast) { Category::Fast } else { Category::Slow };
        Categories(bits | 1 << speed as u8)
    }

    pub fn iter(self) -> impl Iterator<Item = Category> {
        Category::ALL.into_iter().filter(move |&category| self.has(category))
    }
}
