//! Commands of a shell beside a running process.

use std::process::Stdio;
use std::time::Duration;

use tests::clickweir::Place;
use tokio::time::Instant;

/// How long a command may take to say that the owner does not answer, its own start included.
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_command_beside_a_frozen_owner_says_so_within_5_seconds() {
    let place = Place::new().unwrap();
    let up = place.up(&[]).unwrap();
    place.must(&["topic"]).unwrap();
    up.process.signal("STOP").unwrap();
    let begun = Instant::now();
    let command = place
        .command(&["topic"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let refused = tokio::task::spawn_blocking(|| command.wait_with_output().unwrap());
    let refused = tokio::time::timeout(3 * LIMIT, refused).await;
    let took = begun.elapsed();
    up.process.signal("CONT").unwrap();
    let refused = refused.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let owner = format!("process {} owns the files", up.process.id());
    assert!(said.contains(&owner), "{said}");
    assert!(said.contains("kill -CONT"), "{said}");
    assert!(took < LIMIT, "{took:?}: {said}");
    // It continues, and the command with it.
    place.must(&["topic"]).unwrap();
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn without_producer_shop_there_is_no_shop_and_no_visitor() {
    let place = Place::new().unwrap().with("PRODUCER__SHOP", "false");
    let refused = place.run(&["up", "--visitors", "1", "--once"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("--set producer.shop=true"), "{said}");
    let up = place.up(&[]).unwrap();
    let page = reqwest::get(format!("{}/", up.shop)).await.unwrap();
    assert_eq!(page.status(), 404);
    assert!(up.process.end().unwrap());
}

#[tokio::test]
async fn help_tells_exit_codes_and_the_environment_names_the_configuration() {
    let place = Place::new().unwrap();
    let help = place.must(&["--help"]).unwrap();
    for part in ["Exit codes:", "CLICKWEIR_CONFIG", "Examples:"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    std::fs::write(place.path().join("own.toml"), "[sink]\nmax_rows = 7\n").unwrap();
    let mut command = place.command(&["config", "show"]);
    let shown = command
        .env("CLICKWEIR_CONFIG", "own.toml")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("sink.max_rows = 7  # file"), "{shown}");
    let wrong = place.run(&["audit", "--nonsense"]).unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn the_log_names_its_stages_as_text_and_as_json() {
    for format in ["text", "json"] {
        let place = Place::new().unwrap().with("LOG__FORMAT", format);
        let log = place.path().join("log");
        let mut command = place.command(&["producer"]);
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut edge = tests::clickweir::Process::spawn(&mut command).unwrap();
        edge.line_after("edge on ").unwrap();
        assert!(edge.end().unwrap());
        let log = std::fs::read_to_string(log).unwrap();
        for said in ["the edge started", "the edge stopped"] {
            let line = log.lines().find(|line| line.contains(said));
            let line = line.unwrap_or_else(|| panic!("{said} in {log}"));
            assert!(line.contains("compose::role"), "{line}");
            if format == "json" {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(
                    (&line["level"], &line["message"]),
                    (&"INFO".into(), &said.into())
                );
            }
        }
    }
}
