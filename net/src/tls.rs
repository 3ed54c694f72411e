//! What a host is told in order to encrypt: the files that prove who it is, those that say whom to believe,
//! and what a handshake may agree on. Values only; the host reads the files.

/// A certificate (with those that lead to its authority behind it) and its private key, as PEM files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    pub certificate_file: String,
    pub key_file: String,
    /// Opens an encrypted key; empty: none is needed.
    pub key_password: String,
}

/// Whether those who connect have to show a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientCertificates {
    Ignored,
    /// None is needed, but one that is shown must be good.
    Optional,
    Required,
}

/// Handshakes that may be shortened, since the two sides have met before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionCache {
    pub sessions_max: usize,
    pub lifetime_seconds: u64,
}

/// Everything about encryption. Relative paths start at the host's directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsSettings {
    pub identity: Identity,
    /// Shown to the servers that this host dials, where it is not `identity`.
    pub client_identity: Option<Identity>,
    /// A file of authorities' certificates, a directory of such files, or both; empty: none.
    pub authorities_file: String,
    pub authorities_directory: String,
    pub client_certificates: ClientCertificates,
    /// Whether servers will be dialled, so that there has to be an authority to believe.
    pub dials: bool,
    /// `TLSv1.2`, `TLSv1.3` or both, with blanks between; empty: both.
    pub protocols: String,
    /// For TLS 1.2: OpenSSL's names of suites, with colons between; empty: all.
    pub ciphers: String,
    /// For TLS 1.3: the same.
    pub cipher_suites: String,
    /// The order of the suites is this side's, not the client's.
    pub prefer_own_order: bool,
    pub session_cache: Option<SessionCache>,
}
