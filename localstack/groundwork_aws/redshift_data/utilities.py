"""Statements about the database rather than its rows: schemas, users, rights, transactions, settings.

https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_commands.html
"""

from collections.abc import Callable

from groundwork_aws.redshift_data.tokens import Cursor, RedshiftError, Token, literal, quote, syntax_error, text_of

DROPPABLE = ("TABLE", "VIEW", "SCHEMA", "USER", "GROUP", "ROLE", "MATERIALIZED", "PROCEDURE", "FUNCTION")
# Redshift's own settings, which nothing here reads, and those that both have. SESSION AUTHORIZATION is not among them.
OWN_SETTINGS = {
    "query_group", "wlm_query_slot_count", "enable_result_cache_for_session", "enable_case_sensitive_identifier",
    "downcase_delimited_identifier", "describe_field_name_in_uppercase", "mv_enable_aqmv_for_session", "auto_mv",
    "json_serialization_enable", "query_label",
}  # fmt: skip
SHARED_SETTINGS = {"search_path", "statement_timeout", "timezone", "datestyle", "client_encoding", "extra_float_digits",
                   "application_name", "idle_in_transaction_session_timeout"}  # fmt: skip
BEFORE_ROLE = ("GRANT", "REVOKE", "TO", "FROM", ",")


def names_as_written(tokens: list[Token]) -> str:
    """The statement as it is, but with identifiers folded as Redshift folds them."""
    texts = [Token(t.kind, quote(t.name()) if t.kind == "quoted" else t.text, t.before) for t in tokens]
    return text_of(texts)


def grant(tokens: list[Token]) -> str:
    """PostgreSQL has no word ROLE before a role's name."""
    kept = [
        t
        for before, t in zip([tokens[0], *tokens], tokens, strict=False)
        if not (t.is_("ROLE") and before.is_(*BEFORE_ROLE))
    ]
    return names_as_written(kept)


def create(cursor: Cursor, tokens: list[Token]) -> str:
    """CREATE SCHEMA, USER, GROUP or ROLE; ``cursor`` is after CREATE."""
    if cursor.accept("SCHEMA"):
        return create_schema(cursor)
    if cursor.accept("USER"):
        name = quote(cursor.identifier())
        return f"create role {name} login{user_options(cursor)}"
    if cursor.accept("ROLE"):
        name = quote(cursor.identifier())
        cursor.end()
        return f"create role {name}"
    cursor.expect("GROUP")
    return names_as_written(tokens)


def create_schema(cursor: Cursor) -> str:
    if_not_exists = "if not exists " if cursor.accept("IF", "NOT", "EXISTS") else ""
    statement = f"create schema {if_not_exists}{quote(cursor.identifier())}"
    if cursor.accept("AUTHORIZATION"):
        statement += f" authorization {quote(cursor.identifier())}"
    if cursor.accept("QUOTA") and not cursor.accept("UNLIMITED"):
        raise RedshiftError("CREATE SCHEMA … QUOTA is not done here")
    cursor.end()
    return statement


def user_options(cursor: Cursor) -> str:
    """Redshift's words for a user; a superuser is not to be had."""
    options = ""
    while token := cursor.peek():
        cursor.accept("WITH")
        if cursor.accept("PASSWORD"):
            options += password(cursor)
        elif cursor.accept("CONNECTION", "LIMIT"):
            limit = cursor.next()
            options += f" connection limit {'-1' if limit.is_('UNLIMITED') else limit.text}"
        elif cursor.accept("VALID", "UNTIL"):
            options += f" valid until {literal(cursor.string())}"
        elif cursor.accept("IN", "GROUP"):
            options += f" in role {quote(cursor.identifier())}"
        elif token.is_("CREATEUSER", "CREATEDB"):
            raise RedshiftError(f"permission denied: {token.upper} is not granted here", position=token.position)
        elif not (cursor.accept("NOCREATEUSER") or cursor.accept("NOCREATEDB")):
            raise syntax_error(token)
    return options


def password(cursor: Cursor) -> str:
    if cursor.accept("DISABLE"):
        return " password null"
    value = cursor.string()
    if value.startswith(("md5", "sha256|")):
        raise RedshiftError("A hashed password is not taken here", hint="Give the password itself.")
    if not 8 <= len(value) <= 64 or not all(any(f(c) for c in value) for f in (str.isupper, str.islower, str.isdigit)):
        raise RedshiftError(
            "Password must be 8 to 64 characters with an upper case letter, a lower case letter and a digit."
        )
    return f" password {literal(value)}"


