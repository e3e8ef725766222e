-- Every row of bronze is in silver or in quarantine; a table for which that is not so comes out.
SELECT * FROM (
{%- for table in params.tables %}
    SELECT
        '{{ table }}' AS table_name,
        (SELECT count(*) FROM olist_bronze.{{ table }}) AS bronze_rows,
        (SELECT count(*) FROM olist_silver.{{ table }}) AS silver_rows,
        (SELECT count(*) FROM olist_silver.quarantine_{{ table }}) AS quarantined_rows
    {{- " UNION ALL" if not loop.last }}
{%- endfor %}
) AS counted
WHERE bronze_rows <> silver_rows + quarantined_rows
