//! Encryption, by rustls. Owns what new connections are encrypted with ([`Encryption`]); [`files`] reads
//! certificates and keys, [`suites`] the names of what a handshake may agree on, [`trust`] says which servers
//! are believed, [`sessions`] remembers who was here, and [`stream`] is a connection.
//!
//! A server's name is not compared with its certificate, only the certificate's origin with the authorities:
//! servers are dialled by addresses that change, as Redis does it.

mod files;
mod sessions;
mod stream;
mod suites;
mod trust;

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{ClientCertificates, TlsSettings};

pub(super) use stream::TlsSocket;

/// What new connections are encrypted with; empty until `Host::secure` has succeeded. All listeners share it,
/// so that a renewed certificate is shown by those that are there.
#[derive(Clone, Default)]
pub(super) struct Encryption(Rc<RefCell<Option<Prepared>>>);

/// Certificates and keys that have been read and fit each other.
pub(super) struct Prepared {
    server: Arc<ServerConfig>,
    /// None where no authority is named: nobody could be believed.
    client: Option<Arc<ClientConfig>>,
}

impl Encryption {
    pub fn replace(&self, prepared: Prepared) {
        *self.0.borrow_mut() = Some(prepared);
    }

    /// Begins a connection that somebody else has made.
    pub fn accept(&self, stream: TcpStream) -> io::Result<TlsSocket> {
        let prepared = self.0.borrow();
        let prepared = prepared.as_ref().ok_or_else(not_prepared)?;
        Ok(TlsSocket::accept(TlsAcceptor::from(prepared.server.clone()), stream))
    }

    /// Agrees with the server at the other end of `stream`, which is dialled as `host`.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsSocket> {
        let connector = {
            let prepared = self.0.borrow();
            let client = prepared.as_ref().and_then(|prepared| prepared.client.clone());
            TlsConnector::from(client.ok_or_else(not_prepared)?)
        };
        TlsSocket::connect(connector, host, stream).await
    }
}

impl Prepared {
    /// Reads all that `settings` name, from `directory` where a path is relative. It waits for the disk.
    pub fn read(directory: &Path, settings: &TlsSettings) -> io::Result<Prepared> {
        let mut provider = tokio_rustls::rustls::crypto::ring::default_provider();
        suites::restrict(&mut provider, settings)?;
        let versions = suites::versions(settings)?;
        let provider = Arc::new(provider);
        let authorities = Arc::new(files::authorities(directory, settings)?);
        let identity = files::identity(directory, &settings.identity, &provider)?;
        let server = server(settings, &provider, &versions, &authorities, identity)?;
        let client = match authorities.is_empty() {
            true if settings.dials => {
                return Err(refused(
                    "an authority is needed, a file or a directory, to believe other servers",
                ));
            }
            true => None,
            false => {
                let own = settings.client_identity.as_ref().unwrap_or(&settings.identity);
                let identity = files::identity(directory, own, &provider)?;
                Some(Arc::new(client(&provider, &versions, &authorities, identity)?))
            }
        };
        Ok(Prepared { server: Arc::new(server), client })
    }
}

fn server(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    authorities: &Arc<RootCertStore>,
    identity: SingleCertAndKey,
) -> io::Result<ServerConfig> {
    let asked = settings.client_certificates;
    if asked != ClientCertificates::Ignored && authorities.is_empty() {
        return Err(refused(
            "an authority is needed, a file or a directory, to believe clients' certificates",
        ));
    }
    let verifier = match asked {
        ClientCertificates::Ignored => Arc::new(NoClientAuth),
        ClientCertificates::Optional | ClientCertificates::Required => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities.clone(), provider.clone());
            let verifier = match asked {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            verifier.build().map_err(io::Error::other)?
        }
    };
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(identity));
    server.ignore_client_order = settings.prefer_own_order;
    server.session_storage = match settings.session_cache {
        Some(cache) => Arc::new(sessions::Sessions::new(cache)),
        None => Arc::new(NoServerSessionStorage {}),
    };
    if settings.session_cache.is_none() {
        server.send_tls13_tickets = 0;
    }
    Ok(server)
}

fn client(
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    authorities: &Arc<RootCertStore>,
    identity: SingleCertAndKey,
) -> io::Result<ClientConfig> {
    let trust = trust::AnyNameOfTheAuthorities::new(authorities.clone(), provider);
    Ok(ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust))
        .with_client_cert_resolver(Arc::new(identity)))
}

fn not_prepared() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "encryption is not configured")
}

fn refused(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.into())
}
