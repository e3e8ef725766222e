"""Trino's functions in DuckDB: by the same name, by another name, or by a macro where the two engines differ.

Only what is listed here can be called; any other name is refused as Athena refuses a function it does not have. So a
function of DuckDB's own never slips through, nor one of Trino's whose result would be subtly different.
https://trino.io/docs/current/functions.html
"""

SAME = frozenset({
    "abs", "acos", "any_value", "array_agg", "asin", "atan", "atan2", "avg", "bit_count", "bool_and", "bool_or",
    "cbrt", "ceil", "ceiling", "chr", "coalesce", "concat_ws", "corr", "cos", "count", "count_if", "covar_pop",
    "covar_samp", "cume_dist", "date_trunc", "day", "degrees", "dense_rank", "exp", "first_value", "flatten",
    "floor", "from_base64", "grouping", "hour", "lag", "last_value", "lead", "length", "ln", "log10", "log2",
    "lower", "lpad", "ltrim", "map_keys", "map_values", "max", "min", "minute", "mod", "month", "now",
    "nth_value", "ntile", "nullif", "percent_rank", "pi", "pow", "power", "quarter", "radians", "random",
    "rank", "regr_intercept", "regr_slope", "replace", "round", "row_number", "rpad", "rtrim", "sign", "sin",
    "sqrt", "starts_with", "stddev_pop", "stddev_samp", "strpos", "substr", "substring", "sum", "tan",
    "to_base64", "translate", "trim", "try", "upper", "uuid", "var_pop", "var_samp", "week", "year",
})  # fmt: skip

RENAMED = {
    "approx_distinct": "approx_count_distinct",
    "approx_percentile": "approx_quantile",
    "arbitrary": "any_value",
    "array_max": "list_max",
    "array_min": "list_min",
    "array_sort": "list_sort",
    "cardinality": "len",
    "codepoint": "unicode",
    "contains": "list_contains",
    "date_diff": "date_sub",  # Trino counts whole units that passed, DuckDB's date_diff counts boundaries
    "day_of_month": "day",
    "day_of_week": "isodow",
    "day_of_year": "dayofyear",
    "dow": "isodow",
    "doy": "dayofyear",
    "every": "bool_and",
    "filter": "list_filter",
    "from_hex": "unhex",
    "from_utf8": "decode",
    "is_finite": "isfinite",
    "is_infinite": "isinf",
    "is_nan": "isnan",
    "json_array_length": "json_array_length",
    "last_day_of_month": "last_day",
    "levenshtein_distance": "levenshtein",
    "map_agg": "trino_map_agg",
    "max_by": "arg_max_null",
    "min_by": "arg_min_null",
    "rand": "random",
    "regexp_like": "regexp_matches",
    "sequence": "generate_series",
    "split": "string_split",
    "stddev": "stddev_samp",
    "to_hex": "hex",
    "to_unixtime": "epoch",
    "to_utf8": "encode",
    "transform": "list_transform",
    "truncate": "trunc",
    "variance": "var_samp",
    "week_of_year": "week",
    "year_of_week": "isoyear",
    "yow": "isoyear",
}

# Java prints a double as 1.0E10 from ten million on and below a thousandth, DuckDB as 10000000000.0 and 1e-05. These
# turn the one text into the other; n is the significant digits, m the mantissa as DuckDB prints it.
JAVA_DOUBLE = (
    "create macro trino_significant(m) as ltrim(replace(m, '.', ''), '0')",
    """create macro trino_power(t, m) as coalesce(try_cast(nullif(split_part(t, 'e', 2), '') as integer), 0)
        + length(split_part(m, '.', 1)) - 1 - (length(replace(m, '.', '')) - length(trino_significant(m)))""",
    """create macro trino_scientific(n, power) as
        left(n, 1) || '.' || coalesce(nullif(rtrim(substr(n, 2), '0'), ''), '0') || 'E' || power""",
    """create macro trino_java_double(t) as case
        when t is null then null
        when t = 'nan' then 'NaN' when t = 'inf' then 'Infinity' when t = '-inf' then '-Infinity'
        when t::double = 0 or (abs(t::double) >= 0.001 and abs(t::double) < 10000000) then t
        else if(t[1] = '-', '-', '') || trino_scientific(
            trino_significant(split_part(ltrim(t, '-'), 'e', 1)), trino_power(t, split_part(ltrim(t, '-'), 'e', 1)))
        end""",
)

