//! Files of places, whole ones and damaged ones.

use std::path::PathBuf;

use maxminddb::Metadata;

use super::*;

/// A file of the shared data, which is beside the workspace or where `CLICKWEIR_DATA` says; `None` if it is
/// absent.
fn data(name: &str) -> Option<Vec<u8>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test finds its data by CLICKWEIR_DATA"
    )]
    let root = std::env::var("CLICKWEIR_DATA").map_or(beside, PathBuf::from);
    let content = std::fs::read(root.join(name)).ok();
    if content.is_none() {
        #[expect(clippy::print_stderr, reason = "a test says what it skips")]
        {
            eprintln!("{name} does not exist: skipped");
        }
    }
    content
}

const CITY: &str = "geoip/GeoLite2-City-Test.mmdb";
const COUNTRY: &str = "geoip/GeoLite2-Country-Test.mmdb";

/// Looks each address up, and compares country, region and city.
#[track_caller]
fn check(name: &str, version: &str, cases: &[(&str, [&str; 3])]) {
    let Some(bytes) = data(name) else { return };
    let file = PlaceFile::open(bytes, name).unwrap();
    assert_eq!(file.version(), version);
    for (ip, expect) in cases {
        let place = file.of(ip);
        let found = [&place.country, &place.region, &place.city];
        let found = found.map(|part| part.as_deref().unwrap_or_default());
        assert_eq!(found, *expect, "{ip}");
    }
}

#[test]
fn a_file_of_cities_says_country_region_and_city() {
    let cases = [
        ("2.125.160.216", ["GB", "ENG", "Boxford"]),
        ("81.2.69.142", ["GB", "ENG", "London"]),
        ("81.2.69.160", ["GB", "ENG", "London"]),
        ("::ffff:81.2.69.160", ["GB", "ENG", "London"]),
        ("89.160.20.112", ["SE", "E", "Linköping"]),
        ("175.16.199.0", ["CN", "22", "Changchun"]),
        ("216.160.83.56", ["US", "WA", "Milton"]),
        ("214.78.0.0", ["US", "CA", "San Diego"]),
        ("2001:480:10::", ["US", "CA", "San Diego"]),
        ("67.43.156.0", ["BT", "", ""]),
        ("202.196.224.7", ["PH", "", ""]),
        ("2001:218::", ["JP", "", ""]),
        ("2a02:ffc0:0:1::9", ["GI", "", ""]),
        // The file has these networks without a country, or does not have them.
        ("2a02:d500::1", [""; 3]),
        ("10.0.0.0", [""; 3]),
        ("::", [""; 3]),
        // These are not addresses.
        ("", [""; 3]),
        ("unknown", [""; 3]),
        ("81.2.69.160:80", [""; 3]),
        ("81.2.69.160, 89.160.20.112", [""; 3]),
        ("[2001:218::]", [""; 3]),
    ];
    check(CITY, "GeoLite2-City 2026-02-04 f936702b", &cases);
}

#[test]
fn a_file_of_countries_says_the_country() {
    let cases = [
        ("2.125.160.216", ["GB", "", ""]),
        ("50.114.0.0", ["US", "", ""]),
        ("111.235.160.0", ["CN", "", ""]),
        ("217.65.48.1", ["GI", "", ""]),
        ("2a02:ff40::", ["IM", "", ""]),
        ("2a02:d500::", [""; 3]),
    ];
    check(COUNTRY, "GeoLite2-Country 2026-02-04 6996ce67", &cases);
}

#[test]
fn fault_46_a_file_that_is_damaged_or_of_another_kind_is_refused() {
    let Some(asn) = data("geoip/GeoLite2-ASN-Test.mmdb") else {
        return;
    };
    let error = PlaceFile::open(asn, "asn.mmdb").unwrap_err().to_string();
    assert!(error.contains("its type is `GeoLite2-ASN`, and its networks have no countries"));
    for name in [
        "GeoIP2-City-Test-Invalid-Node-Count",
        "bad-unicode-in-map-key",
        "invalid-data-record-offset",
        "invalid-map-key-length",
        "libmaxminddb-deep-nesting",
        "libmaxminddb-empty-map-last-in-metadata",
        "libmaxminddb-oversized-array",
        "libmaxminddb-separator-record-max-left",
        "metadata-is-an-uint128",
    ] {
        let bytes = data(&format!("badinput/bad_mmdb/{name}.mmdb")).unwrap();
        let error = PlaceFile::open(bytes, name).unwrap_err().to_string();
        let expect = format!("{name} is no file of places that we can read: ");
        assert!(error.starts_with(&expect), "{error}");
    }
}

