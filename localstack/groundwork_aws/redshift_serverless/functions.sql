-- What Redshift has and PostgreSQL lacks, in the schema "redshift" of every namespace's database.
-- https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions.html
-- SQL functions of one expression are inlined by the planner, and a case over a constant date part is folded away.

create schema if not exists redshift;
grant usage on schema redshift to public;

-- --- time (RS-Q-09, RS-Q-10): timestamps without a zone, in UTC

create or replace function redshift.getdate() returns timestamp language sql stable
as $$ select date_trunc('second', statement_timestamp() at time zone 'UTC') $$;

create or replace function redshift.sysdate() returns timestamp language sql stable
as $$ select transaction_timestamp() at time zone 'UTC' $$;

create or replace function redshift.dateadd(part text, amount bigint, value timestamp) returns timestamp
language sql immutable strict
as $$
    select value + amount * case part
        when 'millennium' then interval '1000 years'
        when 'century' then interval '100 years'
        when 'decade' then interval '10 years'
        when 'year' then interval '1 year'
        when 'quarter' then interval '3 months'
        when 'month' then interval '1 month'
        when 'week' then interval '7 days'
        when 'day' then interval '1 day'
        when 'dow' then interval '1 day'
        when 'doy' then interval '1 day'
        when 'hour' then interval '1 hour'
        when 'minute' then interval '1 minute'
        when 'second' then interval '1 second'
        when 'millisecond' then interval '1 millisecond'
        when 'microsecond' then interval '1 microsecond'
    end
$$;

-- It counts the boundaries between the two, not the time that went by. A week begins on Sunday.
create or replace function redshift.datediff(part text, earlier timestamp, later timestamp) returns bigint
language sql immutable strict
as $$
    select case part
        when 'millennium' then extract(millennium from later) - extract(millennium from earlier)
        when 'century' then extract(century from later) - extract(century from earlier)
        when 'decade' then extract(decade from later) - extract(decade from earlier)
        when 'year' then extract(year from later) - extract(year from earlier)
        when 'quarter' then (extract(year from later) - extract(year from earlier)) * 4
            + extract(quarter from later) - extract(quarter from earlier)
        when 'month' then (extract(year from later) - extract(year from earlier)) * 12
            + extract(month from later) - extract(month from earlier)
        when 'week' then (date_trunc('week', later + interval '1 day')::date
            - date_trunc('week', earlier + interval '1 day')::date) / 7
        when 'day' then later::date - earlier::date
        when 'dow' then later::date - earlier::date
        when 'doy' then later::date - earlier::date
        when 'hour' then extract(epoch from date_trunc('hour', later) - date_trunc('hour', earlier)) / 3600
        when 'minute' then extract(epoch from date_trunc('minute', later) - date_trunc('minute', earlier)) / 60
        when 'second' then extract(epoch from date_trunc('second', later) - date_trunc('second', earlier))
        when 'millisecond' then extract(
            epoch from date_trunc('millisecond', later) - date_trunc('millisecond', earlier)) * 1000
        when 'microsecond' then extract(epoch from later - earlier) * 1000000
    end::bigint
$$;

-- Of a date it is a timestamp; PostgreSQL would make it one with a zone.
create or replace function redshift.date_trunc(part text, value date) returns timestamp language sql immutable strict
as $$ select pg_catalog.date_trunc(part, value::timestamp) $$;

create or replace function redshift.date_trunc(part text, value timestamp) returns timestamp
language sql immutable strict
as $$ select pg_catalog.date_trunc(part, value) $$;

create or replace function redshift.date_trunc(part text, value timestamptz) returns timestamptz
language sql stable strict
as $$ select pg_catalog.date_trunc(part, value) $$;

create or replace function redshift.last_day(value timestamp) returns date language sql immutable strict
as $$ select (date_trunc('month', value) + interval '1 month - 1 day')::date $$;

-- The last day of a month becomes the last day of the other one.
create or replace function redshift.add_months(value timestamp, months integer) returns timestamp
language sql immutable strict
as $$
    select case when value::date = redshift.last_day(value)
        then redshift.last_day(value + months * interval '1 month') + value::time
        else value + months * interval '1 month'
    end
$$;

-- Whole months where both are the same day or both the last one; else the rest counts in 31sts.
create or replace function redshift.months_between(later timestamp, earlier timestamp) returns double precision
language sql immutable strict
as $$
    select case
        when extract(day from later) = extract(day from earlier)
            or (later::date = redshift.last_day(later) and earlier::date = redshift.last_day(earlier))
        then redshift.datediff('month', earlier, later)::double precision
        else redshift.datediff('month', earlier, later) + (extract(epoch from later - date_trunc('month', later))
            - extract(epoch from earlier - date_trunc('month', earlier)))::double precision / (31 * 86400)
    end