MACROS = (
    *JAVA_DOUBLE,
    """create macro trino_timestamp_text(t) as
        case when contains(t, '.') then left(rpad(t, 23, '0'), 23) else t || '.000' end""",
    """create macro trino_time_text(t) as
        case when contains(t, '.') then left(rpad(t, 12, '0'), 12) else t || '.000' end""",
    # typeof() is a constant when a query is planned, so only one branch is left when it runs
    """create macro trino_varchar(x) as case typeof(x)
        when 'DOUBLE' then trino_java_double(x::varchar)
        when 'FLOAT' then trino_java_double(x::varchar)
        when 'TIMESTAMP' then trino_timestamp_text(x::varchar)
        when 'TIMESTAMP WITH TIME ZONE' then trino_timestamp_text(left(x::varchar, -3)) || ' UTC'
        when 'TIME' then trino_time_text(x::varchar)
        else x::varchar end""",
    "create macro trino_array_position(a, x) as coalesce(list_position(a, x), 0)",
    "create macro trino_array_join(a, d) as array_to_string(list_transform(a, lambda e: trino_varchar(e)), d)",
    "create macro trino_bitwise_and(a, b) as a & b",
    "create macro trino_bitwise_or(a, b) as a | b",
    "create macro trino_bitwise_xor(a, b) as xor(a, b)",
    "create macro trino_date(x) as cast(x as date)",
    "create macro trino_element_at(x, i) as x[i]",
    "create macro trino_from_iso8601_date(x) as cast(x as date)",
    "create macro trino_from_iso8601_timestamp(x) as cast(x as timestamptz)",
    "create macro trino_from_unixtime(x) as to_timestamp(x)",
    "create macro trino_infinity() as 'inf'::double",
    """create macro trino_json_extract_scalar(j, p) as
        case when json_type(j, p) in ('OBJECT', 'ARRAY') then null else json_extract_string(j, p) end""",
    "create macro trino_map_agg(k, v) as map_from_entries(list({'k': k, 'v': v}))",
    "create macro trino_md5(x) as unhex(md5(x))",
    "create macro trino_millisecond(x) as millisecond(x) % 1000",
    "create macro trino_nan() as 'nan'::double",
    "create macro trino_regexp_extract(s, p) as case when regexp_matches(s, p) then regexp_extract(s, p) end",
    "create macro trino_sha1(x) as unhex(sha1(x))",
    "create macro trino_sha256(x) as unhex(sha256(x))",
    "create macro trino_second(x) as second(x)",
    # DuckDB answers NULL where Trino fails or, for doubles, answers infinity
    "create macro trino_divide(a, b) as case when b = 0 then error('Division by zero') else a / b end",
    """create macro trino_divide_double(a, b) as
        case when b = 0 then case when a > 0 then 'inf'::double when a < 0 then '-inf'::double
            when a is not null then 'nan'::double end else a / b end""",
    """create macro trino_split_part(s, d, i) as
        case when i <= len(string_split(s, d)) then split_part(s, d, i) when s is null then null end""",
    "create macro trino_to_base(n, r) as lower(to_base(n, r))",
)

# macros above, each called trino_ and the name
OWN = {
    "array_position", "array_join", "bitwise_and", "bitwise_or", "bitwise_xor", "date", "element_at",
    "from_iso8601_date", "from_iso8601_timestamp", "from_unixtime", "infinity", "json_extract_scalar", "md5",
    "millisecond", "nan", "regexp_extract", "sha1", "sha256", "second", "split_part", "to_base",
}  # fmt: skip

# What a function is called in DuckDB, by its name in Trino.
DUCKDB_NAMES: dict[str, str] = {name: name for name in SAME} | RENAMED | {name: f"trino_{name}" for name in OWN}

# https://trino.io/docs/current/functions/datetime.html#mysql-date-functions, in strftime's letters
MYSQL_FORMATS = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M",
    "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S",
    "T": "%H:%M:%S", "v": "%V", "W": "%A", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip

# https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html, in strftime's letters
JODA_FORMATS = {
    "yyyy": "%Y", "YYYY": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d",
    "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g",
    "EEEE": "%A", "EEE": "%a", "E": "%a", "a": "%p", "DDD": "%j", "xxxx": "%G", "ww": "%V", "e": "%u",
}  # fmt: skip
