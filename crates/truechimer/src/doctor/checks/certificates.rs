//! The certificates that this machine shows to others, against its clock.

use std::collections::BTreeSet;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use truechimer_sys::clock;
use truechimer_time::{Civil, Local, Span, Time};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::future_files::shown;
use crate::doctor::certainty::certainty;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "certificates",
    area: Area::Windows,
    question: "Are this machine's certificates valid by its clock?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
A certificate is valid between two dates. A clock that is behind the first or
ahead of the second makes TLS fail, and looks like an attack. Where the clock
is right, the certificate is what is wrong.

Looked at are the certificates that this machine shows to others: those named
in the configurations of nginx, Apache, Postfix, Dovecot, HAProxy and
Truechimer, and those in /etc/letsencrypt/live and /etc/kubernetes/pki, up to
64 files. Of a file with a whole chain the narrowest dates count. Between the
dates and now there has to be more than the error that this clock can have.

WRONG   By this clock, and by all that its error allows, the certificate is
        not valid yet, or not any more.
risky   That depends on the error of this clock; or the certificate has less
        than a tenth of its life left, and less than a week.
unseen  The file cannot be read, or is no certificate.
fine    It is valid, with so much left.

What to do: not valid yet means that this clock is behind, if the certificate
was issued by others. Not any more means to renew it, unless this clock is
ahead: `truechimer query` asks others.
";

/// No more files are looked at.
const FILES_MAX: usize = 64;
/// Of a chain, no more certificates are.
const CHAIN_MAX: usize = 16;
/// With less left than that, a certificate is to be renewed.
const SOON: Span = Span::from_secs(7 * 86_400);

/// Configurations that name certificates: files, and folders of such.
const CONFIGURATIONS: [&str; 14] = [
    "/etc/nginx/nginx.conf",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-enabled",
    "/etc/apache2/apache2.conf",
    "/etc/apache2/sites-enabled",
    "/etc/httpd/conf/httpd.conf",
    "/etc/httpd/conf.d",
    "/etc/postfix/main.cf",
    "/etc/dovecot/dovecot.conf",
    "/etc/dovecot/conf.d",
    "/etc/haproxy/haproxy.cfg",
    "/etc/haproxy/conf.d",
    "/etc/truechimer/truechimer.toml",
    "/etc/truechimer/conf.d",
];

/// The words before a certificate's path in these.
const KEYS: [&str; 9] = [
    "ssl_certificate",
    "SSLCertificateFile",
    "smtpd_tls_cert_file",
    "smtp_tls_cert_file",
    "ssl_cert",
    "ssl_server_cert_file",
    "crt",
    "certificate",
    "smtpd_tls_chain_files",
];

/// Between which instants a certificate, or a chain, is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    from: i64,
    until: i64,
}

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let (paths, mut findings) = certificates(machine);
    let known = certainty(machine).map(|known| known.most);
    for path in paths.iter().take(FILES_MAX) {
        match validity(machine, path) {
            Ok(Some(validity)) => findings.push(judge(path, validity, clock::realtime(), known.clone().ok())),
            // Configured, but not there: that is for the server to complain about.
            Ok(None) => {}
            Err(hidden) => findings.push(Finding::unseen(&hidden)),
        }
    }
    if paths.len() > FILES_MAX {
        let left = paths.len() - FILES_MAX;
        findings
            .push(Finding::unseen(&Hidden::Because(format!("{left} more certificates were not looked at"))));
    }
    if findings.is_empty() {
        findings.push(Finding::fine("this machine is not seen to show any certificate"));
    }
    Ok(findings)
}

/// Where there are certificates, and what could not be seen for lack of privileges.
fn certificates(machine: &Machine) -> (BTreeSet<String>, Vec<Finding>) {
    let (mut paths, mut hidden) = (BTreeSet::new(), Vec::new());
    for place in CONFIGURATIONS {
        for file in files(machine, place, &mut hidden) {
            match machine.text(&file) {
                Ok(text) => paths.extend(text.iter().flat_map(|text| text.lines()).filter_map(named)),
                Err(error) => hidden.push(error),
            }
        }
    }
    for domain in files(machine, "/etc/letsencrypt/live", &mut hidden) {
        paths.extend(Some(format!("{domain}/fullchain.pem")).filter(|path| machine.path(path).exists()));
    }
    let kubernetes = files(machine, "/etc/kubernetes/pki", &mut hidden);
    paths.extend(kubernetes.into_iter().filter(|path| path.ends_with(".crt")));
    (paths, hidden.iter().map(Finding::unseen).collect())
}

