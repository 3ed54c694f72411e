//! The names of protocol versions and cipher suites, as OpenSSL and redis.conf spell them. What rustls does
//! not have, for its age as a rule, is refused by name rather than left out.

use std::io;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring::cipher_suite;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::refused;
use crate::TlsSettings;

/// For TLS 1.2: OpenSSL's names.
const CIPHERS: [(&str, SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// For TLS 1.3: the standard's names.
const CIPHER_SUITES: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", cipher_suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", cipher_suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// Words of OpenSSL's that take or leave groups. All suites here are of the strongest group: those that take
/// one of these take all, and there is nothing to be left out.
const EVERYTHING: [&str; 4] = ["DEFAULT", "ALL", "HIGH", "SECURE"];

/// Leaves the suites that the settings name, in their order.
pub(super) fn restrict(provider: &mut CryptoProvider, settings: &TlsSettings) -> io::Result<()> {
    let newer = named("cipher suite", &settings.cipher_suites, &CIPHER_SUITES)?;
    let older = named("cipher", &settings.ciphers, &CIPHERS)?;
    provider.cipher_suites = newer.into_iter().chain(older).collect();
    Ok(())
}

pub(super) fn versions(settings: &TlsSettings) -> io::Result<Vec<&'static SupportedProtocolVersion>> {
    let mut versions: Vec<&'static SupportedProtocolVersion> = Vec::new();
    for word in settings.protocols.split([' ', ',', ':']).filter(|word| !word.is_empty()) {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1.3" => versions.push(&TLS13),
            "default" => versions.extend([&TLS12, &TLS13]),
            _ => {
                let known = "TLSv1.2 and TLSv1.3 are what this server has";
                return Err(refused(format!("the protocol '{word}' is not available: {known}")));
            }
        }
    }
    if versions.is_empty() {
        versions.extend([&TLS12, &TLS13]);
    }
    Ok(versions)
}

fn named(
    what: &str,
    list: &str,
    known: &[(&str, SupportedCipherSuite)],
) -> io::Result<Vec<SupportedCipherSuite>> {
    let everything = || known.iter().map(|(_, suite)| *suite);
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    for word in list.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        if word.starts_with('!') || word.starts_with('-') || word.starts_with('@') {
            exclude(&mut chosen, &word[1..], known);
        } else if EVERYTHING.iter().any(|group| group.eq_ignore_ascii_case(word)) {
            chosen.extend(everything());
        } else if let Some((_, suite)) = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            chosen.push(*suite);
        } else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(refused(format!(
                "the {what} '{word}' is not available; there are {}",
                names.join(", ")
            )));
        }
    }
    match list.trim().is_empty() {
        true => Ok(everything().collect()),
        false if chosen.is_empty() => Err(refused(format!("no {what} is left by '{list}'"))),
        false => Ok(chosen),
    }
}

/// `!NAME` leaves a suite out; what is not there anyway (`!MEDIUM`, `!aNULL`) need not be.
fn exclude(chosen: &mut Vec<SupportedCipherSuite>, name: &str, known: &[(&str, SupportedCipherSuite)]) {
    if let Some((_, unwanted)) = known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        chosen.retain(|suite| suite.suite() != unwanted.suite());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Result<usize, String> {
        named("cipher", list, &CIPHERS).map(|suites| suites.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_of_openssl_are_understood_or_refused_by_name() {
        assert_eq!(names(""), Ok(6));
        assert_eq!(names("DEFAULT:!MEDIUM"), Ok(6));
        assert_eq!(names("HIGH:!ECDHE-RSA-AES128-GCM-SHA256"), Ok(5));
        assert_eq!(names("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384"), Ok(2));
        assert!(names("AES128-SHA").is_err_and(|text| text.contains("'AES128-SHA'")));
        assert!(names("!ECDHE-RSA-AES128-GCM-SHA256").is_err_and(|text| text.contains("no cipher is left")));
    }
}
