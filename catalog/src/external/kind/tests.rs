use super::Kind;
use super::probe::Probes;

#[test]
fn a_type_is_read_as_it_is_written() {
    for text in [
        "BIGINT",
        "DECIMAL(9,2)[]",
        "TIMESTAMP WITH TIME ZONE",
        r#"STRUCT("a b" INTEGER, "A""x" STRUCT("q" UBIGINT)[][])"#,
        "MAP(VARCHAR, MAP(VARCHAR, DECIMAL(30,2)))",
    ] {
        assert_eq!(Kind::parse(text).to_string(), text);
    }
    let bare = Kind::parse("STRUCT(a INTEGER, b VARCHAR)");
    assert_eq!(bare.to_string(), r#"STRUCT("a" INTEGER, "b" VARCHAR)"#);
    assert_eq!(Kind::parse("STRUCT(a"), Kind::scalar("STRUCT(a"));
}

#[test]
fn the_wider_type_holds_both_or_there_is_none() {
    let check = |one: &str, two: &str, expect: Option<&str>| {
        for (one, two) in [(one, two), (two, one)] {
            let wide = Kind::parse(one).with(&Kind::parse(two));
            assert_eq!(
                wide.map(|kind| kind.to_string()).as_deref(),
                expect,
                "{one} {two}"
            );
        }
    };
    check("INTEGER", "BIGINT", Some("BIGINT"));
    check("UINTEGER", "INTEGER", Some("BIGINT"));
    check("UTINYINT", "USMALLINT", Some("USMALLINT"));
    check("UBIGINT", "TINYINT", Some("HUGEINT"));
    check("FLOAT", "DOUBLE", Some("DOUBLE"));
    check("FLOAT", "INTEGER", Some("DOUBLE"));
    check("BIGINT", "DOUBLE", Some("DOUBLE"));
    check("DECIMAL(9,2)", "DECIMAL(7,4)", Some("DECIMAL(11,4)"));
    check("DECIMAL(9,2)", "INTEGER", Some("DECIMAL(12,2)"));
    check("DECIMAL(38,2)", "DECIMAL(38,10)", None);
    check("DECIMAL(9,2)", "DOUBLE", Some("DOUBLE"));
    check("DATE", "TIMESTAMP", Some("TIMESTAMP"));
    check("TIMESTAMP", "TIMESTAMP_NS", Some("TIMESTAMP"));
    check(
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
        Some("TIMESTAMP WITH TIME ZONE"),
    );
    check("UUID", "VARCHAR", Some("VARCHAR"));
    check("VARCHAR", "INTEGER", None);
    check("BLOB", "VARCHAR", Some("VARCHAR"));
    check("BLOB", "UUID", None);
    check("BLOB[]", "VARCHAR[]", None);
    check("STRUCT(a BLOB)", "STRUCT(a VARCHAR)", None);
    check("BOOLEAN", "INTEGER", None);
    check("DATE", "VARCHAR", None);
    check("INTEGER[]", "BIGINT[]", Some("BIGINT[]"));
    check("INTEGER[]", "INTEGER", None);
    check(
        "MAP(VARCHAR, INTEGER)",
        "MAP(VARCHAR, DOUBLE)",
        Some("MAP(VARCHAR, DOUBLE)"),
    );
    check("STRUCT(a INTEGER)", "STRUCT(a VARCHAR)", None);
    let one = Kind::parse("STRUCT(a INTEGER)");
    let grown = one
        .with(&Kind::parse("STRUCT(A BIGINT, b VARCHAR)"))
        .unwrap();
    assert_eq!(grown.to_string(), r#"STRUCT("a" BIGINT, "b" VARCHAR)"#);
}

#[test]
fn what_a_double_cannot_hold_contradicts_it() {
    let large = Kind::Scalar {
        name: "BIGINT".into(),
        exact: false,
    };
    let double = Kind::scalar("DOUBLE");
    assert_eq!(large.with(&double), None);
    // It is known of the wider type, too.
    let both = Kind::scalar("BIGINT").with(&large).unwrap();
    assert_eq!(both.with(&double), None);
    assert_eq!(Kind::scalar("INTEGER").with(&large), Some(large));
}

#[test]
fn a_column_without_values_fits_any_type() {
    let empty = |text: &str| Kind::Empty(Box::new(Kind::parse(text)));
    let text = Kind::scalar("VARCHAR");
    assert_eq!(empty("INTEGER").with(&text), Some(text.clone()));
    assert_eq!(text.with(&empty("INTEGER[]")), Some(text));
    assert_eq!(
        empty("INTEGER").with(&empty("VARCHAR")),
        Some(empty("INTEGER"))
    );
    let list = Kind::List(Box::new(empty("INTEGER")));
    let texts = Kind::parse("VARCHAR[]");
    assert_eq!(list.with(&texts), Some(texts));
}

#[test]
fn a_file_is_asked_for_values_that_are_nested_in_others() {
    let kind = Kind::parse("STRUCT(a BIGINT, l STRUCT(x INTEGER)[])");
    let mut probes = Probes::default();
    probes.ask("c", &kind);
    let asked: Vec<String> = probes.select().collect();
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(asked[2].contains("9007199254740992"), "{asked:?}");
    assert!(
        asked[5].contains("lambda item_0: struct_extract(item_0, 'x') IS NOT NULL"),
        "{asked:?}"
    );
    let mut answers = [true, true, true, true, true, false].into_iter();
    let told = Probes::told(&kind, &mut answers);
    let Kind::Struct(fields) = &told else {
        panic!("{told:?}")
    };
    let large = Kind::Scalar {
        name: "BIGINT".into(),
        exact: false,
    };
    assert_eq!(fields[0].1, large);
    let Kind::List(item) = &fields[1].1 else {
        panic!("{told:?}")
    };
    let Kind::Struct(fields) = &**item else {
        panic!("{told:?}")
    };
    assert_eq!(fields[0].1, Kind::Empty(Box::new(Kind::scalar("INTEGER"))));
    assert_eq!(told.declared(), kind);
}
