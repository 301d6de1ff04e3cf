//! The functions that a statement may call: those of the linked DuckDB that only compute, that read
//! the lake's objects, or that list the catalog's own tables.
//!
//! What takes SQL inside a text is not among them, since it would be bound without being looked at;
//! nor is what reads other files, waits, writes, or shows settings and paths of the machine. A
//! test holds the lists against the linked version, so that a new function is looked at.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Functions of values, and macros over them.
const SCALARS: &str = "
    abs acos acosh add age aggregate ago alias apply array_aggr array_aggregate array_append
    array_apply array_cat array_concat array_contains array_cosine_distance
    array_cosine_similarity array_cross_product array_distance array_distinct array_dot_product
    array_extract array_filter array_grade_up array_has array_has_all array_has_any
    array_indexof array_inner_product array_intersect array_length array_negative_dot_product
    array_negative_inner_product array_pop_back array_pop_front array_position array_prepend
    array_push_back array_push_front array_reduce array_resize array_reverse array_reverse_sort
    array_select array_slice array_sort array_to_json array_to_string
    array_to_string_comma_default array_transform array_unique array_value array_where array_zip
    ascii asin asinh atan atan2 atanh bar base64 bin bit_count bit_length bit_position bitstring
    can_cast_implicitly cardinality cbrt ceil ceiling century char_length character_length chr
    col_description concat concat_ws contains cos cosh cot current_catalog current_database
    current_date current_localtime current_localtimestamp current_role current_schema
    current_schemas current_user damerau_levenshtein date_add date_diff date_part date_sub
    date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear
    days_in_month decade decode degrees divide editdist3 element_at encode ends_with enum_code
    enum_first enum_last enum_range enum_range_boundary epoch epoch_ms epoch_ns epoch_us
    equi_width_bins era error even exp factorial fdiv filter flatten floor fmod format
    format_bytes format_pg_type format_type formatreadabledecimalsize formatreadablesize
    from_base64 from_binary from_hex from_json from_json_strict gamma gcd gen_random_uuid
    generate_series generate_subscripts geomean geometric_mean get_bit get_current_time
    get_current_timestamp get_type grade_up greatest greatest_common_divisor hamming
    has_any_column_privilege has_column_privilege has_database_privilege
    has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege
    has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege
    has_tablespace_privilege hash hex hour icu_sort_key ilike_escape in_search_path instr
    is_histogram_other_bin isfinite isinf isnan isodow isoyear jaccard jaro_similarity
    jaro_winkler_similarity json json_array json_array_length json_contains json_exists
    json_extract json_extract_path json_extract_path_text json_extract_string json_group_array
    json_group_object json_group_structure json_keys json_merge_patch json_object json_pretty
    json_quote json_structure json_transform json_transform_strict json_type json_valid
    json_value julian last_day lcase lcm least least_common_multiple left left_grapheme len
    length length_grapheme levenshtein lgamma like_escape list_aggr list_aggregate
    list_any_value list_append list_apply list_approx_count_distinct list_avg list_bit_and
    list_bit_or list_bit_xor list_bool_and list_bool_or list_cat list_concat list_contains
    list_cosine_distance list_cosine_similarity list_count list_distance list_distinct
    list_dot_product list_element list_entropy list_extract list_filter list_first list_grade_up
    list_has list_has_all list_has_any list_histogram list_indexof list_inner_product
    list_intersect list_kurtosis list_kurtosis_pop list_last list_mad list_max list_median
    list_min list_mode list_negative_dot_product list_negative_inner_product list_pack
    list_position list_prepend list_product list_reduce list_resize list_reverse
    list_reverse_sort list_select list_sem list_skewness list_slice list_sort list_stddev_pop
    list_stddev_samp list_string_agg list_sum list_transform list_unique list_value list_var_pop
    list_var_samp list_where list_zip ln log log10 log2 lower lpad ltrim make_date make_time
    make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz map map_concat
    map_contains map_contains_entry map_contains_value map_entries map_extract map_extract_value
    map_from_entries map_keys map_to_pg_oid map_values md5 md5_number md5_number_lower
    md5_number_upper microsecond millennium millisecond minute mismatches mod month monthname
    multiply nanosecond nextafter nfc_normalize normalized_interval not_ilike_escape
    not_like_escape now nullif obj_description octet_length ord parse_dirname parse_dirpath
    parse_filename parse_formatted_bytes parse_path pg_collation_is_visible
    pg_conversion_is_visible pg_function_is_visible pg_has_role pg_is_other_temp_schema
    pg_my_temp_schema pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible
    pg_size_pretty pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible
    pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible pg_typeof pi position
    pow power prefix printf quarter radians random range reduce regexp_escape regexp_extract
    regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table repeat replace reverse right right_grapheme round round_even
    roundbankers row row_to_json rpad rtrim second session_user set_bit setseed sha1 sha256
    shobj_description sign signbit sin sinh split split_part sqrt st_asbinary st_astext st_aswkb
    st_aswkt st_crs st_geomfromwkb st_intersects_extent st_setcrs starts_with stats str_split
    str_split_regex strftime string_split string_split_regex string_to_array strip_accents
    strlen strpos strptime struct_concat struct_contains struct_extract struct_extract_at
    struct_has struct_indexof struct_insert struct_keys struct_pack struct_position
    struct_update struct_values substr substring substring_grapheme subtract suffix switch tan
    tanh time_bucket timetz_byte_comparable timezone timezone_hour timezone_minute to_base
    to_base64 to_binary to_centuries to_days to_decades to_hex to_hours to_json to_microseconds
    to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp
    to_weeks to_years today transaction_timestamp translate trim trunc try_strptime txid_current
    typeof ucase unbin unhex unicode union_extract union_tag union_value unnest unpivot_list
    upper url_decode url_encode user uuid uuid_extract_timestamp uuid_extract_version uuidv4
    uuidv7 variant_extract variant_normalize variant_typeof vector_type version wavg week
    weekday weekofyear weighted_avg xor year yearweek
