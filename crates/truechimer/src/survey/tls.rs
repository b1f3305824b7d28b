//! TLS for those who speak by it: HTTPS and the key exchange of NTS.
//!
//! A Date by HTTPS is taken also from a host whose certificate proves nothing, because one by HTTP is as well; but it is said.
//! Keys for NTS are never agreed on with such a host.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};
use truechimer_core::node::Dates;
use truechimer_time::{Time, Utc};

use super::trouble::{Kind, Trouble};
use crate::daemon::agreeing::Place;
use crate::daemon::agreeing::conversation;

/// A Date proves nothing by how it came, and many a host that is looked after seldom speaks nothing newer than 1.2.
const FOR_DATES: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What all connections share. Authorities are read when the first is made: most surveys need none.
pub(super) struct Tls {
    ca: Option<PathBuf>,
    /// When certificates have to be valid.
    now: Time<Utc>,
    provider: Arc<CryptoProvider>,
    for_keys: OnceLock<Result<Arc<ClientConfig>, Trouble>>,
    /// Nothing where there are no authorities: then no certificate proves anything.
    library: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

/// Nothing is in it until the certificate was looked at; then whether it proves who the host is.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding(Arc<OnceLock<bool>>);

impl Finding {
    /// Is the host the one that was meant?
    pub(super) fn is_proof(&self) -> bool {
        self.0.get().copied().unwrap_or(false)
    }
}

impl Tls {
    pub(super) fn new(ca: Option<PathBuf>, now: Time<Utc>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Self { ca, now, provider, for_keys: OnceLock::new(), library: OnceLock::new() }
    }

    /// Can the authorities be used that were named?
    pub(super) fn check(&self) -> Result<(), Trouble> {
        match self.ca {
            None => Ok(()),
            Some(_) => {
                self.authorities().authorities().map(drop).map_err(|failure| ourselves(failure.detail))
            }
        }
    }

    /// For a key exchange with this host.
    pub(super) fn for_keys(&self, host: &str) -> Result<ClientConnection, Trouble> {
        let config = self.for_keys.get_or_init(|| {
            let made = conversation::config_for(&self.authorities(), Dates::At(self.now));
            made.map_err(|failure| Trouble::new(Kind::Tls, failure.detail))
        });
        let config = Arc::clone(config.as_ref().map_err(Clone::clone)?);
        ClientConnection::new(config, name(host)?).map_err(ourselves)
    }

    /// For HTTPS with this host, and what its certificate is found to be.
    pub(super) fn for_date(&self, host: &str) -> Result<(ClientConnection, Finding), Trouble> {
        let finding = Finding::default();
        let seconds = self.now.since_epoch().as_seconds().max(0.0) as u64;
        let verifier = Lenient {
            library: self.library.get_or_init(|| self.verifier()).clone(),
            provider: Arc::clone(&self.provider),
            now: UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            finding: finding.clone(),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(FOR_DATES).map_err(ourselves)?;
        let mut config =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        let tls = ClientConnection::new(Arc::new(config), name(host)?).map_err(ourselves)?;
        Ok((tls, finding))
    }

    fn authorities(&self) -> Place {
        Place { host: String::new(), port: 0, ca: self.ca.clone() }
    }

    fn verifier(&self) -> Option<Arc<WebPkiServerVerifier>> {
        let authorities = self.authorities().authorities().ok()?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider).build().ok()
    }
}

/// A name or an address, as certificates have them.
fn name(host: &str) -> Result<ServerName<'static>, Trouble> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(ourselves)
}

fn ourselves(error: impl std::fmt::Display) -> Trouble {
    Trouble::new(Kind::Tls, error)
}

/// Lets every certificate pass, and notes whether the library would have.
#[derive(Debug)]
struct Lenient {
    library: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    now: UnixTime,
    finding: Finding,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        _by_the_clock: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |library: &Arc<WebPkiServerVerifier>| {
            library.verify_server_cert(own, between, name, stapled, self.now)
        };
        let is_proof = self.library.as_ref().is_some_and(|library| verify(library).is_ok());
        // A connection has one certificate; the first look counts.
        let _once = self.finding.0.set(is_proof);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
