"""x"""

from dataclasses import dataclass
from groundwork_aws.redshift_data.commands import parse_copy, parse_unload
from groundwork_aws.redshift_data.tokens import Cursor, split, text_of, tokenize
from groundwork_aws.redshift_data import tables


@dataclass(frozen=True)
class Translated:
    sql: str
    command: object = None
    commits: bool = False


def translate(sql):
    out = []
    for part in split(tokenize(sql), ";"):
        if not part:
            continue
        first = part[0].upper
        c = Cursor(part)
        if first == "COPY":
            out.append(Translated(text_of(part), parse_copy(part)))
        elif c.accept("CREATE") and c.peek().is_("TABLE", "TEMP", "TEMPORARY", "LOCAL"):
            out.append(Translated(tables.create_table(c)))
        else:
            out.append(Translated(text_of(part)))
    return out
