-- What bronze's full load and changes leave is in silver or in quarantine; a table for which that is not so comes out.
-- Changes above those that the silver job has merged have come since, and are the next run's.
{%- set merged = ti.xcom_pull(task_ids="silver.run_silver").tables %}
SELECT * FROM (
{%- for table, key in params.tables.items() %}
    {%- set last = (merged | selectattr("table", "equalto", table) | first).change_seq %}
    SELECT
        '{{ table }}' AS table_name,
{%- if key %}
        (SELECT count(*) FROM (
            SELECT max_by(op, coalesce(change_seq, '')) AS last_change
            FROM olist_bronze.{{ table }}
            WHERE coalesce(change_seq, '') <= '{{ last }}'
            GROUP BY {{ key | join(", ") }}
        ) AS keys WHERE last_change <> 'D') AS bronze_rows,
{%- else %}
        (
            SELECT count(*) FROM olist_bronze.{{ table }}
            WHERE op = 'I' AND coalesce(change_seq, '') <= '{{ last }}'
        ) AS bronze_rows,
{%- endif %}
        (SELECT count(*) FROM olist_silver.{{ table }}) AS silver_rows,
        (SELECT count(*) FROM olist_silver.quarantine_{{ table }}) AS quarantined_rows
    {{- " UNION ALL" if not loop.last }}
{%- endfor %}
) AS counted
WHERE bronze_rows <> silver_rows + quarantined_rows
