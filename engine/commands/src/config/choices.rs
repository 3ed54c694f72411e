//! Parameters that are one of a few words, as enums.

/// An enum whose variants have the names that stand in redis.conf.
pub trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, choice)| *choice == self).expect("every variant has a name").0
    }
}

macro_rules! choices {
    ($( $(#[$doc:meta])* $type:ident { $( $variant:ident = $name:literal ),+ $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $type { $( $variant ),+ }

        impl Choice for $type {
            const ALL: &'static [(&'static str, $type)] = &[$( ($name, $type::$variant) ),+];
        }
    )* };
}

choices! {
    LogLevelChoice { Debug = "debug", Verbose = "verbose", Notice = "notice", Warning = "warning" }

    /// When the append-only file is forced to the disk.
    AppendFsync { Everysec = "everysec", Always = "always", No = "no" }

    EvictionPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllKeysLru = "allkeys-lru",
        AllKeysLfu = "allkeys-lfu",
        AllKeysRandom = "allkeys-random",
        NoEviction = "noeviction",
    }

    /// Whether a replica may take a full synchronisation straight into memory.
    DisklessLoad {
        Disabled = "disabled",
        OnEmptyDb = "on-empty-db",
        SwapDb = "swapdb",
        FlushBeforeLoad = "flush-before-load"
    }

    /// Who may use a protected feature.
    Protection { No = "no", Yes = "yes", Local = "local" }

    SanitizeDump { No = "no", Yes = "yes", Clients = "clients" }

    PubSubDefault { AllChannels = "allchannels", ResetChannels = "resetchannels" }

    PreferredEndpoint { Ip = "ip", Hostname = "hostname", Unknown = "unknown-endpoint" }

    OomScoreAdjust { No = "no", Yes = "yes", Relative = "relative", Absolute = "absolute" }

    PropagationError { Ignore = "ignore", Panic = "panic", PanicOnReplicas = "panic-on-replicas" }

    Supervision { Upstart = "upstart", Systemd = "systemd", Auto = "auto", No = "no" }

    SyslogFacility {
        User = "user",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }

    TlsAuthClients { No = "no", Yes = "yes", Optional = "optional" }
}
