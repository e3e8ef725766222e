COPY silver.{{ params.table }}
FROM 's3://{{ var.value.silver_bucket }}/olist/_manifests/{{ params.table }}.manifest'
IAM_ROLE '{{ var.value.redshift_copy_role_arn }}'
FORMAT AS PARQUET
MANIFEST
