//! The files of the workspace.

use std::path::{Path, PathBuf};

/// The workspace's folder.
pub(super) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests is a folder of the workspace")
        .to_owned()
}

pub(super) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A TOML file: a manifest, the lock file, the list of licences.
pub(super) fn table(path: impl AsRef<Path>) -> toml::Table {
    read(path).parse().expect("the workspace's TOML parses")
}

/// The strings of a TOML array.
pub(super) fn texts(value: &toml::Value) -> Vec<String> {
    let texts = value.clone().try_into();
    texts.expect("the value is an array of strings")
}

/// Our crates, which are folders of the same names.
pub(super) fn members() -> Vec<String> {
    texts(&table("Cargo.toml")["workspace"]["members"])
}

/// A source file: its path from the root, with `/`, and its text.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn planted(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Returns true if the file is compiled for tests only.
    pub(super) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/") || self.path.contains("/tests/") || name == "tests.rs"
    }
}

/// Every Rust file of the workspace's crates, sorted by path.
pub(super) fn sources() -> Vec<Source> {
    let folders = members().iter().map(|name| root().join(name)).collect();
    let found = files(folders, &["rs"]);
    assert!(found.len() > 50, "only {} files were found", found.len());
    found
}

/// Every page, configuration and script that people read, sorted by path.
pub(super) fn documents() -> Vec<Source> {
    let mut folders: Vec<PathBuf> = members().iter().map(|name| root().join(name)).collect();
    folders.push(root().join("docs"));
    let mut found = files(
        folders,
        &["css", "html", "js", "md", "py", "sh", "toml", "yaml"],
    );
    let pages = std::fs::read_dir(root()).expect("the root is a folder");
    for page in pages {
        let name = page.expect("a folder can be listed").file_name();
        let path = name.to_string_lossy().into_owned();
        if path.ends_with(".md") || path == "Makefile" {
            let text = read(&path);
            found.push(Source { path, text });
        }
    }
    assert!(found.len() > 10, "only {} files were found", found.len());
    found
}

/// The files below these folders that have one of the extensions, sorted by path.
fn files(mut folders: Vec<PathBuf>, extensions: &[&str]) -> Vec<Source> {
    folders.retain(|folder| folder.exists());
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a crate is a folder") {
            let path = entry.expect("a folder can be listed").path();
            let extension = path.extension().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if extensions.contains(&&*extension) {
                let below = path.strip_prefix(root()).expect("it is in the workspace");
                let path = below.to_string_lossy().replace('\\', "/");
                let text = read(&path);
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
