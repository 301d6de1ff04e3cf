//! What is read, and what is refused.

use super::*;

#[test]
fn the_demo_shop_is_served_by_the_demo_only() {
    let shop = |file: Option<&Path>| {
        let settings = Settings::load(file, &[]).unwrap();
        settings.sections.producer.shop
    };
    assert!(!shop(None));
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/demo.toml");
    assert!(shop(Some(&demo)));
}

#[test]
fn a_wrong_value_is_refused_with_its_key_and_its_choices() {
    let check = |pair: &str, parts: &[&str]| {
        let error = Settings::load(None, &[pair.to_owned()]).unwrap_err();
        let said = format!("{error:#}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    };
    check("log.level=loud", &["log.level", "`error`", "`trace`"]);
    check("log.format=xml", &["log.format", "`text` or `json`"]);
    check(
        r#"producer.strip_query=["a=b"]"#,
        &["\"a=b\" is no name of"],
    );
    check("shutdown.deadline=soon", &["shutdown.deadline"]);
    check("shutdown.dedline=1s", &["shutdown", "dedline"]);
    check("nonsense", &["write SECTION.KEY=VALUE"]);
    check(
        "topic.partitions=1000000000",
        &["topic.partitions", "write 1 to"],
    );
}

#[test]
fn every_key_of_the_defaults_has_a_reason() {
    let mut mute = Vec::new();
    for line in DEFAULTS.lines() {
        let is_key = line.contains(" = ") && !line.starts_with('#');
        if is_key && !line.contains("  # ") {
            mute.push(line);
        }
    }
    assert!(mute.is_empty(), "{mute:?}");
}

#[test]
fn attack_17_what_cannot_be_read_is_said_without_rust() {
    let check = |pairs: &[&str], expect: &str| {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        let said = format!("{:#}", Settings::load(None, &pairs).unwrap_err());
        for rust in ["figment", ".rs", "::", "usize", "default."] {
            assert!(!said.contains(rust), "{said}");
        }
        let end = "; `clickweir config show` lists every key";
        assert_eq!(said, format!("{expect}{end}"));
    };
    check(
        &["producer.workers=many"],
        "configuration producer.workers in --set: \"many\" is not a whole number",
    );
    check(
        &["producer.shop=perhaps"],
        "configuration producer.shop in --set: \"perhaps\" is not true or false",
    );
    check(
        &["sink.max_age=soon"],
        "configuration sink.max_age in --set: \"soon\" is not a duration such as 5s",
    );
    check(
        &["shutdown.dedline=1s"],
        "configuration shutdown.dedline in --set: there is no key `dedline`, but `deadline`",
    );
    check(
        &["log.format=xml"],
        "configuration log.format in --set: `xml` is not `text` or `json`",
    );
    check(
        &["lake.secret_key=[1,2]"],
        "configuration lake.secret_key in --set: the value is not a string",
    );
    check(
        &["producer.listen=localhost"],
        "configuration producer.listen in --set: \"localhost\" is not an address with its port, such as 127.0.0.1:8080",
    );
    check(
        &["sink.max_bytes=5XB"],
        "configuration sink.max_bytes in --set: \"5XB\" is not a size such as 64MiB",
    );
}

#[test]
fn an_origin_that_no_browser_sends_is_refused() {
    let load = |origin: &str| {
        let pair = format!("producer.origins=[{origin:?}]");
        Settings::load(None, &[pair]).map(drop)
    };
    for origin in [
        "*",
        "null",
        "https://shop.example",
        "http://localhost:3000/",
        "app://x",
    ] {
        assert!(load(origin).is_ok(), "{origin}");
    }
    for origin in [
        "shop.example",
        "https://shop.example/page",
        "https://",
        "//shop",
        "",
    ] {
        let said = load(origin).unwrap_err().to_string();
        assert!(
            said.contains("write it as a browser sends it"),
            "{origin}: {said}"
        );
    }
}

#[test]
fn attack_17_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let said = |text: &str| {
        std::fs::write(&file, text).unwrap();
        format!("{:#}", Settings::load(Some(&file), &[]).unwrap_err())
    };
    let wrong = said("[catalog]\nthreads = \"all\"\n");
    let name = file.display();
    let expect = format!("configuration catalog.threads in {name}: \"all\" is not a whole");
    assert!(wrong.starts_with(&expect), "{wrong}");
    std::fs::write(&file, b"# \xff\n").unwrap();
    let latin = format!("{:#}", Settings::load(Some(&file), &[]).unwrap_err());
    assert!(
        latin.contains("own.toml: it is not UTF-8: save the file as UTF-8; "),
        "{latin}"
    );
    let is_folder = Settings::load(Some(folder.path()), &[]).unwrap_err();
    assert!(
        is_folder.to_string().contains("is a folder: "),
        "{is_folder}"
    );
    let broken = said("[catalog\n");
    assert!(
        broken.contains("own.toml") && broken.contains("line 1"),
        "{broken}"
    );
}

#[test]
fn attack_22_every_number_of_the_defaults_has_bounds_and_is_within() {
    let defaults: toml::Table = DEFAULTS.parse().unwrap();
    for (section, keys) in defaults {
        for (key, value) in keys.as_table().unwrap() {
            let name = format!("{section}.{key}");
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let bounds = bounds::BOUNDS.iter().find(|(known, _)| *known == name);
            let begins = text.starts_with(|first: char| first.is_ascii_digit());
            let is_number = begins && !text.contains("127.0.0.1");
            assert_eq!(bounds.is_some(), is_number, "{name} = {text}");
            assert!(
                bounds.is_none_or(|(_, bounds)| bounds.holds(&text)),
                "{name} = {text}"
            );
        }
    }
}

#[test]
fn attack_22_a_number_is_shown_as_it_is_set_wherever_that_is() {
    let set = [
        "sink.max_rows=7".to_owned(),
        "topic.partitions=3".to_owned(),
    ];
    let shown = Settings::load(None, &set).unwrap().sources();
    for line in ["sink.max_rows = 7  # flag", "topic.partitions = 3  # flag"] {
        assert!(shown.iter().any(|one| one == line), "{shown:?}");
    }
}

#[test]
fn attack_22_a_number_without_sense_is_refused_with_its_bounds() {
    let check = |pair: &str, expect: &str| {
        let said = format!(
            "{:#}",
            Settings::load(None, &[pair.to_owned()]).unwrap_err()
        );
        assert_eq!(said, format!("configuration {expect}"));
    };
    check(
        "topic.partitions=1000000000",
        "topic.partitions in --set: 1000000000 is out of bounds; write 1 to 1024",
    );
    check(
        "topic.partitions=0",
        "topic.partitions in --set: 0 is out of bounds; write 1 to 1024",
    );
    check(
        "producer.workers=0",
        "producer.workers in --set: 0 is out of bounds; write 1 to 1024",
    );
    check(
        "catalog.threads=0",
        "catalog.threads in --set: 0 is out of bounds; write 1 to 1024",
    );
    check(
        "catalog.query_rows=0",
        "catalog.query_rows in --set: 0 is out of bounds; write 1 to 1000000000",
    );
    check(
        "sink.max_age=0s",
        "sink.max_age in --set: \"0s\" is out of bounds; write 50ms to 1day",
    );
    check(
        "catalog.memory=1B",
        "catalog.memory in --set: \"1B\" is out of bounds; write 64MiB to 1PiB",
    );
    check(
        "sink.max_bytes=10000000000000000",
        "sink.max_bytes in --set: 10000000000000000 is out of bounds; write 64KiB to 1GiB",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    for (table, expect) in [
        (
            "[[external]]\nname = \"a\"\npath = \"a.csv\"\nevery = \"0s\"",
            "external \"a\": every is 0s",
        ),
        (
            "[[dataset]]\nname = \"b\"\nsql = \"FROM clicks\"\nevery = \"9000days\"",
            "dataset \"b\": every is ",
        ),
    ] {
        std::fs::write(&file, table).unwrap();
        let said = format!("{:#}", Settings::load(Some(&file), &[]).unwrap_err());
        assert!(said.starts_with(expect), "{said}");
        assert!(
            said.ends_with("out of bounds; write 1s to 365days"),
            "{said}"
        );
    }
}
