//! The notebook beside a running service draws what SQL counts, on a folder and on S3.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests::clickweir::{Place, Up};
use tests::real;
use tests::s3::{self, S3Server};

/// Prints the figure's lines, after the notebook has drawn it.
const DRAWN: &str = "import json
print(json.dumps({line.get_label(): [int(y) for y in line.get_ydata()] for line in axes.get_lines()}))";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The environment of catalog/notebook/requirements.txt, made if it is missing.
fn jupyter() -> Option<PathBuf> {
    let root = real::fetched("notebook", "notebook")?;
    Some(root.join("vendor/notebook/bin/jupyter"))
}

/// A cell's printed texts, and the types of its outputs.
fn outputs(cell: &Value) -> (String, Vec<String>) {
    let mut texts = String::new();
    let mut kinds = Vec::new();
    for output in cell["outputs"].as_array().into_iter().flatten() {
        let lines = output["text"].as_array().into_iter().flatten();
        texts.extend(lines.filter_map(Value::as_str));
        kinds.extend(
            output["data"]
                .as_object()
                .into_iter()
                .flat_map(|data| data.keys().cloned()),
        );
    }
    (texts, kinds)
}

/// Publishes, runs the notebook on the publication beside `up`, and compares.
fn draws_what_sql_counts(place: &Place, mut up: Up, jupyter: &Path, environment: &[(&str, &str)]) {
    up.process.line_after("clean: ").unwrap();
    let said = place.must(&["publish"]).unwrap();
    let published = said.trim().strip_prefix("published ").unwrap();
    let source = fs::read(root().join("catalog/notebook/clicks.ipynb")).unwrap();
    let mut notebook: Value = serde_json::from_slice(&source).unwrap();
    let drawn = json!({ "cell_type": "code", "id": "drawn", "metadata": {}, "outputs": [],
        "execution_count": null, "source": DRAWN });
    notebook["cells"].as_array_mut().unwrap().push(drawn);
    let file = place.path().join("clicks.ipynb");
    fs::write(&file, notebook.to_string()).unwrap();
    let executed = Command::new(jupyter)
        .args(["execute", "--inplace"])
        .arg(&file)
        .current_dir(place.path())
        .env("CLICKWEIR_PUBLISHED", published)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(
        executed.status.success(),
        "{}",
        String::from_utf8_lossy(&executed.stderr)
    );

    let executed: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let cells: Vec<_> = executed["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(outputs)
        .collect();
    let rows = place
        .ask("SELECT count(*) FROM clicks")
        .unwrap()
        .as_u64()
        .unwrap();
    assert!(
        rows > 0 && rows < 1_000,
        "the count below is written without a comma: {rows}"
    );
    assert!(
        cells
            .iter()
            .any(|(text, _)| text.starts_with(&format!("{rows} clicks"))),
        "{cells:?}"
    );
    assert!(
        cells
            .iter()
            .any(|(_, kinds)| kinds.contains(&"image/png".to_owned())),
        "a figure"
    );
    let drawn: Value = serde_json::from_str(&cells.last().unwrap().0).unwrap();
    let counts =
        "WITH hours AS (SELECT action, date_trunc('hour', occurred_at) AS hour, count(*) AS clicks
            FROM clicks GROUP BY ALL),
        actions AS (SELECT action, list(clicks ORDER BY hour) AS counts FROM hours GROUP BY action)
        SELECT json_group_object(action, counts)::VARCHAR FROM actions";
    let counts = place.ask(counts).unwrap();
    let counts: Value = serde_json::from_str(counts.as_str().unwrap()).unwrap();
    assert_eq!(drawn, counts, "what is drawn is what SQL counts");
    assert!(up.process.end().unwrap());
}

#[test]
fn the_notebook_draws_what_sql_counts_on_a_folder() {
    let Some(jupyter) = jupyter() else { return };
    let place = Place::new().unwrap();
    let up = place.up(&["--visitors", "8"]).unwrap();
    draws_what_sql_counts(&place, up, &jupyter, &[]);
}

#[tokio::test]
async fn the_notebook_draws_what_sql_counts_on_s3() {
    if let (Some(jupyter), Some(server)) = (jupyter(), s3::shared().await) {
        draws_from(server, &jupyter);
    }
}

#[tokio::test]
async fn the_notebook_draws_what_sql_counts_on_minio() {
    if let (Some(jupyter), Some(server)) = (jupyter(), s3::minio().await) {
        draws_from(server, &jupyter);
    }
}

fn draws_from(server: &S3Server, jupyter: &Path) {
    let lake = server.lake(&format!("notebook-{}", std::process::id()));
    let (access_key, secret_key) = server.keys();
    let place = Place::new().unwrap().with_lake(&lake);
    let up = place.up(&["--visitors", "8"]).unwrap();
    let environment = [
        ("CLICKWEIR_S3_ENDPOINT", lake.endpoint.as_str()),
        ("CLICKWEIR_S3_ACCESS_KEY", access_key),
        ("CLICKWEIR_S3_SECRET_KEY", secret_key),
    ];
    draws_what_sql_counts(&place, up, jupyter, &environment);
}
