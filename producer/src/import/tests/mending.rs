//! Dead letters, and what a mended mapping makes of them.

use super::*;

const WRONG: &str = "[columns.occurred_at]\nfrom = \"day\"\ntype = \"time\"\nformat = \"%d/%m/%Y\"";
const RIGHT: &str = "[columns.occurred_at]\nfrom = \"day\"\ntype = \"time\"\nformat = \"%Y-%m-%d\"";

/// Each id that is a row, once for each time that it was sent.
fn rows_of(topic: &FakeWriter) -> Vec<String> {
    let rows = topic.drafts().into_iter();
    let rows = rows.filter(|draft| Strict.defect(draft).is_none());
    let id = |draft: Draft| Envelope::decode(&draft.value).unwrap().id.into_owned();
    rows.map(id).collect()
}

fn job(text: &str, folder: &Path, map: &str) -> Import {
    let file = folder.join("clicks.csv");
    std::fs::write(&file, text).unwrap();
    import(&file, ImportFormat::Csv, Some(map), &folder.join("state"))
}

#[tokio::test]
async fn b98_a_dead_letter_is_sent_again_with_a_mended_mapping_and_lands_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "day\n2026-11-20\n20/11/2026\n2026-11-22\nnever\n";
    let wrong = job(text, folder.path(), WRONG);
    let right = job(text, folder.path(), RIGHT);
    let topic = FakeWriter::new();
    let counts = async |import: &Import| {
        let report = imported(import.clone(), &topic).await.unwrap();
        let numbers = [
            report.sent,
            report.rejected,
            report.skipped,
            report.skipped_letters,
        ];
        assert_eq!(
            (report.lines, report.letters.lines),
            (4, numbers[1] + numbers[3])
        );
        (numbers, report.rows())
    };
    assert_eq!(counts(&wrong).await, ([4, 3, 0, 0], 1));
    assert_eq!(counts(&wrong).await, ([0, 0, 4, 3], 1));
    // Two letters are rows now; the line that is a row, and the one that is hopeless, stay.
    assert_eq!(counts(&right).await, ([2, 0, 2, 1], 3));
    assert_eq!(counts(&right).await, ([0, 0, 4, 1], 3));
    assert_eq!(counts(&wrong).await, ([0, 0, 4, 1], 3));
    // The same without the kept position, and with a third mapping.
    std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    assert_eq!(counts(&right).await, ([0, 0, 4, 1], 3));
    let third = job(
        text,
        folder.path(),
        &format!("{RIGHT}\nzone = \"Asia/Tokyo\""),
    );
    assert_eq!(counts(&third).await, ([0, 0, 4, 1], 3));
    let rows = rows_of(&topic);
    let distinct: HashSet<_> = rows.iter().collect();
    assert_eq!((rows.len(), distinct.len()), (3, 3));
    let ids = ids_of(&topic);
    let all: HashSet<_> = ids.iter().collect();
    assert_eq!(all.len(), 6, "no line is a duplicate of its letter");
    assert_eq!(ids[0][..29], ids[4][..29], "and its ids are neighbours");
}

#[tokio::test]
async fn an_import_that_was_killed_goes_on_with_a_mended_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..30_000)
        .map(|n| {
            if n % 3 == 0 {
                "2026-11-20\n"
            } else {
                "20/11/2026\n"
            }
        })
        .collect();
    let text = format!("day\n{lines}");
    let (wrong, right) = (
        job(&text, folder.path(), WRONG),
        job(&text, folder.path(), RIGHT),
    );
    let topic = FakeWriter::new();
    // Each import is stopped a little later, with one mapping and the other, and at last none is.
    for round in 1..=8 {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let mut progress = move |progress: ImportProgress| {
            if progress.lines >= round * 2_500 {
                stop.cancel();
            }
        };
        let job = if round % 2 == 0 { &right } else { &wrong };
        let known = Known(&topic);
        let judge = Arc::new(Strict);
        run(
            job.clone(),
            edge(&topic),
            judge,
            &known,
            shutdown,
            &mut progress,
        )
        .await
        .unwrap();
        if round % 3 == 0 {
            // A kill loses the position that was kept last.
            std::fs::remove_dir_all(folder.path().join("state")).unwrap();
        }
    }
    for job in [&wrong, &right, &wrong] {
        assert!(imported(job.clone(), &topic).await.unwrap().complete);
    }
    let rows = rows_of(&topic);
    let lines: HashSet<_> = rows.iter().map(|id| id[..30].to_owned()).collect();
    assert_eq!(
        (rows.len(), lines.len()),
        (30_000, 30_000),
        "each line once"
    );
    let ids = ids_of(&topic);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[tokio::test]
