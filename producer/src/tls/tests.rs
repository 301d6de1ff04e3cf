use std::path::Path;

use tempfile::TempDir;
use topic::Timestamp;
use topic::clock;

use super::issued::{Authority, Issued};
use super::*;
use crate::testing::{self, FixedClock};

struct FilesOfTls {
    folder: TempDir,
    config: Config,
}

impl FilesOfTls {
    fn new(issued: &Issued) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name).to_string_lossy().into_owned();
        let config = Config {
            tls_cert: path("cert.pem"),
            tls_key: path("key.pem"),
            ..testing::config()
        };
        let files = Self { folder, config };
        files.write(&issued.pem, &issued.key_pem);
        files
    }

    fn write(&self, certificate: &str, key: &str) {
        std::fs::write(Path::new(&self.config.tls_cert), certificate).unwrap();
        std::fs::write(Path::new(&self.config.tls_key), key).unwrap();
    }

    fn open(&self) -> Result<Option<Arc<EdgeTls>>, CertificateError> {
        EdgeTls::open(&self.config, Gauge::default(), clock::system())
    }
}

fn shown(tls: &EdgeTls) -> Vec<u8> {
    tls.shown.0.read().cert[0].to_vec()
}

#[test]
fn what_is_no_certificate_and_its_key_stops_the_start_with_a_sentence() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(), authority.issue());
    let files = FilesOfTls::new(&one);
    assert!(files.open().unwrap().is_some());
    let check = |certificate: &str, key: &str, expect: &str| {
        files.write(certificate, key);
        let why = files.open().unwrap_err().to_string();
        assert!(why.contains(expect), "{why}");
        let secret = key.lines().nth(1).unwrap_or("-");
        assert!(!why.contains(secret), "{why}");
    };
    check("", &one.key_pem, "cert.pem holds no certificate");
    check(&one.key_pem, &one.key_pem, "cert.pem holds no certificate");
    check(&one.pem, "", "key.pem holds no private key");
    check(&one.pem, &one.pem, "key.pem holds no private key");
    check(
        &one.pem,
        &other.key_pem,
        "is not that of the first certificate",
    );
    let chain = format!("{}{}", authority.pem, one.pem);
    check(&chain, &one.key_pem, "is not that of the first certificate");
    let broken = one.pem.replacen("\nM", "\n!", 1);
    check(&broken, &one.key_pem, "cert.pem is no PEM");
    let cut = one.key_pem.replacen("\nM", "\nN", 1);
    check(&one.pem, &cut, "the key in");
    std::fs::remove_file(files.folder.path().join("key.pem")).unwrap();
    let why = files.open().unwrap_err().to_string();
    assert!(
        why.contains("producer.tls_key") && why.contains("cannot be read"),
        "{why}"
    );
    for (certificate, key, expect) in [
        ("cert.pem", "", "producer.tls_key is empty"),
        ("", "key.pem", "producer.tls_cert is empty"),
    ] {
        let config = Config {
            tls_cert: certificate.into(),
            tls_key: key.into(),
            ..testing::config()
        };
        let opened = EdgeTls::open(&config, Gauge::default(), clock::system());
        let why = opened.unwrap_err().to_string();
        assert!(why.contains(expect), "{why}");
    }
}

#[test]
fn changed_files_are_taken_together_and_broken_ones_are_not() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(), authority.issue_until((2040, 1, 1)));
    let files = FilesOfTls::new(&one);
    let tls = files.open().unwrap().unwrap();
    assert_eq!(tls.ends.get(), 4_070_908_800);
    files.write(&other.pem, &one.key_pem);
    tls.reload();
    assert_eq!(shown(&tls), one.der, "the key is not there yet");
    assert!(tls.state.lock().refused.is_some());
    files.write(&other.pem, &other.key_pem);
    tls.reload();
    assert_eq!(shown(&tls), other.der);
    assert!(tls.state.lock().refused.is_none(), "and nothing was said");
    assert_eq!(tls.ends.get(), 2_208_988_800);
    for (certificate, key) in [(&*one.pem, &*other.key_pem), ("", ""), (&*other.pem, "x")] {
        files.write(certificate, key);
        tls.reload();
        assert!(tls.state.lock().refused.is_some());
        tls.reload();
        assert!(tls.state.lock().refused.is_none(), "it was said once");
        tls.reload();
        assert_eq!(shown(&tls), other.der);
    }
    std::fs::remove_file(files.folder.path().join("cert.pem")).unwrap();
    tls.reload();
    assert_eq!(shown(&tls), other.der);
    files.write(&one.pem, &one.key_pem);
    tls.reload();
    assert_eq!(shown(&tls), one.der);
    assert!(!format!("{tls:?}{:?}", tls.config).contains("PRIVATE"));
}

#[test]
fn a_certificate_near_its_end_is_told_once() {
    let issued = Authority::new().issue_until((2031, 1, 1));
    let files = FilesOfTls::new(&issued);
    let ends = 1_924_992_000;
    let check = |now: i64, near: bool, over: bool| {
        let moment = Timestamp::from_micros(now * MICROS_PER_SECOND);
        let clock = Arc::new(FixedClock(moment));
        let tls = EdgeTls::open(&files.config, Gauge::default(), clock);
        let tls = tls.unwrap().unwrap();
        tls.reload();
        let state = tls.state.lock();
        assert_eq!((state.said_near, state.said_over), (near, over), "{now}");
    };
    check(ends - 15 * validity::SECONDS_PER_DAY, false, false);
    check(ends - 13 * validity::SECONDS_PER_DAY, true, false);
    check(ends, false, true);
}