";

/// Aggregates and window functions.
const AGGREGATES: &str = "
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null
    arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg
    bit_and bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if count_star countif
    covar_pop covar_samp cume_dist dense_rank entropy favg fill first first_value fsum
    group_concat histogram histogram_exact kahan_sum kurtosis kurtosis_pop lag last last_value
    lead list listagg mad max max_by mean median min min_by mode nth_value ntile percent_rank
    product quantile quantile_cont quantile_disc rank rank_dense regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile row_number
    sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop
    var_samp variance
";

/// Operators.
const OPERATORS: &str = "
    !__postfix !~~ !~~* % & && * ** + - ->> / // <-> << <=> <@ >> @ @> ^ ^@ | || ~ ~~ ~~* ~~~
";

/// Table functions.
const TABLES: &str = "
    duckdb_columns duckdb_constraints duckdb_functions duckdb_indexes duckdb_keywords
    duckdb_memory duckdb_schemas duckdb_tables duckdb_types duckdb_views generate_series
    generate_subscripts icu_calendar_names json_each json_tree parquet_bloom_probe
    parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata
    parquet_scan parquet_schema pg_timezone_names pragma_version range read_parquet
    regexp_split_to_table repeat repeat_row unnest
";

/// DuckDB's own views that show paths or settings of the machine.
const HIDDEN_VIEWS: [&str; 5] = [
    "duckdb_databases",
    "duckdb_logs",
    "pg_prepared_statements",
    "pg_settings",
    "pragma_database_list",
];

/// The settings that `current_setting` may show.
const SHOWN_SETTINGS: [&str; 6] = [
    "calendar",
    "default_null_order",
    "default_order",
    "memory_limit",
    "threads",
    "timezone",
];

/// The functions by where they may be called.
static EXPRESSION_FUNCTIONS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lists = [SCALARS, AGGREGATES, OPERATORS];
    lists.into_iter().flat_map(str::split_whitespace).collect()
});
static TABLE_FUNCTIONS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| TABLES.split_whitespace().collect());

/// Where a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallSite {
    /// In an expression.
    Expression,
    /// As a table.
    Table,
}

/// Returns true if a function, in small letters, may be called there.
pub(crate) fn is_allowed(place: CallSite, name: &str) -> bool {
    match place {
        CallSite::Expression => {
            EXPRESSION_FUNCTIONS.contains(name) || name.starts_with("icu_collate_")
        }
        CallSite::Table => TABLE_FUNCTIONS.contains(name),
    }
}

