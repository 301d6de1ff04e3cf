//! The modules of a crate, and which file takes which names from which other.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::lexer::{Kind, Token, closed, code};

/// A module: the names that it defines and imports, and the paths that it writes.
#[derive(Default)]
struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    defined: BTreeSet<String>,
    /// The paths that a name was imported by.
    imported: BTreeMap<String, Vec<Path>>,
    globs: Vec<Path>,
    paths: Vec<Path>,
}

type Path = Vec<String>;

/// What a path names: a module, or an item and the module that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Module(usize),
    Item(usize),
}

/// The arrows between the files of a crate: the names that the first takes from the second.
pub(super) type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// The modules below one root file (`lib.rs`, `main.rs`), the root first.
pub(super) struct Modules(Vec<Module>);

impl Modules {
    pub(super) fn read(sources: &[Source], root: &str) -> Self {
        let mut modules = Self(Vec::new());
        modules.add(sources, root, None);
        modules
    }

    pub(super) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        let mut draw = |from: &Module, to: usize, name: &str| {
            let files = (from.file.clone(), self.0[to].file.clone());
            if files.0 != files.1 {
                arrows.entry(files).or_default().insert(name.to_owned());
            }
        };
        for (at, module) in self.0.iter().enumerate() {
            for path in &module.paths {
                if let Some(Named::Item(target)) = self.resolve(at, path, 0) {
                    draw(module, target, path.last().map_or("", String::as_str));
                }
            }
            for path in &module.globs {
                if let Some(Named::Item(target) | Named::Module(target)) = self.resolve(at, path, 0)
                {
                    draw(module, target, "*");
                }
            }
        }
        arrows
    }

    /// Reads a file, and the files of the modules that it declares.
    fn add(&mut self, sources: &[Source], file: &str, parent: Option<usize>) -> usize {
        let source = sources.iter().find(|source| source.path == file);
        let source = source.unwrap_or_else(|| panic!("{file} is declared and missing"));
        self.0.push(Module {
            file: file.to_owned(),
            parent,
            ..Module::default()
        });
        let at = self.0.len() - 1;
        self.fill(
            sources,
            at,
            &code(&source.text),
            &folder(file, parent.is_none()),
        );
        at
    }

    /// Fills a module from its tokens. Its children's files are in `folder`.
    fn fill(&mut self, sources: &[Source], module: usize, tokens: &[Token<'_>], folder: &str) {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        let is_word = |at: usize| tokens.get(at).is_some_and(|token| token.kind == Kind::Word);
        let (mut at, mut depth) = (0, 0_usize);
        while at < tokens.len() {
            match text(at) {
                "#" => {
                    at = closed(tokens, at + 1 + usize::from(text(at + 1) == "!"));
                    continue;
                }
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                "mod" if text(at + 2) == ";" => {
                    let name = text(at + 1);
                    let files = [
                        format!("{folder}/{name}.rs"),
                        format!("{folder}/{name}/mod.rs"),
                    ];
                    let is_there = |file: &&String| sources.iter().any(|one| one.path == **file);
                    if let Some(file) = files.iter().find(is_there) {
                        let child = self.add(sources, file, Some(module));
                        self.0[module].children.insert(name.to_owned(), child);
                    }
                    at += 3;
                    continue;
                }
                "mod" if text(at + 2) == "{" => {
                    let (name, end) = (text(at + 1), closed(tokens, at + 2));
                    self.0.push(Module {
                        file: self.0[module].file.clone(),
                        parent: Some(module),
                        ..Module::default()
                    });
                    let child = self.0.len() - 1;
                    let inside = &tokens[at + 3..end - 1];
                    self.fill(sources, child, inside, &format!("{folder}/{name}"));
                    self.0[module].children.insert(name.to_owned(), child);
                    at = end;
                    continue;
                }
                "use" if is_word(at + 1) || text(at + 1) == "::" => {
                    at = self.import(module, tokens, at + 1, &mut Path::new());
                    continue;
                }
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static"
                    if depth == 0 && is_word(at + 1) =>
                {
                    self.0[module].defined.insert(text(at + 1).to_owned());
                    at += 1;
                }
                "macro_rules" => {
                    self.0[module].defined.insert(text(at + 2).to_owned());
                    at += 2;
                }
                _ if is_word(at) && text(at + 1) == "::" => {
                    let begins = at == 0 || ![".", "::"].contains(&text(at - 1));
                    let mut path = vec![text(at).to_owned()];
                    while text(at + 1) == "::" && is_word(at + 2) {
                        path.push(text(at + 2).to_owned());
                        at += 2;
                    }
                    if begins && path.len() > 1 {
                        self.0[module].paths.push(path);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Reads one tree of a `use` below `prefix`, up to the sign that ends it; the index after.
    fn import(
        &mut self,
        module: usize,
        tokens: &[Token<'_>],
        mut at: usize,
        prefix: &mut Path,
    ) -> usize {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        let outer = prefix.len();
        let mut alias = None;
        while at < tokens.len() {
            match text(at) {
                "::" => {}
                "{" => {
                    let end = closed(tokens, at);
                    at += 1;
                    while at < end - 1 {
                        at = self.import(module, tokens, at, prefix);
                    }
                    prefix.truncate(outer);
                    // What follows is the end of this tree.
                    return end + usize::from([",", ";"].contains(&text(end)));
                }
                "*" => {
                    self.0[module].globs.push(prefix.clone());
                    prefix.truncate(outer);
                    at += 1;
                    return at + usize::from([",", ";"].contains(&text(at)));
                }
                "," | ";" | "}" => break,
                "as" => {
                    alias = Some(text(at + 1).to_owned());
                    at += 1;
                }
                "self" if outer > 0 && prefix.len() == outer => {}
                name => prefix.push(name.to_owned()),
            }
            at += 1;
        }
        let path = prefix.clone();
        prefix.truncate(outer);
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            let module = &mut self.0[module];
            module.paths.push(path.clone());
            module.imported.entry(name).or_default().push(path);
        }
        at + usize::from(text(at) != "}")
    }

    /// What a path means in a module; `None` if it leads out of the crate. A name that a module
    /// only imports counts for the module that defines it.
    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Option<Named> {
        if depth > 16 {
            return None;
        }
        let mut now = module;
        for name in path {
            now = match name.as_str() {
                "crate" => 0,
                "self" => now,
                "super" => self.0[now].parent?,
                name => match self.find(now, name, depth + 1)? {
                    Named::Module(child) => child,
                    item @ Named::Item(_) => return Some(item),
                },
            };
        }
        Some(Named::Module(now))
    }

    fn find(&self, module: usize, name: &str, depth: usize) -> Option<Named> {
        let one = &self.0[module];
        if let Some(child) = one.children.get(name) {
            return Some(Named::Module(*child));
        }
        if one.defined.contains(name) {
            return Some(Named::Item(module));
        }
        let imports = one.imported.get(name).into_iter().flatten();
        let found = imports
            // `use a::b` beside a child `b` of the same name would lead back to itself.
            .filter(|path| path.len() > 1 || path[0] != name)
            .find_map(|path| self.resolve(module, path, depth));
        found.or_else(|| {
            let globs = one.globs.iter();
            let opened = globs.filter_map(|path| self.resolve(module, path, depth));
            opened
                .filter_map(|named| match named {
                    Named::Module(opened) if opened != module => self.find(opened, name, depth + 4),
                    _ => None,
                })
                .next()
        })
    }
}

/// The folder in which the files of a file's modules are.
fn folder(file: &str, is_root: bool) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    if is_root || name == "mod.rs" {
        folder.to_owned()
    } else {
        format!("{folder}/{}", name.trim_end_matches(".rs"))
    }
}