/// What is in a folder; a file is all that is in itself.
fn files(machine: &Machine, place: &str, hidden: &mut Vec<Hidden>) -> Vec<String> {
    if !machine.path(place).is_dir() {
        return vec![place.to_owned()];
    }
    match machine.names(place) {
        Ok(names) => names.into_iter().map(|name| format!("{place}/{name}")).collect(),
        Err(error) => {
            hidden.push(error);
            Vec::new()
        }
    }
}

/// The path of a certificate that a line of a configuration names.
fn named(line: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let mut words = line.split(|letter: char| letter.is_whitespace() || "=,;\"'<".contains(letter));
    words.find(|word| KEYS.iter().any(|key| key.eq_ignore_ascii_case(word)))?;
    words.find(|word| !word.is_empty()).filter(|path| path.starts_with('/')).map(str::to_owned)
}

/// When all certificates in a file are valid; none if there is no such file.
fn validity(machine: &Machine, path: &str) -> Result<Option<Validity>, Hidden> {
    let Some(text) = machine.text(path)? else { return Ok(None) };
    let bad = |why: String| Hidden::Because(format!("{path} is no certificate: {why}"));
    let mut whole: Option<Validity> = None;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()).take(CHAIN_MAX) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| bad(error.to_string()))?;
        let (from, until) =
            (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let before = whole.unwrap_or(Validity { from, until });
        whole = Some(Validity { from: before.from.max(from), until: before.until.min(until) });
    }
    whole.map(Some).ok_or_else(|| bad("there is none in it".to_owned()))
}

fn judge(path: &str, validity: Validity, now: Time<Local>, error: Option<Span>) -> Finding {
    let instant = |seconds| Time::<Local>::from_epoch(Span::from_secs(seconds));
    let date = |seconds| format!("{:.0}", Civil::of(Time::from_epoch(Span::from_secs(seconds))));
    let (since, left) = (now - instant(validity.from), instant(validity.until) - now);
    let path = shown(path.as_ref());
    let life = instant(validity.until) - instant(validity.from);
    let bound = error.unwrap_or(Span::ZERO);
    let margin = since.min(left);
    let finding = if margin < -bound && since < left {
        let in_future = units::span(since.abs());
        let from = date(validity.from);
        Finding::wrong(format!("{path} is not valid yet: from {from} on, in {in_future} by this clock"))
            .told("is this clock behind? Otherwise that of whoever issued it is ahead")
            .run("truechimer query pool.ntp.org")
    } else if margin < -bound {
        let ago = units::span(left.abs());
        renew(
            Finding::wrong(format!("{path} expired {ago} ago by this clock, at {}", date(validity.until))),
            &path,
        )
    } else if margin < bound {
        let most = units::span(bound);
        Finding::risky(format!("{path} is valid or not within {most}, which this clock may be off"))
            .told("use nearer sources, or more of them, until the bound fits")
    } else if left < SOON && left < life / 10 {
        renew(
            Finding::risky(format!("{path} expires in {}, at {}", units::span(left), date(validity.until))),
            &path,
        )
    } else {
        let known = if error.is_none() { "; nobody says how right the clock is" } else { "" };
        Finding::fine(format!("{path} is valid, with {} left{known}", units::span(left)))
    };
    finding.number("margin_seconds", margin.as_seconds()).number("left_seconds", left.as_seconds())
}

