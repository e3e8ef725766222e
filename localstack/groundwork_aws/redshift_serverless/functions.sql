-- What Redshift has and PostgreSQL lacks, installed into the schema "redshift" of every namespace's database.
create schema if not exists redshift;
grant usage on schema redshift to public;
