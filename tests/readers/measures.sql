SELECT
    "partition", "hour",
    count(*) AS row_count,
    count(DISTINCT "place") AS places,
    count(DISTINCT event_id) AS ids,
    CAST(sum("offset") AS BIGINT) AS offsets,
    min("offset") AS least,
    max("offset") AS greatest,
    CAST(sum(worth) AS BIGINT) AS worth
FROM (
    SELECT
        "partition", "offset", event_id,
        CAST(
            EXTRACT(YEAR FROM appended_at) * 1000000 + EXTRACT(MONTH FROM appended_at) * 10000
            + EXTRACT(DAY FROM appended_at) * 100 + EXTRACT(HOUR FROM appended_at) AS INT
        ) AS "hour",
        CAST("partition" AS BIGINT) * 1000000000000 + "offset" AS "place",
        {worth} AS worth
    FROM {table}
) AS clicks
GROUP BY GROUPING SETS ((), ("partition"), ("hour"))