def alter(cursor: Cursor, tokens: list[Token]) -> str:
    """ALTER of anything but a table; ``cursor`` is after ALTER."""
    if cursor.accept("USER"):
        name = quote(cursor.identifier())
        if cursor.peek() and cursor.peek().is_("RENAME", "SET", "RESET"):
            return f"alter role {name} {names_as_written(cursor.rest())}"
        return f"alter role {name}{user_options(cursor)}"
    if cursor.accept("DEFAULT", "PRIVILEGES") or cursor.accept("GROUP") or cursor.accept("SCHEMA"):
        return names_as_written(tokens)
    raise syntax_error(cursor.peek())


def drop(tokens: list[Token]) -> str:
    if len(tokens) < 2 or not tokens[1].is_(*DROPPABLE):
        raise syntax_error(tokens[1] if len(tokens) > 1 else None)
    texts = [Token("raw", quote(t.name()), t.before) if t.text.startswith("#") else t for t in tokens]
    return names_as_written(texts)


def truncate(tokens: list[Token]) -> str:
    """RS-Q-16: it commits, which the runner does."""
    cursor = Cursor(tokens)
    cursor.expect("TRUNCATE")
    cursor.accept("TABLE")
    name = cursor.qualified_name()
    cursor.end()
    return f"truncate table {quote(*name)}"


def set_setting(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("SET")
    cursor.accept("LOCAL") or cursor.accept("SESSION")
    token = cursor.next()
    name = token.name()
    if name in OWN_SETTINGS:
        return ""
    if name == "seed" or name in SHARED_SETTINGS:
        return names_as_written(tokens)
    raise RedshiftError(f'unrecognized configuration parameter "{name}"', position=token.position)


def reset(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("RESET")
    name = cursor.identifier()
    cursor.end()
    if name in OWN_SETTINGS:
        return ""
    if name not in SHARED_SETTINGS:
        raise RedshiftError(f'unrecognized configuration parameter "{name}"')
    return f"reset {name}"


def show(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("SHOW")
    token = cursor.next()
    if token.is_("TABLES", "COLUMNS", "SCHEMAS", "DATABASES", "GRANTS", "TABLE", "VIEW", "PROCEDURE", "EXTERNAL"):
        raise RedshiftError(f"SHOW {token.upper} is not done here", hint="Ask information_schema.")
    return names_as_written(tokens)


def lock(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("LOCK")
    cursor.accept("TABLE")
    names = [quote(*cursor.qualified_name())]
    while cursor.accept(","):
        names.append(quote(*cursor.qualified_name()))
    cursor.end()
    return f"lock table {', '.join(names)}"


def begin(tokens: list[Token]) -> str:
    """Isolation is serializable whatever is said, and nothing here emulates its conflicts (RS-Q-20)."""
    return "begin read only" if text_of(tokens).upper().endswith("READ ONLY") else "begin"


def commit(tokens: list[Token]) -> str:
    return "commit"


def rollback(tokens: list[Token]) -> str:
    if any(token.is_("TO", "PREPARED") for token in tokens):
        raise syntax_error(tokens[1])
    return "rollback"


def vacuum(tokens: list[Token]) -> str:
    """PostgreSQL's own; which kind and to how many percent is Redshift's affair."""
    cursor = Cursor(tokens)
    cursor.expect("VACUUM")
    for kind in (("FULL",), ("SORT", "ONLY"), ("DELETE", "ONLY"), ("REINDEX",), ("RECLUSTER",)):
        if cursor.accept(*kind):
            break
    if cursor.peek() is None or cursor.peek().is_("TO", "BOOST"):
        return "vacuum"
    return f"vacuum {quote(*cursor.qualified_name())}"


def analyze(tokens: list[Token]) -> str:
    cursor = Cursor(tokens)
    cursor.expect("ANALYZE")
    if cursor.accept("COMPRESSION"):
        raise RedshiftError("ANALYZE COMPRESSION is not done here")
    cursor.accept("VERBOSE")
    if cursor.peek() is None or cursor.peek().is_("PREDICATE", "ALL"):
        return "analyze"
    name = quote(*cursor.qualified_name())
    columns = f" ({text_of(cursor.parenthesised())})" if cursor.peek() and cursor.peek().text == "(" else ""
    return f"analyze {name}{columns}"


STATEMENTS: dict[str, Callable[[list[Token]], str]] = {
    "DROP": drop,
    "TRUNCATE": truncate,
    "SET": set_setting,
    "RESET": reset,
    "SHOW": show,
    "LOCK": lock,
    "BEGIN": begin,
    "START": begin,
    "COMMIT": commit,
    "END": commit,
    "ROLLBACK": rollback,
    "ABORT": rollback,
    "VACUUM": vacuum,
    "ANALYZE": analyze,
    "ANALYSE": analyze,
    "GRANT": grant,
    "REVOKE": grant,
    "COMMENT": names_as_written,
    "CALL": names_as_written,
}
