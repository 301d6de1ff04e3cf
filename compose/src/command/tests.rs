//! The protocol: what one end writes, the other end reads, and nothing else.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use topic::{Offset, Partition};

use super::audit::{AuditLake, AuditProgress};
use super::diff::DiffReplay;
use super::gap::{AcceptGap, AcceptedGap};
use super::import::ImportFile;
use super::job::JobState;
use super::promote::{PromoteReplay, PromotedRanges, RollbackReplay, RolledBack};
use super::publish::{PublishCatalog, PublishedCatalog};
use super::query::{QueryAnswer, RunQuery};
use super::replay::{ReplayProgress, ReplayRange, TopicRange};
use super::topic::{
    DescribeTopic, PartitionDescription, ReadTopic, TopicDescription, TopicRecords,
};
use super::verdict::{AuditVerdict, DeepAudit, ListedIds};
use super::work::{JobAnswer, JobRequest, Work};
use super::{Command, registry};
use crate::cli::RowFormat;
use crate::settings::FileFormat;
use crate::settings::Settings;

/// Checks that a value arrives as it was sent, and that every object of ours in it refuses a
/// field that it does not know.
fn travels<T: Serialize + DeserializeOwned + Debug>(value: &T) {
    let sent = serde_json::to_value(value).unwrap();
    let arrived: T = serde_json::from_value(sent.clone()).unwrap();
    assert_eq!(format!("{arrived:?}"), format!("{value:?}"));
    assert_eq!(serde_json::to_value(arrived).unwrap(), sent);
    let mut objects = 0;
    for place in objects_of(&sent, "") {
        let mut wrong = sent.clone();
        let object = wrong.pointer_mut(&place).unwrap().as_object_mut().unwrap();
        object.insert("surprise".to_owned(), json!(1));
        let refused = serde_json::from_value::<T>(wrong).map(|_| place.clone());
        assert!(refused.is_err(), "{place:?} of {sent} takes any field");
        objects += 1;
    }
    assert!(objects > 0, "{sent} is an object");
}

/// The pointers of all objects whose fields are names and not data.
fn objects_of(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let below = fields
                .iter()
                // A map by name or by partition takes any key.
                .filter(|(key, _)| !["replays", "ranges"].contains(&key.as_str()))
                .flat_map(|(key, value)| objects_of(value, &format!("{at}/{key}")));
            let below: Vec<String> = below.collect();
            std::iter::once(at.to_owned()).chain(below).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(number, item)| objects_of(item, &format!("{at}/{number}")))
            .collect(),
        _ => Vec::new(),
    }
}

/// The same for a command and its answer.
fn command<C: Command + Debug>(request: &C, answers: &[C::Answer])
where
    C::Answer: Debug,
{
    travels(request);
    answers.iter().for_each(travels);
}

/// The same for a job, whose answers are its states.
fn job<W: Work + Clone + Debug>(work: &W, progress: W::Progress, report: W::Report)
where
    W::Progress: Debug,
    W::Report: Debug,
{
    travels(&JobRequest::<W>::Poll { job: 7 });
    let states = [
        JobState::Running(progress),
        JobState::Done(report),
        JobState::Failed("the disk is full".to_owned()),
    ];
    let answers = states.map(|state| JobAnswer { job: 7, state });
    command(&JobRequest::Start(work.clone()), &answers);
}