fn renew(finding: Finding, path: &str) -> Finding {
    let finding = finding.told("renew it, if this clock is right");
    match path.contains("/letsencrypt/") {
        true => finding.run("sudo certbot renew"),
        false => finding.run("truechimer query pool.ntp.org"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::usage::tests::put;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    /// A certificate between the beginnings of two years.
    fn pem(from: i32, until: i32) -> String {
        let mut params = CertificateParams::new(vec!["test.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn certificates_that_a_configuration_names_are_held_against_the_clock() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            "etc/nginx/sites-enabled/a",
            "server {\n  ssl_certificate /etc/tls/old.pem;\n  #ssl_certificate /none;\n}\n",
        );
        put(root.path(), "etc/postfix/main.cf", "smtpd_tls_cert_file=/etc/tls/young.pem\n");
        put(root.path(), "etc/dovecot/dovecot.conf", "ssl_cert = </etc/tls/good.pem\n");
        put(root.path(), "etc/haproxy/haproxy.cfg", "  bind :443 ssl crt /etc/tls/absent.pem\n");
        put(
            root.path(),
            "etc/letsencrypt/live/example.org/fullchain.pem",
            &(pem(2000, 3000) + &pem(2000, 2010)),
        );
        put(root.path(), "etc/kubernetes/pki/ca.crt", "nothing");
        put(root.path(), "etc/tls/old.pem", &pem(2001, 2002));
        put(root.path(), "etc/tls/young.pem", &pem(2900, 2901));
        put(root.path(), "etc/tls/good.pem", &pem(2001, 2901));
        let findings = probe(&Machine::at(root.path())).unwrap();
        let seen: Vec<(Verdict, &str)> =
            findings.iter().map(|f| (f.verdict, f.words.split(" by this clock").next().unwrap())).collect();
        assert_eq!(seen.len(), 5, "{seen:?}");
        let about = |path: &str| findings.iter().find(|finding| finding.words.starts_with(path)).unwrap();
        assert!(about("/etc/tls/old.pem").words.contains("pem expired "), "{seen:?}");
        assert!(
            about("/etc/tls/young.pem").words.contains("not valid yet: from 2900-01-01T00:00:00Z"),
            "{seen:?}"
        );
        assert_eq!(about("/etc/tls/good.pem").verdict, Verdict::Fine);
        let chain = about("/etc/letsencrypt/live/example.org/fullchain.pem");
        assert_eq!(chain.verdict, Verdict::Wrong, "the narrowest of a chain counts: {chain:?}");
        assert!(format!("{:?}", chain.remedies).contains("certbot renew"), "{chain:?}");
        assert_eq!(about("/etc/kubernetes/pki/ca.crt is no certificate").verdict, Verdict::Unseen);
    }

    #[test]
    fn what_the_error_of_the_clock_may_decide_is_a_risk() {
        let validity = Validity { from: 1_000_000, until: 2_000_000 };
        let at = |seconds| Time::from_epoch(Span::from_secs(seconds));
        let judged = |now, error| judge("/a", validity, at(now), Some(Span::from_secs(error))).verdict;
        assert_eq!(judged(1_000_005, 10), Verdict::Risky);
        assert_eq!(judged(999_995, 10), Verdict::Risky);
        assert_eq!(judged(999_985, 10), Verdict::Wrong);
        assert_eq!(judged(1_000_015, 10), Verdict::Fine);
        assert_eq!(judged(1_999_995, 10), Verdict::Risky);
        assert_eq!(judged(2_000_015, 10), Verdict::Wrong);
        assert_eq!(judged(1_950_000, 0), Verdict::Risky, "less than a tenth of its life");
        assert_eq!(judged(1_850_000, 0), Verdict::Fine, "a short life has its own tenth");
    }

    #[test]
    fn certificates_are_found_behind_the_words_of_each_server() {
        assert_eq!(named("  ssl_certificate \"/a b\";").as_deref(), Some("/a"));
        assert_eq!(named("SSLCertificateFile /a.pem").as_deref(), Some("/a.pem"));
        assert_eq!(named("certificate = \"/a.pem\"").as_deref(), Some("/a.pem"));
        assert_eq!(named("ssl_certificate_key /a.key;"), None);
        assert_eq!(named("certificate = \"relative\""), None);
        assert_eq!(named("# certificate = \"/a.pem\""), None);
    }
}
