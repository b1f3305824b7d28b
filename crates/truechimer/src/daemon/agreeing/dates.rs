//! When the certificates of a server have to be valid.
//!
//! The node says it. Mostly that is one time, the best that is known. On a machine that does not know the time it can be any
//! from the floor on: then it is the first at which the dates stand in nobody's way, and all else is checked as ever, at that
//! time: signatures, authorities, names, purposes. It is found by asking the library, which names the certificate's first
//! day when it refuses it as too early.
//!
//! In the same way the library is asked until when the certificates are valid, for people to read.
//!
//! **Invariant:** no certificate passes that the library would not let pass at a time which the node allows.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use truechimer_core::node::Dates;
use truechimer_time::{Span, Time, Utc};

/// So many certificates of a server can put the time off to their first day. Longer chains of different days are not known.
const LINKS_MAX: usize = 8;

/// What the library takes for now: the time of the node, and not what the machine's clock shows.
#[derive(Debug)]
pub(super) struct Now(pub(super) Dates);

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        let (Dates::At(when) | Dates::Since(when)) = self.0;
        // What is before 1970 becomes 1970.
        Some(UnixTime::since_unix_epoch(Duration::from_secs(when.since_epoch().as_seconds() as u64)))
    }
}

/// The library's own verifier, asked about [`Now`] or about some time after it.
#[derive(Debug)]
pub(super) struct Verifier {
    library: Arc<WebPkiServerVerifier>,
    dates: Dates,
}

impl Verifier {
    /// For servers for which these authorities vouch.
    ///
    /// # Errors
    /// There are no authorities.
    pub(super) fn new(
        authorities: RootCertStore,
        provider: Arc<CryptoProvider>,
        dates: Dates,
    ) -> Result<Self, VerifierBuilderError> {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider);
        Ok(Self { library: builder.build()?, dates })
    }

    /// The last second at which a chain passes for a server of this name, its own certificate in front. `None`, if it passes
    /// at no time that the library can be asked about.
    pub(super) fn valid_until(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Option<Time<Utc>> {
        let (own, between) = chain.split_first()?;
        let last =
            last_time(|when| self.library.verify_server_cert(own, between, name, &[], when).map(drop))?;
        Some(Time::from_epoch(Span::from_secs(i64::try_from(last.as_secs()).ok()?)))
    }
}

/// The end of time for certificates: the last second of the year 9999 (RFC 5280, section 4.1.2.5).
const LAST: u64 = 253_402_300_799;

/// The last time at which the library says yes: asked at the end of time, and where that is too late for a certificate at
/// that one's last second.
fn last_time(ask: impl Fn(UnixTime) -> Result<(), Error>) -> Option<UnixTime> {
    let mut when = UnixTime::since_unix_epoch(Duration::from_secs(LAST));
    for _ in 0..=LINKS_MAX {
        match ask(when) {
            Ok(()) => return Some(when),
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }))
                if not_after < when =>
            {
                when = not_after;
            }
            Err(_) => return None,
        }
    }
    None
}

/// Asks at `first`, and where that is too early for a certificate at that one's first second.
fn at_some_time(
    first: UnixTime,
    ask: impl Fn(UnixTime) -> Result<ServerCertVerified, Error>,
) -> Result<ServerCertVerified, Error> {
    let mut when = first;
    for _ in 0..LINKS_MAX {
        match ask(when) {
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }))
                if when < not_before =>
            {
                when = not_before;
            }
            verdict => return verdict,
        }
    }
    ask(when)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ask = |when| self.library.verify_server_cert(own, between, name, stapled, when);
        match self.dates {
            Dates::At(_) => ask(now),
            Dates::Since(_) => at_some_time(now, ask),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls12_signature(message, own, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls13_signature(message, own, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.library.supported_verify_schemes()
    }
}