/// Returns true if a table of that name, in small letters, is one of DuckDB's own that is not
/// shown.
pub(crate) fn is_hidden(table: &str) -> bool {
    HIDDEN_VIEWS.contains(&table)
}

/// Returns true if `current_setting` may show a setting.
pub(crate) fn is_shown_setting(name: &str) -> bool {
    SHOWN_SETTINGS.contains(&name.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use duckdb::Connection;

    use super::*;

    /// The functions that are refused. What is on neither list is new in the linked version.
    const REFUSED: &str = "
        arrow_scan arrow_scan_dumb cast_to_type check_peg_parser checkpoint combine disable_peg_parser enable_peg_parser sql_auto_complete constant_or_null
        create_sort_key current_connection_id current_query current_query_id current_setting
        current_transaction_id currval disable_logging disable_profiling
        duckdb_approx_database_count duckdb_connection_count duckdb_coordinate_systems
        duckdb_databases duckdb_dependencies duckdb_extensions duckdb_external_file_cache
        duckdb_log_contexts duckdb_logs duckdb_logs_parsed duckdb_optimizers
        duckdb_prepared_statements duckdb_profiling_settings duckdb_secret_types duckdb_secrets
        duckdb_sequences duckdb_settings duckdb_table_sample duckdb_temporary_files
        duckdb_variables enable_logging enable_profiling finalize force_checkpoint
        get_block_size getvariable glob histogram_values inet_client_addr inet_client_port
        inet_server_addr inet_server_port json_deserialize_sql json_execute_serialized_sql
        json_serialize_plan json_serialize_sql make_type nextval pandas_scan
        parse_duckdb_log_message pg_conf_load_time pg_get_constraintdef pg_get_expr
        pg_get_viewdef pg_postmaster_start_time pg_sleep pragma_collations pragma_database_size
        pragma_metadata_info pragma_platform pragma_show pragma_storage_info pragma_table_info
        pragma_user_agent python_map_function query query_table read_blob read_csv read_csv_auto
        read_duckdb read_json read_json_auto read_json_objects read_json_objects_auto
        read_ndjson read_ndjson_auto read_ndjson_objects read_text remap_struct replace_type
        seq_scan sleep_ms sniff_csv summary test_all_types test_vector_types
        truncate_duckdb_logs variant_bytes_to_variant variant_to_parquet_variant which_secret
        write_log
    ";

    #[test]
    fn every_function_of_the_linked_version_is_allowed_or_refused_by_name() {
        let database = Connection::open_in_memory().unwrap();
        let mut statement = database
            .prepare(
                "SELECT DISTINCT lower(function_name) FROM duckdb_functions()
                 WHERE function_type != 'pragma' ORDER BY ALL",
            )
            .unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        let names: BTreeSet<String> = names.collect::<Result<_, _>>().unwrap();
        let refused: HashSet<&str> = REFUSED.split_whitespace().collect();
        for name in &names {
            let name = name.as_str();
            // Those of one client and DuckDB's own between operators.
            let inner = name.starts_with("__internal") || name.starts_with("arrow_");
            let allowed =
                is_allowed(CallSite::Expression, name) || is_allowed(CallSite::Table, name);
            assert!(
                allowed != (inner || refused.contains(name)),
                "{name} must be on one list"
            );
        }
        for name in EXPRESSION_FUNCTIONS.iter().chain(TABLE_FUNCTIONS.iter()) {
            assert!(names.contains(*name), "{name} is no function");
        }
    }

    #[test]
    fn what_takes_sql_in_a_text_is_not_allowed() {
        for name in [
            "json_serialize_plan",
            "json_serialize_sql",
            "json_deserialize_sql",
            "json_execute_serialized_sql",
            "query",
            "query_table",
            "getenv",
            "current_setting",
            "write_log",
            "sleep_ms",
            "snapshot_table",
        ] {
            assert!(!is_allowed(CallSite::Expression, name), "{name}");
            assert!(!is_allowed(CallSite::Table, name), "{name}");
        }
    }
}
