//! How long a file and a function may be.

use super::lexer::{Kind, closed, tokens};
use super::{Source, none, not_yet, sources};

/// The most lines of a file, and of one in `compose`, which is glue only.
const MAX_FILE_LINES: usize = 500;
const MAX_COMPOSE_LINES: usize = 250;
/// The most lines of a function, with its signature.
const MAX_FUNCTION_LINES: usize = 100;
/// Functions that are longer still.
const NOT_YET: &[&str] = &[];

fn long_files(sources: &[Source]) -> Vec<String> {
    let long = |source: &Source| {
        let most = if source.path.starts_with("compose/") {
            MAX_COMPOSE_LINES
        } else {
            MAX_FILE_LINES
        };
        let lines = source.text.lines().count();
        (lines > most).then(|| format!("{}: {lines} lines", source.path))
    };
    sources.iter().filter_map(long).collect()
}

fn long_functions(source: &Source) -> Vec<String> {
    let all = tokens(&source.text);
    let code: Vec<_> = all
        .into_iter()
        .filter(|token| token.kind != Kind::Comment && token.kind != Kind::Text)
        .collect();
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let Some(name) = code.get(at + 1).filter(|name| name.kind == Kind::Word) else {
            continue;
        };
        if token.text != "fn" {
            continue;
        }
        let mut body = at;
        while code
            .get(body)
            .is_some_and(|token| !["{", ";"].contains(&token.text))
        {
            let opens = ["(", "["].contains(&code[body].text);
            body = if opens { closed(&code, body) } else { body + 1 };
        }
        let end = code.get(closed(&code, body).saturating_sub(1));
        let lines = end.map_or(0, |end| end.line + 1 - token.line);
        if lines > MAX_FUNCTION_LINES {
            found.push(format!("{}: {} has {lines} lines", source.path, name.text));
        }
    }
    found
}

#[test]
fn a_file_is_one_noun_of_at_most_500_lines_and_250_in_compose() {
    none("split these by responsibility", &long_files(&sources()));
}

#[test]
fn a_function_has_at_most_100_lines() {
    let found = sources().iter().flat_map(long_functions).collect();
    none("split these by step", &not_yet(found, NOT_YET));
}

#[test]
fn what_is_too_long_is_found() {
    let body = "    a();\n".repeat(MAX_FUNCTION_LINES - 2);
    let source = |text: String| Source::planted("compose/src/a.rs", &text);
    let fits = source(format!(
        "fn a() {{\n{body}}}\n#[test]\nfn b<T>(c: [u8; 2]) {{ d(); }}\n"
    ));
    assert_eq!(long_functions(&fits), Vec::<String>::new());
    assert_eq!(long_files(&[fits]), Vec::<String>::new());
    let long = source(format!(
        "fn a(\n) {{\n{body}}}\n{}",
        "// more\n".repeat(200)
    ));
    assert_eq!(long_functions(&long), ["compose/src/a.rs: a has 101 lines"]);
    assert_eq!(long_files(&[long]), ["compose/src/a.rs: 301 lines"]);
}
