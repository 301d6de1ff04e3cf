//! The keys of a bucket: what others put into it stops no listing.
//!
//! A key may hold what no path can: a line's end, two slashes in a row, `..`. The store's client
//! ends a listing at the first of them. So every key of a listing is made a path before the client
//! sees it, and the one who lists can say what does not belong there.

use std::borrow::Cow;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::path::PathPart;

/// A part of a key that has no letters.
const NAMELESS: &str = "(no name)";

/// Connects to a store, and makes every key of its listings a path.
#[derive(Debug)]
pub(super) struct ListsEveryKey;

impl HttpConnector for ListsEveryKey {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(ListingService { inner }))
    }
}

#[derive(Debug)]
struct ListingService {
    inner: HttpClient,
}

#[async_trait]
impl HttpService for ListingService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let is_listing = query.split('&').any(|pair| pair == "list-type=2");
        let response = self.inner.execute(request).await?;
        if !is_listing || !response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.bytes().await?;
        let listing = with_paths(&String::from_utf8_lossy(&body));
        Ok(HttpResponse::from_parts(head, listing.into()))
    }
}

/// A listing, as S3 writes it in XML, with every key made a path.
fn with_paths(listing: &str) -> String {
    let mut with = String::with_capacity(listing.len());
    for (number, piece) in listing.split('<').enumerate() {
        if number > 0 {
            with.push('<');
        }
        let path = match piece.split_once('>') {
            Some((tag @ "Key", text)) => Some((tag, path(&unescaped(text)))),
            Some((tag @ "Prefix", text)) => Some((tag, folder(&unescaped(text)))),
            _ => None,
        };
        match path {
            Some((tag, Some(path))) => with.extend([tag, ">", &escaped(&path)]),
            _ => with.push_str(piece),
        }
    }
    with
}

/// The path of a key. `None` if the key is one.
fn path(key: &str) -> Option<String> {
    let parts: Vec<Cow<'_, str>> = key.split('/').map(part).collect();
    let is_path = parts.iter().all(|part| matches!(part, Cow::Borrowed(_)));
    (!is_path).then(|| parts.join("/"))
}

/// The path of the keys' beginning that ends with a slash. `None` if that is one.
fn folder(prefix: &str) -> Option<String> {
    Some(path(prefix.strip_suffix('/')?)? + "/")
}

/// A part of a key, with what no path can hold escaped. The client's XML trims spaces.
fn part(text: &str) -> Cow<'_, str> {
    if text.is_empty() {
        return Cow::Owned(NAMELESS.to_owned());
    }
    match PathPart::parse(text) {
        Ok(_) if text.trim_matches(' ') == text => Cow::Borrowed(text),
        _ => Cow::Owned(PathPart::from(text).as_ref().replace(' ', "%20")),
    }
}

/// A text of XML, read.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut pieces = text.split('&');
    plain.extend(pieces.next());
    for piece in pieces {
        let read = piece
            .split_once(';')
            .and_then(|(name, rest)| Some((letter(name)?, rest)));
        match read {
            Some((letter, rest)) => {
                plain.push(letter);
                plain.push_str(rest);
            }
            None => plain.extend(["&", piece]),
        }
    }
    Cow::Owned(plain)
}

