//! PEM files: certificates, private keys (also encrypted ones, PKCS #8), and the authorities' certificates.
//! Every complaint names its file.
#![allow(clippy::disallowed_methods, reason = "this is where real files are reached")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::{Document, SecretDocument};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore};

use super::refused;
use crate::{Identity, TlsSettings};

/// A bundle of all public authorities takes a quarter of a megabyte.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What [PEM](https://www.rfc-editor.org/rfc/rfc7468#section-11) calls a key that a password opens.
const ENCRYPTED_KEY_LABEL: &str = "ENCRYPTED PRIVATE KEY";

pub(super) fn identity(
    directory: &Path,
    identity: &Identity,
    provider: &Arc<CryptoProvider>,
) -> io::Result<SingleCertAndKey> {
    if identity.certificate_file.is_empty() || identity.key_file.is_empty() {
        return Err(refused("a certificate and its private key are needed, as files in PEM format"));
    }
    let certificate_file = directory.join(&identity.certificate_file);
    let chain = certificates(&certificate_file)?;
    if chain.is_empty() {
        return Err(of(&certificate_file, "there is no certificate in it"));
    }
    let key_file = directory.join(&identity.key_file);
    let key = private_key(&key_file, &identity.key_password)?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| of(&key_file, error))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(of(
            &key_file,
            format!("it is not the key of the certificate '{}'", certificate_file.display()),
        )),
        // A certificate that rustls would not believe can still be shown to those who do.
        _ => Ok(SingleCertAndKey::from(certified)),
    }
}

pub(super) fn authorities(directory: &Path, settings: &TlsSettings) -> io::Result<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    if !settings.authorities_file.is_empty() {
        let file = directory.join(&settings.authorities_file);
        if add(&mut authorities, &file)? == 0 {
            return Err(of(&file, "there is no authority's certificate in it that can be used"));
        }
    }
    if !settings.authorities_directory.is_empty() {
        let named = directory.join(&settings.authorities_directory);
        let mut found = 0;
        for file in files_in(&named).map_err(|error| of(&named, error))? {
            found += add(&mut authorities, &file)?;
        }
        if found == 0 {
            return Err(of(&named, "there is no authority's certificate in it that can be used"));
        }
    }
    Ok(authorities)
}

/// Adds those certificates of a file that can be an authority's; tells how many.
fn add(authorities: &mut RootCertStore, file: &Path) -> io::Result<usize> {
    let (added, _ignored) = authorities.add_parsable_certificates(certificates(file)?);
    Ok(added)
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = read(file)?;
    CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| of(file, error))
}

fn private_key(file: &Path, password: &str) -> io::Result<PrivateKeyDer<'static>> {
    let text = read(file)?;
    let pem = String::from_utf8_lossy(&text);
    let begin = format!("-----BEGIN {ENCRYPTED_KEY_LABEL}-----");
    let Some(start) = pem.find(&begin) else {
        if pem.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(of(
                file,
                "this old form of encryption is not read; 'openssl pkcs8 -topk8' makes a newer one",
            ));
        }
        return PrivateKeyDer::from_pem_slice(&text).map_err(|error| of(file, error));
    };
    if password.is_empty() {
        return Err(of(file, "the key is encrypted, and no password is given"));
    }
    let (_, encrypted) = Document::from_pem(pem[start..].trim_end()).map_err(|error| of(file, error))?;
    let key: SecretDocument = EncryptedPrivateKeyInfo::try_from(encrypted.as_bytes())
        .and_then(|key| key.decrypt(password))
        .map_err(|_| of(file, "the password does not open the key"))?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec())))
}

/// What may hold a certificate there, in the order of the names.
fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let opened = File::open(file).map_err(|error| of(file, error))?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| of(file, error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(of(file, "it is too large for certificates or a key"));
    }
    Ok(text)
}

fn of(file: &Path, what: impl std::fmt::Display) -> io::Error {
    refused(format!("'{}': {what}", file.display()))
}
