//! Says in one sentence what is missing before the linker says it in a page.

use std::path::Path;

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is configured by cargo's variables"
)]
fn main() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    let folder = std::env::var("DUCKDB_LIB_DIR").unwrap_or_else(|_| "vendor/lib".to_owned());
    let libraries = ["libduckdb.so", "libduckdb.dylib", "duckdb.dll"];
    let found = libraries.map(|name| Path::new(&folder).join(name));
    let mut there = found.iter().filter(|path| path.exists()).peekable();
    if there.peek().is_some() {
        // A path that is missing would make every build begin here again.
        there.for_each(|path| println!("cargo:rerun-if-changed={}", path.display()));
        return Ok(());
    }
    Err(format!(
        "the DuckDB library is not in {folder}: run `make setup` first"
    ))
}
