-- SQL hidden in a text, and functions that are not for people
SELECT json_serialize_plan('FROM lent(NULL)')
SELECT json_serialize_plan('FROM snapshot_table(NULL)', optimize := true)
FROM snapshot_table(NULL)
FROM snapshot_table('clicks')
SELECT json_serialize_sql('SELECT 1')
SELECT json_deserialize_sql('{"error":false,"statements":[]}')
FROM json_execute_serialized_sql('{"error":false}')
FROM query('SELECT 1')
FROM query_table('clicks')
FROM duckdb_secrets()
FROM duckdb_settings()
FROM pg_settings
SELECT current_setting('temp_directory')
SELECT getenv('HOME')
SELECT sleep_ms(1000000)
SELECT write_log('x')
FROM sniff_csv('/etc/passwd')
FROM read_csv('/etc/passwd')
FROM read_text('/proc/self/environ')
FROM read_blob('/etc/shadow')
FROM read_json('/etc/hosts')
FROM glob('/**')
FROM '/etc/passwd'
FROM read_parquet('/nothing*.parquet')
FROM read_parquet(['/etc/passwd', '/dev/zero'])
FROM read_parquet('/dev/zero')
FROM read_parquet('/proc/self/mem')
FROM read_parquet(repeat('a', 10000000))
FROM read_parquet(NULL)
FROM parquet_metadata('/etc/passwd')
FROM arrow_scan(1, 2, 3)
FROM pandas_scan(0)
FROM duckdb_logs
FROM pragma_storage_info('clicks')
FROM test_all_types()
FROM test_vector_types(NULL::INT)
FROM repeat_row(1, num_rows := 9223372036854775807)
FROM repeat('x', 9223372036854775807)
FROM summary((FROM range(100000000)))
-- what does more than read
ATTACH '/tmp/x.duckdb' AS x
ATTACH ':memory:' AS x
COPY (SELECT 1) TO '/tmp/siege.csv'
COPY clicks FROM '/etc/passwd'
EXPORT DATABASE '/tmp/siege'
IMPORT DATABASE '/tmp/siege'
INSTALL httpfs
LOAD '/etc/passwd'
SET memory_limit = '1TB'
SET threads = 1000000
RESET ALL
PRAGMA database_list
PRAGMA enable_profiling
CALL pragma_version()
CHECKPOINT
VACUUM
BEGIN TRANSACTION
COMMIT
ROLLBACK
CREATE TABLE x AS SELECT 1
CREATE MACRO f(x) AS f(x)
CREATE TEMP MACRO f() AS TABLE FROM range(10)
CREATE SEQUENCE s
CREATE TYPE t AS ENUM ('a')
CREATE VIEW clicks AS SELECT 1
DROP TABLE objects
DELETE FROM objects
UPDATE objects SET path = ''
INSERT INTO objects SELECT * FROM objects
ALTER TABLE objects ADD COLUMN x INT
TRUNCATE objects
MERGE INTO objects USING objects AS o ON true WHEN MATCHED THEN DELETE
PREPARE p AS SELECT $1
EXECUTE p(1)
DEALLOCATE p
USE memory
EXPLAIN ANALYZE DELETE FROM objects
EXPLAIN ANALYZE SELECT count(*) FROM range(100000000) a, range(100000000) b
EXPLAIN SELECT json_serialize_plan('FROM lent(NULL)')
EXPLAIN (FORMAT graphviz) SELECT * FROM range(10)
SELECT $1
SELECT ?
SELECT 1; SELECT 2
SELECT 1; ATTACH '/tmp/y' AS y
-- texts and values that are nested too deep
SELECT json_structure(repeat('[',20000)||repeat(']',20000))
SELECT json_structure(repeat('[',200000)||repeat(']',200000))
SELECT (repeat('[',200000)||repeat(']',200000))::JSON::VARIANT IS NULL
SELECT json_contains(repeat('[',200000)||repeat(']',200000),'1')
SELECT json_merge_patch((repeat('{"a":',200000)||'n'||repeat('}',200000))::JSON, (repeat('{"a":',200000)||'n'||repeat('}',200000))::JSON)
SELECT json_transform(repeat('[',200000)||repeat(']',200000), repeat('[',5000)||'"INT"'||repeat(']',5000))
SELECT json_extract(repeat('[',500000)||repeat(']',500000), '$[0][0][0]')
SELECT json_valid(repeat('{"a":',3000000))
SELECT json_keys(repeat('{"a":',100000)||'1'||repeat('}',100000))
SELECT json_extract('{}', '$' || repeat('.a', 1000000))
SELECT json_extract('[1]', '$[' || repeat('9', 100000) || ']')
SELECT json_extract_string('{"a":1}', '$..' || repeat('a', 100000))
SELECT json_group_structure((repeat('[',50000)||repeat(']',50000))::JSON) FROM range(3)
SELECT count(*) FROM json_tree(repeat('[',100000)||repeat(']',100000))
SELECT count(*) FROM json_each('[' || repeat('1,', 10000000) || '1]')
SELECT from_json(repeat('[',100000)||repeat(']',100000), '["INT"]')
SELECT json_array_length('[' || repeat('1,', 30000000) || '1]')
SELECT ('[' || repeat('1,', 20000000) || '1]')::INT[]
SELECT (repeat('[', 200000) || repeat(']', 200000))::INT[][]
SELECT (repeat('{''a'': ', 100000) || '1' || repeat('}', 100000))::STRUCT(a INT)
SELECT '{"a":1}'::JSON::MAP(VARCHAR, INT)
SELECT to_json(range(50000000))
SELECT json_object('a', range(20000000))
SELECT json_quote(repeat('"', 300000000))
-- memory: texts
SELECT length(repeat('x',4000000000))
SELECT repeat(repeat('x', 1000000), 1000000)
SELECT length(lpad('x',2000000000,'y'))
SELECT rpad('', 2147483647, 'ab')
SELECT format('{:2147483647}','x')
SELECT printf('%2147483647d', 1)
SELECT format('{:.2147483647f}', 1.5)
SELECT printf('%.2000000000f', 1.5)
SELECT replace(repeat('x', 100000000), 'x', repeat('y', 1000))
SELECT concat_ws(repeat(',', 1000000), repeat('a', 1000000), repeat('b', 1000000))
SELECT string_agg(repeat('x', 1000000), ',') FROM range(10000)
SELECT group_concat(range::VARCHAR, repeat('-', 10000)) FROM range(1000000)
SELECT translate(repeat('abc', 100000000), 'abc', 'xyz')
SELECT upper(repeat('ß', 500000000))
SELECT reverse(repeat('é', 300000000))
SELECT md5(repeat('x', 1000000000))
SELECT sha256(repeat('x', 1500000000))
SELECT base64(repeat('x', 1000000000)::BLOB)
SELECT hex(repeat('x', 1000000000))
SELECT unhex(repeat('f', 1000000001))
SELECT bin(repeat('x', 300000000))
SELECT url_encode(repeat('/', 700000000))
SELECT url_decode(repeat('%', 500000000))
SELECT bar(1e18, 0, 1, 2000000000)
SELECT chr(2147483647)
SELECT encode(repeat('x', 2000000000))
SELECT length(concat(repeat('a', 2000000000), repeat('b', 2000000000)))
SELECT regexp_replace(repeat('a', 30000000), 'a', repeat('b', 1000), 'g')
SELECT repeat('0', 100000000)::BIT
SELECT bit_count((repeat('1', 500000000))::BIT)
SELECT bitstring('1', 2147483647)
SELECT set_bit(bitstring('0', 2000000000), 5, 1)
-- memory: lists
SELECT len(range(2000000000))
SELECT len(range(1e18::BIGINT))
SELECT count(*) FROM (SELECT unnest(range(1000000000)))
SELECT sum(len(range(1000000+range))) FROM range(2048)
SELECT NULL::INT[100000][100000]
SELECT list_sort(range(50000000))[1]
SELECT len(list_transform(range(50000000), x -> x::VARCHAR))
SELECT len(list_resize([1],2000000000))
SELECT len(string_split(repeat('x,',500000000),','))
SELECT list_reduce(range(100000000), (a,b) -> a+b)
SELECT list_distinct(range(50000000))
SELECT list_unique(list_transform(range(30000000), x -> x::VARCHAR))
SELECT list_reverse(range(300000000))[1]
SELECT list_zip(range(100000000), range(100000000))
SELECT list_aggregate(range(100000000), 'histogram')
SELECT list_aggregate(range(100000000), 'quantile_cont', 0.5)
SELECT list_cosine_similarity(range(50000000)::DOUBLE[], range(50000000)::DOUBLE[])
SELECT flatten(list_transform(range(100000), x -> range(x)))
SELECT list_grade_up(range(100000000))
SELECT list_slice(range(500000000), 1, -1, 2)
SELECT list_concat(range(300000000), range(300000000))
SELECT list_filter(range(200000000), x -> x % 2 = 0)
SELECT array_value(1)::INT[2147483647]
SELECT array_cross_product(range(3)::DOUBLE[3], range(3)::DOUBLE[3])
SELECT map(range(50000000), range(50000000))
SELECT map_entries(map_from_entries(list_zip(range(20000000), range(20000000))))
SELECT range(0, 1000000000000, 1)
SELECT generate_series('0001-01-01'::TIMESTAMP, '9999-12-31'::TIMESTAMP, INTERVAL 1 SECOND)
SELECT generate_series(1, 10, 0)
SELECT range(5, -9223372036854775808, -1)
SELECT array_agg(range(1000)) FROM range(1000000)
SELECT histogram(range) IS NULL FROM range(20000000)
SELECT quantile_cont(range,0.5) FROM range(200000000)
SELECT median(range), mode(range) FROM range(100000000)
SELECT approx_top_k(range, 1000000000) FROM range(1000000)
SELECT approx_quantile(range, 0.5) FROM range(300000000)
SELECT reservoir_quantile(range, 0.5, 1000000000) FROM range(10000000)
SELECT arg_max(range, range, 100000000) FROM range(100000000)
SELECT max(range, 1000000000) FROM range(100000)
SELECT list(range ORDER BY -range) FROM range(100000000)
SELECT count(DISTINCT repeat(range::VARCHAR, 100)) FROM range(10000000)
SELECT entropy(range), kurtosis(range) FROM range(300000000)
SELECT bitstring_agg(range, 0, 2000000000) FROM range(10)
-- time
SELECT levenshtein(repeat('a',2000000), repeat('b',2000000))
SELECT damerau_levenshtein(repeat('a',50000), repeat('b',50000))
SELECT jaro_winkler_similarity(repeat('a', 1000000), repeat('b', 1000000))
SELECT jaccard(repeat('ab', 10000000), repeat('bc', 10000000))
SELECT hamming(repeat('a', 500000000), repeat('b', 500000000))
SELECT regexp_matches(repeat('a', 1000000) || 'b', '(a*)*c')
SELECT regexp_matches(repeat('a', 100000), '(((a{1,10}){1,10}){1,10}){1,10}b')
SELECT regexp_extract_all(repeat('ab', 50000000), '(a|b)')
SELECT regexp_matches('x', repeat('(', 100000) || repeat(')', 100000))
SELECT regexp_matches('x', '[' || repeat('a-z', 1000000) || ']')
SELECT regexp_split_to_array(repeat('a,', 100000000), ',')
SELECT repeat('a', 1000000) SIMILAR TO repeat('(a|b)*', 5000)
SELECT repeat('a', 3000000) LIKE repeat('%a', 100000) || 'b'
SELECT repeat('a', 3000000) ILIKE repeat('%_', 100000)
SELECT repeat('a', 300000) GLOB repeat('*a', 3000) || 'b'
SELECT count(*) FROM range(1e18::BIGINT)
SELECT count(*) FROM range(10000000) a, range(10000000) b
SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c WHERE a.range + b.range = c.range * 7
SELECT count(*) FROM range(3000000) a JOIN range(3000000) b ON a.range < b.range
SELECT max(a.range) FROM range(1000000) a ASOF JOIN range(100000000) b ON a.range >= b.range
SELECT count(*) FROM range(1000) a CROSS JOIN range(1000) b CROSS JOIN range(1000) c CROSS JOIN range(1000) d
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t
WITH RECURSIVE t(n) AS (SELECT 'x' UNION ALL SELECT n || n FROM t) SELECT max(length(n)) FROM t
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT a.n FROM t a, t b) SELECT count(*) FROM t
WITH RECURSIVE t(n) USING KEY (n) AS (SELECT 1 UNION SELECT n + 1 FROM t) SELECT count(*) FROM t
SELECT sum(range) OVER (ORDER BY range ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM range(30000000)
SELECT quantile_cont(range, 0.5) OVER (ORDER BY range ROWS 100000 PRECEDING) FROM range(3000000)
SELECT string_agg(range::VARCHAR, ',') OVER (ORDER BY range) FROM range(100000)
SELECT list(range) OVER (ORDER BY range) FROM range(100000)
SELECT mode(range) OVER (ORDER BY range RANGE BETWEEN 1000000 PRECEDING AND 1000000 FOLLOWING) FROM range(3000000)
SELECT count(DISTINCT range) OVER (ORDER BY range ROWS 1000000 PRECEDING) FROM range(3000000)
SELECT lag(range, -9223372036854775808) OVER () FROM range(3)
SELECT ntile(0) OVER () FROM range(3)
SELECT nth_value(range, -1) OVER () FROM range(3)
SELECT range FROM range(100000000) ORDER BY hash(range) DESC
SELECT range, random() FROM range(200000000) ORDER BY 2 OFFSET 199999990
SELECT DISTINCT hash(range) FROM range(200000000)
SELECT count(*) FROM (SELECT range % 7 FROM range(1000000000) GROUP BY ALL)
SELECT * FROM range(10) LIMIT 9223372036854775807 OFFSET 9223372036854775807
SELECT * FROM range(10) LIMIT -1
SELECT * FROM range(100) LIMIT 1e300%
FROM range(1000000000) USING SAMPLE reservoir(100000000 ROWS)
FROM range(1000000000) USING SAMPLE 50% (bernoulli)
SUMMARIZE FROM range(100000000)
SUMMARIZE SELECT repeat('x', 100000) AS x FROM range(100000)
-- many columns, many branches
PIVOT (SELECT range AS a, range % 5000 AS b FROM range(50000)) ON b USING sum(a)
PIVOT (SELECT range AS a FROM range(1000000)) ON a USING count(*)
PIVOT (SELECT range AS a, range % 100 AS b, range % 97 AS c FROM range(50000)) ON b, c USING sum(a), max(a)
UNPIVOT (SELECT COLUMNS(*) FROM clicks) ON COLUMNS(*)
SELECT * FROM range(1000) GROUP BY CUBE (range, range + 1, range + 2, range + 3, range + 4, range + 5, range + 6, range + 7, range + 8, range + 9, range + 10, range + 11)
SELECT a.*, b.*, c.*, d.* FROM clicks a, clicks b, clicks c, clicks d
SELECT count(*) FROM clicks a, clicks b, clicks c, clicks_live d
SELECT count(*) FROM clicks_live a JOIN clicks_live b ON a.action <> b.event_id
SELECT max(properties) FROM clicks_live, range(100000)
SELECT list(c) FROM clicks_live c, range(1000)
SELECT COLUMNS(x -> x LIKE repeat('%a', 10000)) FROM clicks
-- numbers, casts and moments at their ends
SELECT 9223372036854775807 + 1
SELECT -9223372036854775808 // -1
SELECT abs(-9223372036854775808)
SELECT 170141183460469231731687303715884105727::HUGEINT * 2
SELECT 1e308::DOUBLE * 10, sqrt(-1), ln(0), 0::DOUBLE / 0
SELECT factorial(2147483647)
SELECT pow(10, 400)::DECIMAL(38, 0)
SELECT gamma(1e10), lgamma(-1)
SELECT round(1.5, 2147483647), round(1.5, -2147483648)
SELECT 1 << 9223372036854775807
SELECT repeat('9', 1000000)::DECIMAL(38, 10)
SELECT repeat('9', 50000000)::BIGNUM
SELECT bignum(repeat('9', 1000000)) IS NULL
SELECT (repeat('9', 200000)::BIGNUM)::DOUBLE
SELECT 'NaN'::DOUBLE::BIGINT
SELECT repeat('1', 10000000)::DOUBLE
SELECT DATE '5877642-06-25 (BC)' - INTERVAL 1 DAY
SELECT DATE '5881580-07-10' + 1
SELECT 'infinity'::TIMESTAMP - '-infinity'::TIMESTAMP
SELECT TIMESTAMP '294247-01-10 04:00:54.775806' + INTERVAL 1 SECOND
SELECT make_date(2147483647, 99, 99)
SELECT make_timestamp(-9223372036854775808)
SELECT to_timestamp(1e300)
SELECT date_trunc('millennium', 'infinity'::DATE)
SELECT date_diff('microsecond', DATE '0001-01-01', DATE '290000-01-01')
SELECT time_bucket(INTERVAL 0 DAY, TIMESTAMP '2026-01-01')
SELECT INTERVAL '9223372036854775807 years'
SELECT to_years(2147483647) * 2147483647
SELECT age('290000-01-01'::TIMESTAMP, '-290000-01-01'::TIMESTAMP)
SELECT strftime(TIMESTAMP '2026-01-01', repeat('%A', 10000000))
SELECT strptime('x', repeat('%', 100000))
SELECT strptime(repeat('1', 100000), '%Y')
SELECT now() AT TIME ZONE repeat('x', 1000000)
SELECT '12:00'::TIME + INTERVAL '1e18 seconds'
SELECT '\xZZ'::BLOB
SELECT 'a' COLLATE nothing
SELECT repeat('a', 100000000) COLLATE de < repeat('b', 100000000) COLLATE de
SELECT uuid()::VARCHAR::INT
SELECT '00000000-0000-0000-0000-00000000000g'::UUID
SELECT enum_range(NULL::ENUM('a'))
SELECT {'a': 1}.b
SELECT union_tag(union_value(a := 1)), union_extract(union_value(a := 1), 'b')
SELECT struct_extract({'a': 1}, 2147483647)
SELECT [1, 2, 3][-9223372036854775808:9223372036854775807]
SELECT 'abc'[2147483647:-2147483648]
SELECT substring('abc', -9223372036854775808, 9223372036854775807)
SELECT left('abc', -9223372036854775808), right('abc', 9223372036854775807)
SELECT error('x')
SELECT NULL.a.b.c
SELECT CASE WHEN true THEN error(repeat('x', 10000000)) END
SELECT *
FROM
;
