//! A program that reads the edge's OpenAPI document sends what it allows, and what it does not.

use std::process::Command;

use tests::clickweir::Place;
use tests::real;

/// How many requests are made up for each method of a path; `CLICKWEIR_EXAMPLES` is another number.
const EXAMPLES: &str = "20";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,unsupported_method";

#[tokio::test]
async fn the_edge_answers_what_its_openapi_document_says_and_never_fails() {
    let Some(root) = real::fetched("openapi", "schemathesis") else {
        return;
    };
    let place = Place::new().unwrap().with("PRODUCER__SHOP", "false");
    let up = place.up(&[]).unwrap();
    let examples = real::env("CLICKWEIR_EXAMPLES").unwrap_or_else(|| EXAMPLES.to_owned());
    let asked = Command::new("timeout")
        .arg("600")
        .arg(root.join("vendor/openapi/bin/schemathesis"))
        .args(["run", &format!("{}/openapi.json", up.shop)])
        .args(["--checks", CHECKS, "--max-examples", &examples])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--generation-deterministic", "--no-color"])
        .current_dir(place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(asked.status.success(), "{said}");
    assert!(
        said.contains("Tested: 15"),
        "every method of every path: {said}"
    );
}