/// The letter that an entity of XML is.
fn letter(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number)
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Hour, Lake, S3};

    #[test]
    fn keys_become_paths_and_paths_stay() {
        let check = |key: &str, expect: Option<&str>| {
            assert_eq!(path(key).as_deref(), expect, "{key:?}");
        };
        for key in [
            "a/b",
            "a b/50%off",
            "~ünï+[x]*?#",
            "it's",
            "%2E%2E",
            "a/b=c",
        ] {
            check(key, None);
        }
        check("a//b", Some("a/(no name)/b"));
        check("/a", Some("(no name)/a"));
        check("a/", Some("a/(no name)"));
        check("a/../b", Some("a/%2E%2E/b"));
        check("a/./b", Some("a/%2E/b"));
        check("two\nlines", Some("two%0Alines"));
        check("bell\u{7}", Some("bell%07"));
        check("a /b", Some("a%20/b"));
        assert_eq!(folder("a/"), None);
        assert_eq!(folder("a//").as_deref(), Some("a/(no name)/"));
        assert_eq!(folder("a/../").as_deref(), Some("a/%2E%2E/"));
        let read = |text: &str| unescaped(text).into_owned();
        assert_eq!(
            read("a&amp;b&#10;c&#xA;d&quot;&lt;&gt;&apos;"),
            "a&b\nc\nd\"<>'"
        );
        assert_eq!(read("a&b;c&#x110000;&#;&"), "a&b;c&#x110000;&#;&");
    }

    const OBJECT: &str =
        "clicks/year=2026/month=11/day=26/hour=10/00000-00000000000000000000.parquet";

    /// A store that answers every listing with these keys below `lake/`, or with their folders.
    async fn listing(keys: &'static [&'static str]) -> Lake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut heard = vec![0; 64 << 10];
                let length = stream.read(&mut heard).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&heard[..length]).into_owned();
                let body = answer(&head, keys);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let s3 = S3 {
            endpoint: format!("http://{address}"),
            access_key: "who".into(),
            secret_key: "what".into(),
            ..S3::at("s3://shop/lake")
        };
        Lake::open(&s3).unwrap()
    }

    /// What S3 answers to a request for a list.
    fn answer(head: &str, keys: &[&str]) -> String {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
            pair.unwrap_or_default()
                .replace("%2F", "/")
                .replace("%3D", "=")
        };
        let (prefix, deep) = (value("prefix="), value("delimiter=").is_empty());
        let mut body = format!("<ListBucketResult><Prefix>{prefix}</Prefix>");
        for key in keys.iter().map(|key| format!("lake/{key}")) {
            let Some(rest) = key.strip_prefix(&prefix) else {
                continue;
            };
            let key = escaped(&key).replace('\n', "&#xA;");
            match rest.split_once('/') {
                Some((folder, _)) if !deep => body.push_str(&format!(
                    "<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>"
                )),
                _ => body.push_str(&format!(
                    "<Contents><Key>{key}</Key><Size>5</Size>\
                     <LastModified>2026-11-26T10:00:00.000Z</LastModified></Contents>"
                )),
            }
        }
        body + "</ListBucketResult>"
    }

    #[tokio::test]
    async fn attack_10_no_key_of_others_ends_a_listing_of_a_bucket() {
        let lake = listing(&[
            OBJECT,
            "clicks/",
            "clicks//x.parquet",
            "clicks/../x",
            "clicks/year=2026/./x",
            "clicks/year=2026/month=11/day=26/hour=10/",
            "clicks/year=2026/month=11/day=26/hour=10/two\nlines",
            "clicks/year=2026/month=11/day=26/hour=10/a & <b>",
            // These are not the object of that name, which is not there.
            "clicks/year=2026/month=11/day=26/hour=10/00000-00000000000000000007.parquet/",
            "clicks/year=2026/month=11/day=26/hour=10/00000-00000000000000000008.parquet ",
            "clicks/year=2026/month=11/day=26/hour=10/00000-00000000000000000009.parquet/x",
        ])
        .await;
        let files = lake.files(None).await.unwrap();
        assert_eq!(files.len(), 11, "{files:?}");
        let named = |name: &str| files.iter().any(|(path, _)| path == name);
        assert!(named("clicks/(no name)/x.parquet"), "{files:?}");
        assert!(
            named("clicks/year=2026/month=11/day=26/hour=10/a & <b>"),
            "{files:?}"
        );
        let hours = lake.hours().await.unwrap();
        assert_eq!(hours.len(), 1, "{hours:?}");
        let hour = Hour::parse("year=2026/month=11/day=26/hour=10").unwrap();
        let objects = lake.objects(hour).await.unwrap();
        let names: Vec<String> = objects.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, [OBJECT]);
    }
}
