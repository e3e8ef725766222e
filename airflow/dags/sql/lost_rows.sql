-- What bronze's full load and changes leave is in silver or in quarantine; a table for which that is not so comes out.
SELECT * FROM (
{%- for table, key in params.tables.items() %}
    SELECT
        '{{ table }}' AS table_name,
{%- if key %}
        (SELECT count(*) FROM (
            SELECT max_by(op, coalesce(change_seq, '')) AS last_change
            FROM olist_bronze.{{ table }}
            GROUP BY {{ key | join(", ") }}
        ) AS keys WHERE last_change <> 'D') AS bronze_rows,
{%- else %}
        (SELECT count(*) FROM olist_bronze.{{ table }} WHERE op = 'I') AS bronze_rows,
{%- endif %}
        (SELECT count(*) FROM olist_silver.{{ table }}) AS silver_rows,
        (SELECT count(*) FROM olist_silver.quarantine_{{ table }}) AS quarantined_rows
    {{- " UNION ALL" if not loop.last }}
{%- endfor %}
) AS counted
WHERE bronze_rows <> silver_rows + quarantined_rows
