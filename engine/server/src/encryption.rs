//! redis.conf's parameters about encryption in the host's terms, and the reading of certificates.

use std::rc::Rc;

use squall_net::{ClientCertificates, Host, Identity, SessionCache, TlsSettings};
use squall_node::Config;
use squall_node::config::TlsAuthClients;

use crate::shell::Shell;

pub(crate) async fn secure<H: Host>(shell: Rc<Shell<H>>, config: Box<Config>) {
    let outcome = shell.host.secure(settings(&config)).await.map_err(|error| error.to_string());
    shell.turn_when_served(|node, now| node.secured(outcome, now)).await;
}

fn settings(config: &Config) -> TlsSettings {
    let own = Identity {
        certificate_file: config.tls_client_cert_file.clone(),
        key_file: config.tls_client_key_file.clone(),
        key_password: config.tls_client_key_file_pass.clone(),
    };
    TlsSettings {
        identity: Identity {
            certificate_file: config.tls_cert_file.clone(),
            key_file: config.tls_key_file.clone(),
            key_password: config.tls_key_file_pass.clone(),
        },
        client_identity: (!own.certificate_file.is_empty()).then_some(own),
        authorities_file: config.tls_ca_cert_file.clone(),
        authorities_directory: config.tls_ca_cert_dir.clone(),
        client_certificates: match config.tls_auth_clients {
            TlsAuthClients::No => ClientCertificates::Ignored,
            TlsAuthClients::Optional => ClientCertificates::Optional,
            TlsAuthClients::Yes => ClientCertificates::Required,
        },
        dials: config.tls_replication || config.tls_cluster,
        protocols: config.tls_protocols.clone(),
        ciphers: config.tls_ciphers.clone(),
        cipher_suites: config.tls_ciphersuites.clone(),
        prefer_own_order: config.tls_prefer_server_ciphers,
        session_cache: config.tls_session_caching.then_some(SessionCache {
            sessions_max: config.tls_session_cache_size as usize,
            lifetime_seconds: config.tls_session_cache_timeout_seconds,
        }),
    }
}
