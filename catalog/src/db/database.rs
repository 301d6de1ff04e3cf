//! What every database of ours is opened with.

use bytesize::ByteSize;
use duckdb::Connection;

use crate::db::access::Access;
use crate::db::table_function;
use crate::error::Error;

/// What a database may take: memory, four times as much on disk, threads; and that it fetches
/// nothing by itself.
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

/// Opens a database's way to the lake, shuts every other, and locks its settings.
pub(crate) fn ready(connection: Connection, access: &Access) -> Result<Connection, Error> {
    connection.execute_batch(&access.reach)?;
    table_function::register(&connection)?;
    connection.execute_batch("SET GLOBAL TimeZone = 'UTC'")?;
    connection.execute_batch(&access.shut)?;
    Ok(connection)
}

/// A hash over a table's rows, whatever their order. It reads every block.
pub(crate) fn digest(connection: &Connection, table: &str) -> Result<String, duckdb::Error> {
    let sql = format!(r#"SELECT concat(count(*), ':', bit_xor(hash(t))) FROM "{table}" t"#);
    connection.query_row(&sql, [], |row| row.get(0))
}
