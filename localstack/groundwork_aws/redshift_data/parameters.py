"""Named parameters of the Data API (RS-D-05): ``:name`` stands for a value, never for an identifier.

https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling-considerations-parameters.html
"""

from groundwork_aws.redshift_data.tokens import literal, text_of, tokenize, with_text


class BadParameters(Exception):
    """The request's parameters do not fit its SQL; the text is the ValidationException's."""


def bind(sqls: list[str], parameters: list[dict]) -> list[str]:
    """The SQL texts with each parameter as an untyped literal, which the server casts to what its place asks for.

    Raises BadParameters for a parameter that no text uses, one that has no value, and an empty value.
    """
    values = {parameter["name"].lower(): parameter["value"] for parameter in parameters}
    empty = [name for name, value in values.items() if value == ""]
    if empty:
        raise BadParameters(f"Parameter {empty[0]} has an empty value")
    used: set[str] = set()
    bound = [bind_one(sql, values, used) for sql in sqls]
    unused = sorted(set(values) - used)
    if unused:
        raise BadParameters(f"Parameters list contains unused parameters. Unused parameters: [{', '.join(unused)}]")
    return bound


def bind_one(sql: str, values: dict[str, str], used: set[str]) -> str:
    if not values:
        return sql
    tokens = tokenize(sql)
    for index, token in enumerate(tokens):
        if token.kind == "parameter":
            name = token.text[1:].lower()
            if name not in values:
                raise BadParameters(f"Parameter {name} has no value")
            used.add(name)
            tokens[index] = with_text(token, literal(values[name]))
    return text_of(tokens)
