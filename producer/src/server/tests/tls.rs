//! TLS: what was true of plain HTTP is true of it.

use reqwest::Certificate;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::AsyncRead;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::tls::issued::{Authority, HOST, Issued};

/// The files of a certificate.
struct TlsFolder(TempDir);

impl TlsFolder {
    fn new(issued: &Issued) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(issued);
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, issued: &Issued) {
        std::fs::write(self.path("cert.pem"), &issued.pem).unwrap();
        std::fs::write(self.path("key.pem"), &issued.key_pem).unwrap();
    }

    fn serve(&self, change: impl FnOnce(&mut Config)) -> ServedEdge {
        ServedEdge::start(|config| {
            config.tls_cert = self.path("cert.pem");
            config.tls_key = self.path("key.pem");
            change(config);
        })
    }
}

/// A client that trusts one authority and nobody else.
fn client(authority: &Authority, edge: &ServedEdge) -> Client {
    let trusted = Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    Client::builder()
        .no_proxy()
        .tls_certs_only([trusted])
        .resolve(HOST, edge.address)
        .build()
        .unwrap()
}

async fn post(client: &Client, edge: &ServedEdge) -> reqwest::Result<Response> {
    let url = format!("https://{HOST}:{}/v1/events", edge.address.port());
    client.post(url).body("{}").send().await
}

/// A connection by hand.
async fn connect(authority: &Authority, edge: &ServedEdge) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(edge.address).await.unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

/// Everything that the edge sends until it closes.
async fn rest(mut stream: impl AsyncRead + Unpin) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .expect("the edge closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn input_01_clicks_come_in_tls_and_a_new_certificate_is_taken_without_a_stop() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = TlsFolder::new(&old.issue());
    let edge = folder.serve(|config| config.shop = true);
    let kept = client(&old, &edge);
    let answer = post(&kept, &edge).await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.version(), reqwest::Version::HTTP_11);
    let envelope = edge.topic.envelopes().remove(0);
    assert!(
        envelope.contains("127.0.0.0"),
        "the peer is known: {envelope}"
    );
    assert!(post(&client(&new, &edge), &edge).await.is_err());

    // One file at a time, and the first of them alone is wrong.
    let next = new.issue();
    std::fs::write(folder.path("cert.pem"), &next.pem).unwrap();
    assert_eq!(
        post(&client(&old, &edge), &edge).await.unwrap().status(),
        202
    );
    folder.write(&next);
    let taken = async {
        while post(&client(&new, &edge), &edge).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(20), taken).await;
    assert!(taken.is_ok(), "the new certificate is not shown");
    // Its connection lives: a new one would not trust the edge any more.
    assert_eq!(post(&kept, &edge).await.unwrap().status(), 202);
    assert!(post(&client(&old, &edge), &edge).await.is_err());

    let page = client(&new, &edge);
    let page = page.get(format!(
        "https://{HOST}:{}/product/tea",
        edge.address.port()
    ));
    let page = page.send().await.unwrap();
    let cookies: Vec<_> = page.headers().get_all("set-cookie").iter().collect();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        assert!(cookie.to_str().unwrap().contains("; Secure"), "{cookie:?}");
    }
    let text = page.text().await.unwrap();
    let port = edge.address.port();
    let settings = format!("https://{HOST}:{port}/v1/projects/k/settings");
    let settings = client(&new, &edge).get(settings).send().await.unwrap();
    let settings: serde_json::Value = settings.json().await.unwrap();
    let protocol = &settings["integrations"]["Segment.io"]["protocol"];
    assert_eq!(protocol, "https", "{settings}");
    assert!(text.contains("url=https%3A%2F%2Fedge.example"), "{text}");
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_15_16_what_ends_a_plain_connection_ends_one_in_tls() {
    let authority = Authority::new();
    let folder = TlsFolder::new(&authority.issue());
    let edge = folder.serve(|config| {
        config.head_timeout = Duration::from_millis(600);
        config.body_timeout = Duration::from_millis(600);
    });
    let check = async |request: &str, expect: &str| {
        let mut stream = connect(&authority, &edge).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with(expect), "{request}: {answer}");
    };
    let smuggled = "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\
                    transfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let slow_body = "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{";
    tokio::join!(
        check(smuggled, "HTTP/1.1 400"),
        check("POST /v1/events HTTP/1.1\r\nhost:", "HTTP/1.1 408"),
        check("", "HTTP/1.1 408"),
        check(slow_body, "HTTP/1.1 408"),
    );
    let idle = connect(&authority, &edge).await;
    let answered = post(&client(&authority, &edge), &edge).await.unwrap();
    assert_eq!(answered.status(), 202);
    drop(idle);
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_16_what_does_not_become_tls_is_let_go_and_counted() {
    let authority = Authority::new();
    let folder = TlsFolder::new(&authority.issue());
    let edge = folder.serve(|config| config.head_timeout = Duration::from_millis(500));
    // More than a hundred wait in their handshake, and others are served meanwhile.
    let mut silent = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        if n % 2 == 0 {
            // The head of a record, and nothing of it.
            stream.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        }
        silent.push(stream);
    }
    let served = post(&client(&authority, &edge), &edge).await.unwrap();
    assert_eq!(served.status(), 202);
    for stream in silent {
        assert_eq!(rest(stream).await, "");
    }
    let plain = edge.raw(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{plain}");
    assert!(plain.contains("this port speaks TLS") && plain.contains("https://"));
    assert!(
        edge.raw(&[22, 3, 1, 0, 2, 7, 7]).await.len() < 20,
        "an alert"
    );
    // The client that just goes is no refusal.
    drop(TcpStream::connect(edge.address).await.unwrap());
    let page = client(&authority, &edge);
    let page = page.get(format!("https://{HOST}:{}/metrics", edge.address.port()));
    let page = page.send().await.unwrap().text().await.unwrap();
    for line in [
        "clickweir_producer_rejected_total{reason=\"tls\"} 302",
        "clickweir_producer_requests_total{route=\"unread\",status=\"400\"} 1",
        "clickweir_producer_certificate_ends_seconds 4070908800",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_03_a_stopping_edge_ends_idle_connections_in_tls() {
    let authority = Authority::new();
    let folder = TlsFolder::new(&authority.issue());
    let edge = folder.serve(|_| ());
    let mut stream = connect(&authority, &edge).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    edge.stop().await.unwrap();
    rest(&mut stream).await;
}