$$;

create or replace function redshift.next_day(value timestamp, weekday text) returns date language sql immutable strict
as $$
    select value::date + 1 + (
        (position(lower(left(weekday, 2)) in 'sumotuwethfrsa') - 1) / 2 - extract(dow from value)::integer + 6
    ) % 7
$$;

create or replace function redshift.convert_timezone(source text, target text, value timestamp) returns timestamp
language sql stable strict
as $$ select value at time zone source at time zone target $$;

create or replace function redshift.convert_timezone(target text, value timestamp) returns timestamp
language sql stable strict
as $$ select value at time zone 'UTC' at time zone target $$;

create or replace function redshift.trunc(value timestamp) returns date language sql immutable strict
as $$ select value::date $$;

create or replace function redshift.trunc(value numeric, places integer default 0) returns numeric
language sql immutable strict
as $$ select pg_catalog.trunc(value, places) $$;

create or replace function redshift.trunc(value double precision) returns double precision
language sql immutable strict
as $$ select pg_catalog.trunc(value) $$;

-- --- text (RS-Q-11)

create or replace function redshift.len(value text) returns integer language sql immutable strict
as $$ select char_length(value) $$;

create or replace function redshift.textlen(value text) returns integer language sql immutable strict
as $$ select char_length(value) $$;

create or replace function redshift.charindex(part text, whole text) returns integer language sql immutable strict
as $$ select strpos(whole, part) $$;

create or replace function redshift.replicate(value text, times integer) returns text language sql immutable strict
as $$ select repeat(value, times) $$;

create or replace function redshift.sha2(value text, bits integer) returns text language sql immutable strict
as $$
    select encode(case bits
        when 0 then sha256(convert_to(value, 'UTF8'))
        when 224 then sha224(convert_to(value, 'UTF8'))
        when 256 then sha256(convert_to(value, 'UTF8'))
        when 384 then sha384(convert_to(value, 'UTF8'))
        when 512 then sha512(convert_to(value, 'UTF8'))
    end, 'hex')
$$;

-- A number in a base from 2 to 36, with a sign and, in base 16, with 0x.
create or replace function redshift.strtol(value text, base integer) returns bigint language plpgsql immutable strict
as $$
declare
    digits text := lower(trim(value));
    negative boolean := digits like '-%';
    digit integer;
    result numeric := 0;
begin
    if base not between 2 and 36 then
        raise exception 'The base % of strtol is not between 2 and 36', base;
    end if;
    digits := ltrim(digits, '+-');
    if base = 16 and digits like '0x%' then
        digits := substr(digits, 3);
    end if;
    for i in 1..length(digits) loop
        digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(digits, i, 1)) - 1;
        if digit not between 0 and base - 1 then
            raise exception 'The input % is not valid to be converted to base %', value, base;
        end if;
        result := result * base + digit;
    end loop;
    return case when negative then -result else result end;
end
$$;

-- --- JSON in text (RS-Q-13)

create or replace function redshift.is_valid_json(value text) returns boolean language sql immutable strict
as $$ select value is json object $$;

create or replace function redshift.json_array_length(value text) returns integer language sql immutable strict
as $$ select pg_catalog.json_array_length(value::json) $$;

create or replace function redshift.json_extract_array_element_text(value text, place integer) returns text
language sql immutable strict
as $$ select value::json ->> place $$;

create or replace function redshift.json_extract_path_text(value text, variadic path text[]) returns text
language sql immutable strict
as $$ select value::json #>> path $$;

-- --- what the engine of COPY and ALTER TABLE leaves behind

create or replace function redshift.pg_last_copy_count() returns bigint language sql stable
as $$ select coalesce(nullif(current_setting('redshift.last_copy_count', true), ''), '0')::bigint $$;

-- A VARCHAR's length is bytes, which a check watches: give it a new one with the new length.
create or replace procedure redshift.resize_varchar(table_name text, column_name text, max_bytes integer)
language plpgsql
as $$
declare
    old record;
begin
    for old in
        select conname from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
        where c.conrelid = table_name::regclass and a.attname = column_name and c.conname like 'varchar\_bytes\_%'
    loop
        execute format('alter table %s drop constraint %I', table_name, old.conname);
    end loop;
    execute format('alter table %s alter column %I type varchar(%s)', table_name, column_name, max_bytes);
    execute format(
        'alter table %s add constraint %I check (octet_length(%I) <= %s)',
        table_name, 'varchar_bytes_' || max_bytes || '_' || left(column_name, 40), column_name, max_bytes);
end
$$;
