//! How every database of the catalog is opened.

use bytesize::ByteSize;
use duckdb::Connection;

use crate::db::access::LakeAccess;
use crate::db::table_function;
use crate::error::Error;
use crate::sql::Ident;

/// A database's limits: memory, four times as much on disk, and threads. It loads no extension by
/// itself.
pub(crate) fn limits(memory: ByteSize, threads: u32) -> Result<duckdb::Config, duckdb::Error> {
    duckdb::Config::default()
        .max_memory(&format!("{}B", memory.as_u64()))?
        .threads(i64::from(threads.max(1)))?
        .with(
            "max_temp_directory_size",
            format!("{}B", memory.as_u64().saturating_mul(4)),
        )?
        .with("autoinstall_known_extensions", "false")?
        .with("autoload_known_extensions", "false")
}

/// Opens a database beside a worker's own, from which it copies one table of others.
pub(crate) fn source(memory_bytes: u64, spill: &str) -> Result<Connection, duckdb::Error> {
    let limits = limits(ByteSize(memory_bytes), 1)?;
    let limits = limits.with("temp_directory", format!("{spill}/source"))?;
    Connection::open_in_memory_with_flags(limits)
}

/// Makes the lake readable, then restricts the database and locks its settings.
pub(crate) fn ready(connection: Connection, access: &LakeAccess) -> Result<Connection, Error> {
    connection.execute_batch(&access.open)?;
    table_function::register(&connection)?;
    connection.execute_batch("SET GLOBAL TimeZone = 'UTC'")?;
    connection.execute_batch(&access.restrict)?;
    Ok(connection)
}

/// A hash over a table's rows in any order. It reads every block of the table.
pub(crate) fn digest(connection: &Connection, table: &str) -> Result<String, duckdb::Error> {
    let table = Ident(table);
    let sql = format!("SELECT concat(count(*), ':', bit_xor(hash(t))) FROM {table} t");
    connection.query_row(&sql, [], |row| row.get(0))
}

/// How much memory a database takes.
pub(crate) fn memory_bytes(connection: &Connection) -> Result<u64, Error> {
    let sql = "SELECT coalesce(sum(memory_usage_bytes), 0)::UBIGINT FROM duckdb_memory()";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}