async fn attack_11_a_line_is_cut_to_what_fits_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (ones, file) = ("\u{1}".repeat(200_000), folder.path().join("clicks"));
    let check = async |text: String, format, map: Option<&str>, max_record: usize| {
        std::fs::write(&file, text).unwrap();
        let topic = FakeWriter::new();
        let job = Import {
            max_record,
            ..import(&file, format, map, &state)
        };
        let report = imported(job, &topic).await.unwrap();
        assert_eq!((report.sent, report.rejected, report.rows()), (2, 1, 1));
        let sizes: Vec<usize> = topic.drafts().iter().map(Draft::size).collect();
        assert!(sizes.iter().all(|size| *size <= max_record), "{sizes:?}");
        assert!(sizes[0] > max_record - 9, "what fits is kept: {sizes:?}");
        clicks_of(&topic)[0].clone()
    };
    let csv = format!("p,v\n{ones},ada\ntea,ada\n");
    let lines = format!("{ones}\n{{}}\n");
    let large = format!("{{\"p\":\"{}\"}}\n{{}}\n", "x".repeat(3_000));
    let keyed = format!("p,v\ntea,{}\ntea,ada\n", "v".repeat(3_000));
    for max_record in [1 << 20, 10_000, 2_000] {
        let letter = check(csv.clone(), ImportFormat::Csv, Some(MAP), max_record).await;
        assert!(letter.ends_with("…\"") && letter.contains("\\u0001"));
        check(lines.clone(), ImportFormat::Ndjson, None, max_record).await;
    }
    check(large, ImportFormat::Ndjson, None, 2_000).await;
    check(keyed, ImportFormat::Csv, Some(MAP), 2_000).await;
}

#[tokio::test]
async fn b94_the_report_names_reasons_and_their_first_lines() {
    let folder = tempfile::tempdir().unwrap();
    let map = format!("{RIGHT}\n[columns.price]\nfrom = \"p\"\ntype = \"number\"");
    let lines: String = (0..7).map(|n| format!("{n}/11/2026,1\n")).collect();
    let text = format!("day,p\n{lines}2026-11-20,\"12,50\"\n2026-11-20,.99\ntorn\n2026-11-20\n");
    let topic = FakeWriter::new();
    let job = job(&text, folder.path(), &map);
    let report = imported(job.clone(), &topic).await.unwrap();
    let told = |report: &ImportReport| {
        let reasons = report.letters.reasons.iter();
        reasons
            .map(|reason| {
                let lines: Vec<u64> = reason.first.iter().map(|(line, _)| *line).collect();
                (reason.detail.clone(), reason.lines, lines)
            })
            .collect::<Vec<_>>()
    };
    let found = told(&report);
    assert_eq!(
        found[0].0,
        "occurred_at: not a time of the format \"%Y-%m-%d\""
    );
    assert_eq!((found[0].1, &*found[0].2), (7, &[2, 3, 4, 5, 6][..]));
    assert!(
        found[1].0.starts_with("price: not a number; if the comma"),
        "{found:?}"
    );
    assert_eq!(found[2].0, "the line has 1 fields, the header 2");
    assert_eq!((found[2].1, &*found[2].2), (2, &[11, 12][..]));
    assert_eq!(report.letters.reasons[0].first[0].1, "0/11/2026");
    assert_eq!((report.lines, report.rows()), (11, 1));

    // The next import says the same from the kept position, and from the lake.
    let again = imported(job.clone(), &topic).await.unwrap();
    assert_eq!((told(&again), again.rows()), (found.clone(), 1));
    std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    let again = imported(job.clone(), &topic).await.unwrap();
    assert_eq!(
        (told(&again), again.rows(), again.sent),
        (found.clone(), 1, 0)
    );

    // And a check says it beforehand.
    let sent = topic.drafts().len();
    let config = testing::config();
    let (judge, mut progress) = (Arc::new(Strict), |_| ());
    let checked = check(job, &config, clock::system(), judge, &mut progress).await;
    let checked = checked.unwrap();
    assert_eq!((told(&checked), checked.rows()), (found, 1));
    assert_eq!(
        (checked.lines, checked.sent, topic.drafts().len()),
        (11, 0, sent)
    );
}

#[tokio::test]
async fn a_file_with_other_bytes_is_another_and_the_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let topic = FakeWriter::new();
    let told = async |text: &str| {
        let report = imported(job(text, folder.path(), RIGHT), &topic).await;
        let report = report.unwrap();
        (report.sent, report.skipped, report.has_namesake)
    };
    assert_eq!(told("day\n2026-11-20\n2026-11-21\n").await, (2, 0, false));
    assert_eq!(told("day\n2026-11-20\n2026-11-21\n").await, (0, 2, false));
    assert_eq!(told("day\n2026-11-20\n2026-11-22\n").await, (2, 0, true));
    assert_eq!(told("day\n2026-11-20\n2026-11-22\n").await, (0, 2, false));
}
