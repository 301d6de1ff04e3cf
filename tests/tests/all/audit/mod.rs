//! Faults planted in a real lake, one at a time: the audit must find each and name the object.

mod craft;
mod odd;
mod plant;
mod scene;

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::time::Instant;

use self::craft::Fate;
use self::plant::KINDS;
use self::scene::{Scene, named};

/// How many faults of each kind.
const EACH: usize = 10;
const SEED: u64 = 28;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_28_a_hundred_planted_faults_of_ten_kinds_are_found_and_named() {
    let begun = Instant::now();
    let scene = Scene::new().await;
    let (audit, deep) = scene.audit().await;
    assert!(audit.clean() && deep.clean(), "{audit:?} {deep:?}");
    assert!(
        audit.dead_letters > 50 && audit.duplicates > 200,
        "{audit:?}"
    );
    assert_eq!(deep.records, audit.acknowledged);
    assert_eq!(deep.unproven, 0);

    let mut choice = StdRng::seed_from_u64(SEED);
    let (mut found, mut told) = (BTreeMap::new(), BTreeMap::new());
    let mut innocent = 0;
    for (kind, number) in KINDS
        .iter()
        .flat_map(|kind| (0..EACH).map(move |n| (*kind, n)))
    {
        let planted = scene.plant(kind, number, &mut choice).await;
        let (audit, deep) = scene.audit().await;
        let (by_audit, by_deep) = named(&audit, &deep);
        let what = format!("{kind:?} {number}: {}: {}", planted.object, planted.how);
        assert!(!audit.clean(), "{what}");
        assert!(
            by_audit.contains(&planted.object),
            "{what}: {:#?}",
            audit.findings
        );
        for finding in audit.findings.iter().chain(&deep.findings) {
            assert!(!finding.mend.is_empty(), "{finding}");
        }
        *found.entry(kind).or_insert(0) += 1;
        innocent += by_audit.len() - 1;
        // The deep audit alone finds every fault of the records.
        assert!(!kind.is_the_lakes() || !deep.clean(), "{what}");
        *told.entry(kind).or_insert(0) += usize::from(by_deep.contains(&planted.object));
        scene.mend();
    }
    let total: usize = found.values().sum();
    println!(
        "planted {} faults in {} objects, audit found and named {total} (seed {SEED}, {} s)",
        KINDS.len() * EACH,
        scene.objects.len(),
        begun.elapsed().as_secs()
    );
    println!(
        "by kind: {found:?}; other objects named along: {innocent}; named by the topic's records alone: {told:?}"
    );
    assert_eq!(total, 100);
    let (audit, deep) = scene.audit().await;
    assert!(audit.clean() && deep.clean(), "{audit:?} {deep:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deep_audit_finds_what_no_arithmetic_can() {
    let scene = Scene::new().await;
    let (name, contents) = &scene.objects[1];
    let other = |text: &str| text.replace("\"id\":\"click-", "\"id\":\"clack-");
    let worse = |text: &str| text.replace("many", "more");
    // The fate of the record to change, the change, and the expected finding.
    type Change<'a> = (Fate, &'a dyn Fn(&str) -> String, &'a str);
    let changes: [Change<'_>; 2] = [
        (Fate::Row, &other, "a row, but its record has another id"),
        (
            Fate::Letter,
            &worse,
            "a dead letter, but its record holds other bytes",
        ),
    ];
    for (fate, change, said) in changes {
        let mut records = scene.records(name, contents).await;
        let changed = records.iter_mut().find_map(|(record, its)| {
            let value = String::from_utf8(record.value.clone()?.to_vec()).ok()?;
            let new = change(&value);
            (*its == fate && new != value).then(|| {
                record.value = Some(new.into());
                record.offset
            })
        });
        scene
            .craft(*name, scene.topic.identity(), contents, &records)
            .await;
        scene.forget_catalog();
        let (audit, deep) = scene.audit().await;
        assert!(audit.clean(), "{audit:?}");
        let finding = &deep.findings[0];
        assert_eq!(finding.object, Some(name.to_string()));
        assert_eq!(
            finding.offsets.map(|(first, _)| first),
            changed,
            "{finding}"
        );
        assert!(finding.what.contains(said), "{finding}");
        assert_eq!(
            (deep.strangers, deep.missing, deep.findings.len()),
            (1, 0, 1)
        );
        scene.mend();
    }
    // A duplicate that is declared no record, and a row that became one.
    let file = scene.file(&name.to_string());
    let mut bytes = std::fs::read(&file).unwrap();
    assert!(craft::edit(
        &mut bytes,
        &[("duplicates", -1), ("absent", 1)]
    ));
    std::fs::write(&file, bytes).unwrap();
    scene.forget_catalog();
    let (audit, deep) = scene.audit().await;
    assert!(audit.clean() && !deep.clean(), "{audit:?} {deep:?}");
    assert!(
        deep.findings[0].what.contains("its footer counts"),
        "{deep:?}"
    );
    scene.mend();
    let mut records = scene.records(name, contents).await;
    let (record, its) = records
        .iter_mut()
        .find(|(_, its)| *its == Fate::Row)
        .unwrap();
    *its = Fate::Neither;
    let lost = record.offset;
    scene
        .craft(*name, scene.topic.identity(), contents, &records)
        .await;
    scene.forget_catalog();
    let (audit, deep) = scene.audit().await;
    assert!(audit.clean(), "{audit:?}");
    assert_eq!((deep.missing, deep.strangers), (1, 0), "{deep:?}");
    assert_eq!(deep.findings[0].offsets.map(|(first, _)| first), Some(lost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_audits_say_the_same_beside_a_running_up_and_without_it() {
    let scene = Scene::new().await;
    let (missing, flipped) = (
        scene.objects[0].0.to_string(),
        scene.objects[1].0.to_string(),
    );
    std::fs::remove_file(scene.file(&missing)).unwrap();
    let mut bytes = std::fs::read(scene.file(&flipped)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(scene.file(&flipped), bytes).unwrap();
    let Scene { place, topic, .. } = scene;
    drop(topic);
    let findings = || {
        let output = place.run(&["audit", "--deep", "--json"]).unwrap();
        assert_eq!(output.status.code(), Some(1));
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(verdict["seconds"].as_f64() > Some(0.0), "{verdict}");
        assert!(verdict["deep"]["seconds"].as_f64() > Some(0.0), "{verdict}");
        (
            verdict["findings"].clone(),
            verdict["deep"]["findings"].clone(),
        )
    };
    let alone = findings();
    let said = place.run(&["audit", "--deep"]).unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    for part in [
        &missing,
        &flipped,
        "to mend it",
        "clickweir repair",
        "NOT clean",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let up = place.up(&[]).unwrap();
    assert_eq!(findings(), alone);
    assert!(up.process.end().unwrap());
}
