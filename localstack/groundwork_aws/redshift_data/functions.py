"""Which functions Redshift has, and how a call is said in PostgreSQL.

https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions.html
https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-functions.html

A call that is not listed is refused, so that what only PostgreSQL has does not pass (RS-Q-08). Most calls mean the same
in both or go to a function of the schema ``redshift`` (functions.sql); the ones below have another shape.
"""

from collections.abc import Callable

from groundwork_aws.redshift_data.tokens import RedshiftError, Token, literal, syntax_error, text_of


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SAME = words(
    """
    abs acos asin atan atan2 avg bit_and bit_or bool_and bool_or bpcharcmp btrim cbrt ceil ceiling char_length
    character_length chr coalesce concat cos cot count cume_dist current_database current_schema
    current_schemas current_setting current_user current_user_id date degrees dense_rank dexp dlog1 dlog10
    every exp extract first_value floor greatest has_database_privilege has_schema_privilege
    has_table_privilege has_column_privilege initcap lag last_value lead least left length ln log lower lpad
    ltrim max md5 min mod nth_value ntile nullif octet_length percent_rank percentile_cont percentile_disc
    pg_backend_pid pg_get_userbyid pg_get_viewdef pg_table_is_visible pi position power quote_ident
    quote_literal radians random rank regexp_count regexp_instr regexp_substr repeat replace reverse right
    round row_number rpad rtrim session_user sign sin sqrt stddev stddev_pop stddev_samp strpos substr
    substring sum tan timezone to_char to_date to_hex to_number to_timestamp translate trim upper user var_pop
    var_samp variance version obj_description ascii format_type any_value pg_encoding_to_char
    """
)
EMULATED = words(
    """
    add_months charindex convert_timezone date_trunc getdate is_valid_json json_array_length
    json_extract_array_element_text json_extract_path_text last_day len months_between next_day
    pg_last_copy_count replicate sha2 textlen
    """
)
# Redshift runs these on its leader node only: not over a table (RS-Q-08).
LEADER_ONLY = frozenset(
    {"generate_series", "now", "age", "current_timestamp", "current_time", "localtime", "localtimestamp"}
)
# Redshift has these, and nothing here does what they do.
NOT_DONE = words(
    """
    array array_concat array_flatten array_to_string collate cosh crc32 date_cmp date_part_year difference
    farmfingerprint64 farmhash64 fnv_hash from_varbyte func_sha1 get_array_length hll hll_cardinality
    interval_cmp is_array is_object is_varchar json_parse json_serialize json_size json_typeof
    lower_attribute_names object object_transform pg_last_query_id pg_last_unload_count pg_last_unload_id
    pg_terminate_backend ratio_to_report sha sha1 sinh soundex split_to_array subarray tanh timeofday
    timestamp_cmp to_varbyte try_cast upper_attribute_names
    """
)
# words that are followed by a parenthesis and call nothing
NOT_CALLS = words(
    """
    ALL AND ANY AS BETWEEN BY CASE CHECK DISTINCT ELSE EXCEPT EXISTS FROM GROUPING SETS ROLLUP CUBE HAVING IN
    INTERSECT INTO IS JOIN KEY LIKE ILIKE LIMIT MINUS NOT OFFSET ON OR ORDER OVER PARTITION PRIMARY SELECT SET
    SIMILAR SOME TO TABLE THEN UNION UNIQUE USING VALUES WHEN WHERE WITH WITHIN GROUP FILTER RECURSIVE ASC
    DESC END QUALIFY TOP UNPIVOT PIVOT FOR INSERT TEMPORARY
    """
)

UNITS = {
    unit: canonical
    for canonical, units in {
        "millennium": "millennium millennia mil mils",
        "century": "century centuries c cent cents",
        "decade": "decade decades dec decs",
        "year": "year years y yr yrs",
        "quarter": "quarter quarters qtr qtrs",
        "month": "month months mon mons",
        "week": "week weeks w",
        "day": "day days d",
        "hour": "hour hours h hr hrs",
        "minute": "minute minutes m min mins",
        "second": "second seconds s sec secs",
        "millisecond": "millisecond milliseconds ms msec msecs msecond mseconds millisec millisecs millisecon",
        "microsecond": "microsecond microseconds us usec usecs useconds microsec microsecs microsecond",
        "dow": "dow dayofweek dw weekday",
        "doy": "doy dayofyear dy yearday",
        "epoch": "epoch",
    }.items()
    for unit in units.split()
}

Arguments = list[list[Token]]
Render = Callable[[list[Token]], str]


def check_name(token: Token, name: str, has_table: bool) -> None:
    """Raises RedshiftError for a function that Redshift does not have, or does not have here."""
    if name in LEADER_ONLY:
        if has_table:
            raise RedshiftError(
                "Specified types or functions (one per INFO message) not supported on Redshift tables.",
                detail=f'Function "{name}" runs on the leader node only.',
            )
    elif name in NOT_DONE:
        raise RedshiftError(f"function {name} is not done here", position=token.position)
    elif name not in SAME and name not in EMULATED and name not in CALLS and not name.startswith("f_"):
        # The prefix f_ is the one that AWS reserves for a user's own functions.
        raise RedshiftError(f"function {name}(...) does not exist", position=token.position)


