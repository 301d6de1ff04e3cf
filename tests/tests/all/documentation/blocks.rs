//! The commands of the pages: every line of a fenced `sh` block of `README.md` and `docs/*.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of shell commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The page, from the root of the repository.
    pub(super) page: String,
    pub(super) commands: Vec<Command>,
}

/// One line of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// What a reader types, without the comment.
    pub(super) text: String,
    /// The exit code that a comment `# exit code N` announces; otherwise 0.
    pub(super) exit: i32,
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of `README.md`, then those of `docs/*.md` in the order of their names.
pub(super) fn all() -> Vec<Block> {
    let mut pages: Vec<String> = fs::read_dir(root().join("docs"))
        .expect("the documentation is a folder")
        .map(|entry| entry.expect("a folder can be listed").file_name())
        .map(|name| format!("docs/{}", name.to_string_lossy()))
        .filter(|page| page.ends_with(".md"))
        .collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    let blocks = pages.iter().flat_map(|page| {
        let text = fs::read_to_string(root().join(page)).expect("a page is text");
        parse(page, &text)
    });
    blocks.collect()
}

fn parse(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<Command>> = None;
    for line in text.lines() {
        match (line.trim_end(), &mut open) {
            ("```sh", None) => open = Some(Vec::new()),
            ("```", Some(_)) => blocks.push(Block {
                page: page.to_owned(),
                commands: open.take().unwrap_or_default(),
            }),
            (line, Some(commands)) => commands.extend(command(line)),
            (_, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block is not closed");
    blocks
}

/// The command of a line. `None` if the line is empty or only a comment.
fn command(line: &str) -> Option<Command> {
    let (text, comment) = match line.split_once("  #") {
        Some((text, comment)) => (text, comment.trim()),
        None => (line, ""),
    };
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let digits = comment.strip_prefix("exit code ").map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        &rest[..end.unwrap_or(rest.len())]
    });
    Some(Command {
        text: text.to_owned(),
        exit: digits.map_or(0, |digits| {
            digits.parse().expect("an exit code is a number")
        }),
    })
}

#[test]
fn commands_are_the_lines_of_the_shell_blocks() {
    let page = "```\nno\n```\n```sh\na b    # why; else exit code 1\n\n# not this\nc '#1'  # exit code 3: it fails\n```\nno\n```toml\nno = 1\n```\n```sh\nd &  # stays\n```\n";
    let command = |text: &str, exit| Command {
        text: text.to_owned(),
        exit,
    };
    let block = |commands: &[Command]| Block {
        page: "p".to_owned(),
        commands: commands.to_vec(),
    };
    assert_eq!(
        parse("p", page),
        [
            block(&[command("a b", 0), command("c '#1'", 3)]),
            block(&[command("d &", 0)])
        ]
    );
}