#[test]
fn every_command_and_its_answer_arrive_as_they_were_sent() {
    let name = "second".to_owned();
    let answers = [
        r#"{"rows":{"table":{"header":["n"],"rows":[["1"],[null]]}},"truncated":true,"note":"n"}"#,
        r#"{"rows":{"json":{}},"truncated":false,"note":null}"#,
        r#"{"rows":{"csv":"n\r\n1\r\n"},"truncated":false,"note":null}"#,
    ];
    let sql = "FROM clicks".to_owned();
    for (format, answer) in [RowFormat::Table, RowFormat::Json, RowFormat::Csv]
        .into_iter()
        .zip(answers)
    {
        travels(&RunQuery {
            sql: sql.clone(),
            format,
        });
        let arrived: QueryAnswer = serde_json::from_str(answer).unwrap();
        let sent = serde_json::to_value(&arrived).unwrap();
        assert_eq!(sent, answer.parse::<Value>().unwrap());
        let wrong = answer.replacen('{', r#"{"surprise":1,"#, 1);
        assert!(serde_json::from_str::<QueryAnswer>(&wrong).is_err());
    }
    command(
        &DescribeTopic {},
        &[TopicDescription {
            topic: "clicks".to_owned(),
            partitions: vec![PartitionDescription {
                partition: Partition(0),
                low: Offset(1),
                high: Offset(9),
            }],
        }],
    );
    command(
        &ReadTopic {
            partition: Partition(3),
            from: Offset(0),
            to: Some(Offset(1)),
        },
        &[TopicRecords {
            lines: vec!["{}".to_owned()],
            next: None,
        }],
    );
    command(
        &AcceptGap {
            partition: Partition(3),
        },
        &[AcceptedGap {
            first: Offset(1),
            end: Offset(2),
        }],
    );
    command(
        &PublishCatalog { base: None },
        &[PublishedCatalog {
            place: "lake/published".to_owned(),
        }],
    );
    let difference = r#"{"table":"clicks","partition":0,"offset":1,"event_id":null,"what":"x"}"#;
    let sums = r#"{"live":1,"replay":1,"only_live":0,"only_replay":0,"differing":1}"#;
    let diff = format!(r#"{{"clicks":{sums},"dead_letters":{sums},"sample":[{difference}]}}"#);
    command(
        &DiffReplay { name: name.clone() },
        &[serde_json::from_str(&diff).unwrap()],
    );
    let ranges = [(Partition(0), (Offset(1), Offset(2)))].into();
    command(
        &PromoteReplay { name: name.clone() },
        &[PromotedRanges { ranges }],
    );
    command(&RollbackReplay { name }, &[RolledBack {}]);
}

#[test]
fn every_job_and_its_states_arrive_as_they_were_sent() {
    let finding = sink::audit::Finding::new("one is lost", "send it again");
    let audit = sink::audit::Audit {
        findings: vec![finding.clone()],
        ..sink::audit::Audit::default()
    };
    let deep = transformer::deep::Deep {
        findings: vec![finding],
        ..transformer::deep::Deep::default()
    };
    job(
        &AuditLake {
            deep: true,
            against: Some("/tmp/ids".into()),
        },
        AuditProgress::default(),
        AuditVerdict {
            audit: audit.clone(),
            seconds: 0.25,
            deep: Some(DeepAudit { deep, seconds: 0.5 }),
            against: Some(ListedIds { ids: 2, missing: 1 }),
            replays: [("second".to_owned(), audit)].into(),
        },
    );
    job(
        &ImportFile {
            file: "/tmp/clicks.csv".into(),
            name: Some("stdin".into()),
            format: FileFormat::Csv,
            map: None,
        },
        producer::import::ImportProgress::default(),
        producer::import::ImportReport {
            letters: producer::import::LetterCount {
                lines: 1,
                reasons: vec![producer::import::LetterReason {
                    reason: "wrong_type".into(),
                    detail: "price: not a number".into(),
                    lines: 1,
                    first: vec![(3, "n/a".into())],
                }],
            },
            ..producer::import::ImportReport::default()
        },
    );
    let settings = Settings::load(None, &[]).unwrap();
    job(
        &ReplayRange {
            into: "second".to_owned(),
            range: TopicRange {
                from: Some("2026-11-22T21:00:00Z".to_owned()),
                ..TopicRange::default()
            },
            transformer: settings.sections.transformer,
            enrich: settings.sections.enrich,
        },
        ReplayProgress::default(),
        transformer::replay::ReplayReport {
            total: 3,
            committed: 2,
            landed: 1,
        },
    );
}

#[test]
fn a_misspelt_request_is_refused_with_a_sentence_that_names_the_field() {
    let request = json!({ "sqll": "FROM clicks", "format": "csv" });
    let refused = registry::read::<RunQuery>("query", request).unwrap_err();
    let sentence = crate::print::sentence(&refused);
    assert!(
        sentence.contains("the request for query cannot be read"),
        "{sentence}"
    );
    assert!(
        sentence.contains("unknown field `sqll`, expected `sql` or `format`"),
        "{sentence}"
    );
}
