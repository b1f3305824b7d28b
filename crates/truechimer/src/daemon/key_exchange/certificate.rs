//! Who we are to those who want keys: a certificate and its private key, from files that a certificate authority's client
//! renews (certbot and its like), and that are read anew while everything goes on.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use truechimer_core::wire::nts_ke::ALPN;

/// No chain of certificates is longer, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// The two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those between it and the authority's own, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM. Not for everybody to read.
    pub key: PathBuf,
}

/// The certificate in use.
pub(super) struct Certificate {
    files: CertificateFiles,
    config: Arc<ServerConfig>,
}

impl Certificate {
    pub(super) fn load(files: CertificateFiles) -> Result<Self, CertificateError> {
        Ok(Self { config: config(&files)?, files })
    }

    /// Takes what the files hold now. Connections that have begun go on with what they began with.
    pub(super) fn reload(&mut self) -> Result<(), CertificateError> {
        self.config = config(&self.files)?;
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// TLS 1.3 and nothing older, one protocol, nothing remembered between connections.
fn config(files: &CertificateFiles) -> Result<Arc<ServerConfig>, CertificateError> {
    let CertificateFiles { certificate, key } = files;
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| CertificateError::Unreadable { path, error }
    };
    let not_pem = |path: &Path| {
        let path = path.to_owned();
        move |error| CertificateError::NotPem { path, error }
    };
    let (text, _) = read(certificate).map_err(unreadable(certificate))?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(not_pem(certificate))?;
    let (text, mode) = read(key).map_err(unreadable(key))?;
    if mode & 0o007 != 0 {
        return Err(CertificateError::Open { path: key.clone(), mode: mode & 0o777 });
    }
    let secret = PrivateKeyDer::from_pem_slice(&text).map_err(not_pem(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let mut config = builder
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| CertificateError::Unusable {
            certificate: certificate.clone(),
            key: key.clone(),
            error,
        })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// What a file holds, and its mode. Links are followed: certbot's files are some.
fn read(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok((bytes, mode))
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is missing, or not for us to read.
    #[error("cannot read {}: {error} (the daemon's account must be able to)", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file holds something else.
    #[error("{} is not as PEM files are: {error}", path.display())]
    NotPem {
        /// Which.
        path: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// Everybody can read or change the private key.
    #[error("{} is open to everybody (mode {mode:o}): chmod o= {}", path.display(), path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The two do not belong together, or are of a kind that is not spoken.
    #[error("cannot use the certificate {} with the key {}: {error}", certificate.display(), key.display())]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
}