def unit_of(tokens: list[Token]) -> str:
    """The date part that a call names, as a bare word or a string. Raises RedshiftError."""
    if len(tokens) != 1 or tokens[0].kind not in ("word", "string", "quoted"):
        raise syntax_error(tokens[0] if tokens else None)
    word = tokens[0].value() if tokens[0].kind == "string" else tokens[0].name()
    if word.lower() not in UNITS:
        raise RedshiftError(f'timestamp units "{word}" not recognized', position=tokens[0].position)
    return UNITS[word.lower()]


def need(arguments: Arguments, name: str, *counts: int) -> None:
    if len(arguments) not in counts:
        raise RedshiftError(
            f"function {name}(...) does not exist", detail=f"It takes {' or '.join(map(str, counts))} arguments."
        )


def dateadd(arguments: Arguments, render: Render) -> str:
    need(arguments, "dateadd", 3)
    return f"redshift.dateadd({literal(unit_of(arguments[0]))}, {render(arguments[1])}, {render(arguments[2])})"


def datediff(arguments: Arguments, render: Render) -> str:
    need(arguments, "datediff", 3)
    return f"redshift.datediff({literal(unit_of(arguments[0]))}, {render(arguments[1])}, {render(arguments[2])})"


def date_part(arguments: Arguments, render: Render) -> str:
    need(arguments, "date_part", 2)
    return f"date_part({literal(unit_of(arguments[0]))}, {render(arguments[1])})"


def nvl(arguments: Arguments, render: Render) -> str:
    return f"coalesce({', '.join(map(render, arguments))})"


def nvl2(arguments: Arguments, render: Render) -> str:
    need(arguments, "nvl2", 3)
    tested, present, absent = map(render, arguments)
    return f"case when ({tested}) is not null then {present} else {absent} end"


def decode(arguments: Arguments, render: Render) -> str:
    """NULL equals NULL in it, as it does nowhere else."""
    if len(arguments) < 3:
        need(arguments, "decode", 3)
    value, *rest = map(render, arguments)
    default = f" else {rest.pop()}" if len(rest) % 2 else ""
    pairs = zip(rest[::2], rest[1::2], strict=True)
    cases = "".join(f" when ({value}) is not distinct from ({searched}) then {result}" for searched, result in pairs)
    return f"case{cases}{default} end"


def median(arguments: Arguments, render: Render) -> str:
    need(arguments, "median", 1)
    return f"percentile_cont(0.5) within group (order by {render(arguments[0])})"


def strtol(arguments: Arguments, render: Render) -> str:
    """The leading digits of an MD5 in base 16, the usual checksum, become a bit string: no function call per row."""
    need(arguments, "strtol", 2)
    digits = digits_of_md5(arguments[0])
    if digits and text_of(arguments[1]) == "16":
        return f"('x' || {render(arguments[0])})::bit({4 * digits})::bigint"
    return f"redshift.strtol({render(arguments[0])}, {render(arguments[1])})"


def digits_of_md5(tokens: list[Token]) -> int:
    """How many digits ``substring(md5(…), n, digits)`` takes when it surely takes so many; else 0."""
    texts = [token.text.lower() for token in tokens]
    if texts[:4] not in (["substring", "(", "md5", "("], ["left", "(", "md5", "("]) or texts[-1:] != [")"]:
        return 0
    tail = texts[-4:-1] if texts[0] == "left" else texts[-6:-1]
    numbers = [int(text) for text in tail if text.isdigit()]
    if texts[0] == "left":
        start, digits = 1, numbers[-1] if tail[0] == ")" and tail[1] == "," and len(numbers) == 1 else 0
    else:
        fits = tail[0] == ")" and tail[1] == tail[3] == "," and len(numbers) == 2
        start, digits = numbers if fits else (1, 0)
    return digits if 1 <= digits <= 15 and 1 <= start <= 33 - digits else 0


def regexp_replace(arguments: Arguments, render: Render) -> str:
    """Redshift replaces every match, PostgreSQL the first."""
    need(arguments, "regexp_replace", 2, 3, 4)
    values = list(map(render, arguments))
    source, pattern, replacement, start = values + ["''", "1"][len(values) - 2 :]
    return f"regexp_replace({source}, {pattern}, {replacement}, {start}, 0)"


def split_part(arguments: Arguments, render: Render) -> str:
    need(arguments, "split_part", 3)
    if arguments[2][0].text == "-":
        raise RedshiftError("field position must be greater than zero")
    return f"split_part({', '.join(map(render, arguments))})"


def trunc(arguments: Arguments, render: Render) -> str:
    return f"redshift.trunc({', '.join(map(render, arguments))})"


def isnull(arguments: Arguments, render: Render) -> str:
    need(arguments, "isnull", 2)
    return nvl(arguments, render)


CALLS: dict[str, Callable[[Arguments, Render], str]] = {
    "dateadd": dateadd,
    "datediff": datediff,
    "date_part": date_part,
    "pgdate_part": date_part,
    "nvl": nvl,
    "nvl2": nvl2,
    "isnull": isnull,
    "decode": decode,
    "median": median,
    "strtol": strtol,
    "regexp_replace": regexp_replace,
    "split_part": split_part,
    "trunc": trunc,
}
