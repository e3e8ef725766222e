-- Not TRUNCATE, which commits on Redshift: readers see the old rows until the new ones are there.
DELETE FROM silver.{{ params.table }}
