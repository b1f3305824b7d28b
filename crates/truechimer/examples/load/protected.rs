//! Questions that NTS protects, made before the load begins: what it takes to seal them is not the server's cost.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use truechimer_core::measure::exchange::Exchange;
use truechimer_core::source::nts::{Cookie, Nts};
use truechimer_core::wire::aead::{Aead, SessionKeys};
use truechimer_core::wire::nts_ke::response::Answer;
use truechimer_core::wire::nts_ke::{ALPN, Direction, EXPORTER_LABEL, Inbox, request};

/// So many different questions there are.
const QUESTIONS: usize = 4096;
const AEAD: Aead = Aead::SivCmac256;
const PATIENCE: Duration = Duration::from_secs(5);

/// Gets keys and makes questions with them. Cookies are used again and again, which no client would do.
pub(crate) fn questions(keys: SocketAddr, authority: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut tls = connect(keys, authority)?;
    tls.write_all(&request::write(&[AEAD]))?;
    let (mut inbox, mut bytes) = (Inbox::for_answer(), [0; 4096]);
    loop {
        let len = tls.read(&mut bytes)?;
        if len == 0 || inbox.take(&bytes[..len]).map_err(|bad| anyhow!("{bad}"))? {
            break;
        }
    }
    let answer = Answer::read(&inbox, &[AEAD]).map_err(|bad| anyhow!("{bad}"))?;
    let key = |direction| {
        let mut key = [0; 32];
        let context = answer.exporter.context(AEAD, direction);
        tls.conn.export_keying_material(&mut key, EXPORTER_LABEL.as_bytes(), Some(&context))?;
        Ok::<_, rustls::Error>(key)
    };
    let (c2s, s2c) = (key(Direction::C2s)?, key(Direction::S2c)?);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut questions = Vec::new();
    let mut client = Nts::new();
    while questions.len() < QUESTIONS {
        let Some(ticket) = client.ticket() else {
            let session = SessionKeys::new(AEAD, &c2s, &s2c).context("keys of 32 bytes")?;
            client.agreed(session, answer.cookies.iter().filter_map(|bytes| Cookie::new(bytes)));
            continue;
        };
        // As of a client whose jar is full: it spends one cookie and wants one.
        if client.cookies() == answer.cookies.len() - 1 {
            questions.push(Exchange::start_protected(&mut rng, keys, ticket).datagram().to_vec());
        }
    }
    Ok(questions)
}

fn connect(keys: SocketAddr, authority: &Path) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(authority)?)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let tls = ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
    let stream = TcpStream::connect(keys)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(StreamOwned::new(tls, stream))
}
