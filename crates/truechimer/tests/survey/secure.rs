//! A Date over TLS: from a host whose certificate proves who it is, and from one whose does not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::{holds, report, survey};

/// A web server whose clock is that of this machine, by these versions of TLS. It ends with the test. Where it is, and who vouches for it.
fn web_server(versions: &[&'static SupportedProtocolVersion]) -> (String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let place = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, stream);
            let (mut heard, mut bytes) = (Vec::new(), [0; 1024]);
            // Until it is gone.
            while let Ok(len @ 1..) = stream.read(&mut bytes) {
                heard.extend_from_slice(&bytes[..len]);
                if heard.ends_with(b"\r\n\r\n") {
                    let date = crate::hosts::http_date(SystemTime::now());
                    let _gone = stream
                        .write_all(format!("HTTP/1.1 204 No Content\r\nDate: {date}\r\n\r\n").as_bytes());
                    heard.clear();
                }
            }
        }
    });
    (place, pem)
}

#[test]
fn a_date_over_tls_says_whether_the_certificate_proves_anything() {
    let (place, pem) = web_server(&[&TLS13]);
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, pem).unwrap();
    let arguments = [place.as_str(), "--json", "--turns", "3", "--timeout", "10s"];
    for (more, assumed) in [
        (vec!["--ca", authority.to_str().unwrap()], serde_json::json!([])),
        (vec![], serde_json::json!(["unverified"])),
    ] {
        let output = survey(&[&arguments[..], &more].concat());
        let report = report(&output);
        let host = &report["hosts"][0];
        assert_eq!(host["assumed"], assumed, "{host}");
        assert_eq!(host["standing"], "good", "{host}");
        holds(&host["ahead_of_us"], 0.0, host);
    }
}

#[test]
fn who_speaks_nothing_newer_than_tls_1_2_is_surveyed_too() {
    let (place, _) = web_server(&[&TLS12]);
    let report = report(&survey(&[&place, "--json", "--turns", "3", "--timeout", "10s"]));
    let host = &report["hosts"][0];
    assert_eq!(host["standing"], "good", "{host}");
    holds(&host["ahead_of_us"], 0.0, host);
}

#[test]
fn who_speaks_no_tls_is_named_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        thread::sleep(Duration::from_secs(1));
    });
    let output = survey(&[&place, "--json", "--timeout", "10s"]);
    let report = report(&output);
    assert_eq!(report["hosts"][0]["error"]["kind"], "tls", "{report}");
}
