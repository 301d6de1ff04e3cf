//! Layouts and encodings, and mappings that do not fit.

use super::*;

async fn clicks(name: &str, bytes: &[u8], map: Option<&str>) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    let format = match name {
        "csv" => ImportFormat::Csv,
        _ => ImportFormat::Ndjson,
    };
    let topic = FakeWriter::new();
    let job = import(&file, format, map, &folder.path().join("state"));
    let report = imported(job, &topic).await;
    if report.is_err() {
        assert!(topic.drafts().is_empty(), "what is refused sends nothing");
    }
    report
        .map(|_| clicks_of(&topic))
        .map_err(|error| error.to_string())
}

fn utf_16(text: &str) -> Vec<u8> {
    let text = format!("\u{feff}{text}");
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn b96_marks_and_encodings() {
    let lines = "{\"p\":\"é\"}\n{\"p\":\"b\"}\n";
    let expect = [r#"{"p":"é"}"#, r#"{"p":"b"}"#];
    let marked = format!("\u{feff}{lines}");
    for bytes in [lines.into(), marked.into_bytes(), utf_16(lines)] {
        assert_eq!(clicks("ndjson", &bytes, None).await.unwrap(), expect);
    }
    let map = "unmapped = \"drop\"\n[columns.product_id]\nfrom = \"p\"";
    let expect = [r#"{"product_id":"é"}"#];
    let csv = "\"p\",v\né,1\n";
    let marked = format!("\u{feff}{csv}");
    for bytes in [csv.into(), marked.into_bytes(), utf_16(csv)] {
        assert_eq!(clicks("csv", &bytes, Some(map)).await.unwrap(), expect);
    }
    let latin = b"p;v\r\n\xe9;1\r\n";
    let map = format!("delimiter = \";\"\nencoding = \"iso-8859-1\"\n{map}");
    assert_eq!(clicks("csv", latin, Some(&map)).await.unwrap(), expect);
}

#[tokio::test]
async fn b104_an_array_is_its_objects() {
    let expect = [r#"{"p":1}"#, r#"{"p":2}"#];
    let check = async |text: &str| {
        let clicks = clicks("ndjson", text.as_bytes(), None).await.unwrap();
        let compact: Vec<String> = clicks
            .iter()
            .map(|click| click.replace([' ', '\n'], ""))
            .collect();
        assert_eq!(compact, expect, "{text}");
    };
    check("[\n  {\n    \"p\": 1\n  },\n  {\n    \"p\": 2\n  }\n]\n").await;
    check("[{\"p\":1},{\"p\":2}]").await;
    check("{\n\"p\":1}\n{\n\"p\":2}").await;
    check("\u{feff}[{\"p\":1}\n,{\"p\":2}\n]").await;
    let map = Some("[columns.product_id]\nfrom = \"p\"");
    let mapped = clicks("ndjson", b"[{\"p\":1},7]", map).await.unwrap();
    assert_eq!(mapped, [r#"{"product_id":"1"}"#, "\"7\""]);
}

#[tokio::test]
async fn an_array_is_imported_once_and_its_items_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clicks.json");
    let objects: Vec<String> = (0..20_000).map(|n| format!("{{\"p\":{n}}}")).collect();
    std::fs::write(&file, format!("[{},nope]", objects.join(","))).unwrap();
    let topic = FakeWriter::new();
    let job = import(&file, ImportFormat::Ndjson, None, folder.path());
    let report = imported(job.clone(), &topic).await.unwrap();
    assert!(report.has_items);
    assert_eq!((report.sent, report.rejected), (20_001, 1));
    assert_eq!(report.letters.reasons[0].first[0], (20_001, "nope".into()));
    let again = imported(job, &topic).await.unwrap();
    assert_eq!((again.lines, again.sent), (20_001, 0));
}

#[tokio::test]
async fn b100_a_column_that_is_not_there_is_refused_before_anything_is_sent() {
    let map = "[columns.product_id]\nfrom = \"product\"\n[columns.visitor_id]\nconstant = \"v\"";
    let lines = b"{\"sku\":\"j1\",\"ts\":\"2026-11-20T10:00:00Z\"}\n";
    let refused = clicks("ndjson", lines, Some(map)).await.unwrap_err();
    assert!(
        refused.contains("the column \"product\"; the beginning of the file has sku, ts"),
        "{refused}"
    );
    let array = b"[{\"sku\":\"j1\"}]";
    assert!(clicks("ndjson", array, Some(map)).await.is_err());
    let refused = clicks("csv", b"sku;ts\na;b\n", Some(map))
        .await
        .unwrap_err();
    assert!(refused.contains("delimiter = \";\""), "{refused}");
    let refused = clicks("csv", b"product,product\na,b\n", Some(map)).await;
    assert!(refused.unwrap_err().contains("several of that name"));
    let when = "[columns.action]\nconstant = \"buy\"\nwhen = [{ column = \"kind\", equals = \"x\", then = \"y\" }]";
    assert!(clicks("ndjson", lines, Some(when)).await.is_err());

    // A column that only some lines have is there; one that none has may be optional.
    let sparse = b"{\"sku\":\"j1\"}\n{\"product\":\"tea\"}\n";
    assert_eq!(clicks("ndjson", sparse, Some(map)).await.unwrap().len(), 2);
    let optional = map.replace("\"product\"", "\"product\"\noptional = true");
    assert_eq!(
        clicks("ndjson", lines, Some(&optional))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        clicks("csv", b"sku\na\n", Some(&optional))
            .await
            .unwrap()
            .len(),
        1
    );
    // What is no object says nothing about columns.
    assert_eq!(
        clicks("ndjson", b"nope\n", Some(map)).await.unwrap().len(),
        1
    );
    assert_eq!(clicks("ndjson", b"", Some(map)).await.unwrap().len(), 0);
    assert_eq!(clicks("csv", b"", Some(map)).await.unwrap().len(), 0);
}

#[tokio::test]
async fn attack_17_a_pipe_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let topic = FakeWriter::new();
    let check = async |path: &Path, expect: &str| {
        let job = import(path, ImportFormat::Ndjson, None, folder.path());
        let refused = imported(job, &topic).await.unwrap_err().to_string();
        assert!(refused.contains(expect), "{refused}");
    };
    check(folder.path(), "it is a folder").await;
    check(Path::new("/dev/null"), "neither a file nor a pipe").await;
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    check(&pipe, "it is a pipe").await;
}

#[tokio::test]
async fn input_26_no_secret_of_an_imported_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clicks.csv");
    let lines = [
        "v,p,page,count",
        "ada,tea,https://ada:SECRET@shop.example/?password=SECRET&a=1,1",
        "bob,mug,/a?b=1,2",
        "torn //ada:SECRET@shop.example/",
        "cy,tea,?access_token=SECRET,?access_token=SECRET",
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let map = format!("{MAP}\n[columns.price]\nfrom = \"count\"\ntype = \"number\"");
    let state = folder.path().join("state");
    let job = import(&file, ImportFormat::Csv, Some(&map), &state);
    let topic = FakeWriter::new();
    let report = imported(job, &topic).await.unwrap();
    let expect = [
        r#"{"price":1,"product_id":"tea","visitor_id":"ada","properties":{"page":"https://shop.example/?a=1"}}"#,
        r#"{"price":2,"product_id":"mug","visitor_id":"bob","properties":{"page":"/a?b=1"}}"#,
        r#""torn //shop.example/""#,
        r#"{"price":"not a number: ","product_id":"tea","visitor_id":"cy","properties":{"page":""}}"#,
    ];
    assert_eq!(clicks_of(&topic), expect);
    let values = topic.envelopes();
    let redacted = values
        .iter()
        .map(|value| Envelope::decode(value.as_bytes()).unwrap().redacted);
    assert_eq!(redacted.collect::<Vec<_>>(), [true, false, true, true]);
    let said = format!("{report:?}{values:?}");
    assert!(!said.contains("SECRET"), "{said}");
}
