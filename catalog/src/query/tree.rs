//! A statement's syntax tree, read for the functions and tables that it names. It is read without
//! recursion, so a tree may be as deep as DuckDB's parser makes it.

use serde_json::Value;

use crate::query::functions::CallSite;

/// A name in a syntax tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TreeName {
    /// A function that is called, in small letters.
    Function(CallSite, String),
    /// A table, in small letters.
    Table(String),
    /// The setting that `current_setting` shows. `None` if it is not a plain text.
    Setting(Option<String>),
}

/// An object of the tree that is being read.
#[derive(Default)]
struct TreeNode {
    start: usize,
    /// The key that it has in the object above it.
    key: String,
    kind: String,
    functions: Vec<String>,
    /// The names of the object that it has under `function`.
    inner: Vec<String>,
    tables: Vec<String>,
}

/// The names in a syntax tree, which is JSON of DuckDB's own making.
pub(crate) fn names(tree: &str) -> Vec<TreeName> {
    let (mut names, mut open) = (Vec::new(), Vec::<TreeNode>::new());
    let (mut key, mut at) = (String::new(), 0);
    let bytes = tree.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'{' => open.push(TreeNode {
                start: at,
                key: std::mem::take(&mut key),
                ..TreeNode::default()
            }),
            b'}' => {
                let Some(node) = open.pop() else { break };
                close(node, &tree[..=at], &mut open, &mut names);
            }
            b'[' | b',' => key.clear(),
            b'"' => {
                let end = text_end(bytes, at);
                let text: String = serde_json::from_str(&tree[at..end]).unwrap_or_default();
                at = end;
                if bytes.get(at) == Some(&b':') {
                    key = text;
                } else if let Some(node) = open.last_mut() {
                    node.holds(&std::mem::take(&mut key), text);
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    names
}

impl TreeNode {
    fn holds(&mut self, key: &str, text: String) {
        match key {
            "type" => self.kind = text,
            "function_name" if !text.is_empty() => self.functions.push(text.to_lowercase()),
            "table_name" if !text.is_empty() => self.tables.push(text.to_lowercase()),
            _ => {}
        }
    }
}

/// Keeps the names of an object that ends. Whether it is a table function is known above it.
fn close(node: TreeNode, tree: &str, open: &mut [TreeNode], names: &mut Vec<TreeName>) {
    names.extend(node.tables.into_iter().map(TreeName::Table));
    let place = match node.kind.as_str() {
        "TABLE_FUNCTION" => CallSite::Table,
        _ => CallSite::Expression,
    };
    names.extend(
        node.inner
            .into_iter()
            .map(|name| TreeName::Function(place, name)),
    );
    if let Some(above) = open.last_mut().filter(|_| node.key == "function") {
        above.inner.extend(node.functions);
        return;
    }
    for name in node.functions {
        names.push(match name.as_str() {
            "current_setting" => TreeName::Setting(setting(&tree[node.start..])),
            _ => TreeName::Function(CallSite::Expression, name),
        });
    }
}

/// The one argument of a call, if it is a plain text.
fn setting(call: &str) -> Option<String> {
    let call: Value = serde_json::from_str(call).ok()?;
    match call["children"].as_array()?.as_slice() {
        [only] if only["class"] == "CONSTANT" => only["value"]["value"].as_str().map(str::to_owned),
        _ => None,
    }
}

/// Where a text that begins at `at` ends.
fn text_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use duckdb::Connection;

    use super::*;

    #[test]
    fn a_tree_names_functions_by_their_place_and_tables() {
        let database = Connection::open_in_memory().unwrap();
        let found = |sql: &str| {
            let tree: String = database
                .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| {
                    row.get(0)
                })
                .unwrap();
            let mut found: Vec<String> = names(&tree)
                .into_iter()
                .map(|name| match name {
                    TreeName::Function(CallSite::Table, name) => format!("FROM {name}()"),
                    TreeName::Function(CallSite::Expression, name) => format!("{name}()"),
                    TreeName::Table(name) => name,
                    TreeName::Setting(name) => format!("setting {name:?}"),
                })
                .collect();
            found.sort();
            found.join(", ")
        };
        let check = |sql: &str, expect: &str| assert_eq!(found(sql), expect, "{sql}");
        check(
            "SELECT Upper(a || 'x\"function_name\":\"y') FROM T, range(3)",
            "FROM range(), t, upper(), ||()",
        );
        check(
            "WITH c AS (FROM read_csv('/etc/passwd')) SELECT sum(x) OVER (ORDER BY lower(y)) FROM c",
            "FROM read_csv(), c, lower(), sum()",
        );
        check(
            "SELECT current_setting('TimeZone'), current_setting('a' || 'b') FROM pg_catalog.pg_settings",
            "pg_settings, setting None, setting Some(\"TimeZone\"), ||()",
        );
        check("SELECT EXISTS (FROM query('x'))", "FROM query()");
        let deep = format!("SELECT {}1", "abs(".repeat(300)) + &")".repeat(300);
        assert!(found(&deep).starts_with("abs(), abs()"));
    }
}
