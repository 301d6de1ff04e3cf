//! The demo over TLS: what talks to its own edge does so by https.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Certificate, Client};
use tests::clickweir::Place;

fn pem(kind: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

#[tokio::test]
async fn the_demo_over_tls_ends_with_a_clean_verdict() {
    let issued = rcgen::generate_simple_self_signed(["edge.example".to_owned()]).unwrap();
    let certificate = pem("CERTIFICATE", issued.cert.der());
    let place = Place::new()
        .unwrap()
        .with("PRODUCER__TLS_CERT", "cert.pem")
        .with("PRODUCER__TLS_KEY", "key.pem");
    std::fs::write(place.path().join("cert.pem"), &certificate).unwrap();
    let refused = place.run(&["up"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("producer.tls_key"),
        "{said}"
    );
    let key = pem("PRIVATE KEY", &issued.signing_key.serialize_der());
    std::fs::write(place.path().join("key.pem"), key).unwrap();

    let up = place.up(&["--visitors", "4"]).unwrap();
    assert!(up.shop.starts_with("https://"), "{}", up.shop);
    let port = up.shop.rsplit(':').next().unwrap();
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(certificate.as_bytes()).unwrap()])
        .resolve("edge.example", address)
        .build()
        .unwrap();
    let url = format!("https://edge.example:{port}/v1/events");
    let sent = client
        .post(url)
        .body(r#"{"id":"by-tls"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 202);
    let verdict = place.settled().await.unwrap();
    assert_eq!(verdict["lost"], 0, "{verdict}");
    let listen = format!("producer.listen=127.0.0.1:{port}");
    place
        .must(&["health", "producer", "--set", &listen])
        .unwrap();
}