#[test]
fn fault_46_a_file_that_is_cut_or_has_flipped_bits_harms_nobody() {
    let Some(whole) = data(CITY) else { return };
    for part in 0..50 {
        let cut = whole[..whole.len() * part / 50].to_vec();
        assert!(PlaceFile::open(cut, "cut").is_err(), "{part}/50");
    }
    for place in (0..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[place] ^= 0xff;
        // A flip within a number or a name leaves a file that can be read.
        if let Ok(file) = PlaceFile::open(flipped, "flipped") {
            for ip in ["81.2.69.160", "2001:480:10::", "67.43.156.0"] {
                file.of(ip);
            }
        }
    }
}

/// A file with a search tree of these nodes, and with a record that says DE; undescribed.
fn made(ip_version: u16, nodes: &[[u32; 2]]) -> Vec<u8> {
    let metadata = Metadata {
        binary_format_major_version: 2,
        binary_format_minor_version: 0,
        build_epoch: 0,
        database_type: String::new(),
        description: Default::default(),
        ip_version,
        languages: Vec::new(),
        node_count: nodes.len() as u32,
        record_size: 32,
    };
    let records = nodes.as_flattened().iter();
    let mut bytes: Vec<u8> = records.flat_map(|record| record.to_be_bytes()).collect();
    bytes.extend([0; 16]);
    bytes.extend(b"\xe1\x4ccountry_code\x42DE");
    append_metadata(&mut bytes, &metadata, b"\xe0");
    bytes
}

#[test]
fn a_flat_file_without_a_description_says_the_country() {
    let file = PlaceFile::open(made(4, &[[1, 17]]), "flat").unwrap();
    assert!(file.version().starts_with("- 1970-01-01 "));
    assert_eq!(file.of("127.0.0.1"), PlaceOfAddress::default());
    assert_eq!(file.of("128.0.0.1").country.as_deref(), Some("DE"));
    assert_eq!(file.of("ffff::1"), PlaceOfAddress::default());
}

/// The crate's own verification of such a file would not end within a lifetime.
#[test]
fn fault_46_a_search_tree_whose_ways_double_at_each_node_is_refused() {
    let nodes: Vec<_> = (1..=97).map(|next| [next; 2]).collect();
    let error = PlaceFile::open(made(6, &nodes), "doubled").unwrap_err();
    assert!(error.to_string().contains("more networks"), "{error}");
}

/// Gives a file other metadata: a reader takes the last. The numbers are those of `metadata`, the
/// description is a map as the format encodes it.
fn append_metadata(bytes: &mut Vec<u8>, metadata: &Metadata, description: &[u8]) {
    let nodes = [&[0xc4], &metadata.node_count.to_be_bytes()[..]].concat();
    let [version, size] = [metadata.ip_version, metadata.record_size].map(|number| {
        let [high, low] = number.to_be_bytes();
        [0xa2, high, low]
    });
    let fields: [(&str, &[u8]); 9] = [
        ("binary_format_major_version", b"\xa1\x02"),
        ("binary_format_minor_version", b"\xa0"),
        ("build_epoch", b"\x00\x02"),
        ("database_type", b"\x41-"),
        ("description", description),
        ("ip_version", &version),
        ("languages", b"\x00\x04"),
        ("node_count", &nodes),
        ("record_size", &size),
    ];
    bytes.extend(b"\xab\xcd\xefMaxMind.com\xe9");
    for (key, value) in fields {
        // The upper bits say that it is a text, the lower ones how long it is.
        bytes.push(0x40 | key.len() as u8);
        bytes.extend(key.bytes().chain(value.iter().copied()));
    }
}
