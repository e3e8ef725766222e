"""Redshift's lexical rules: SQL text to tokens and back, so that what need not change stays as the user wrote it.

https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
"""

import re
from dataclasses import dataclass, replace

TOKEN = re.compile(
    r"""
    (?P<space>\s+ | --[^\n]* | /\*(?:[^*]|\*(?!/))*\*/)
  | (?P<string>[eE]?'(?:[^'\\]|\\.|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<quoted>"(?:[^"]|"")+")
  | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d$][\w$]* | \#\w+)
  | (?P<parameter>(?<![:\w]):[^\W\d]\w*)
  | (?P<operator>:: | <= | >= | <> | != | \|\|/? | !~~?\*? | ~~?\*? | <@ | @> | ->>? | => | :=
        | [-+*/%^<>=~!@\#&|`?()\[\],;.:$])
    """,
    re.VERBOSE | re.DOTALL,
)


class RedshiftError(Exception):
    """What Redshift answers to a statement: ``str()`` is the text that ``DescribeStatement`` shows under ``Error``."""

    def __init__(self, message: str, detail: str = "", hint: str = "", position: int | None = None):
        lines = [f"ERROR: {message}"]
        lines += [f"  Detail: {detail}"] if detail else []
        lines += [f"  Hint: {hint}"] if hint else []
        lines += [f"  Position: {position}"] if position else []
        super().__init__("\n".join(lines))
        self.message = message


@dataclass(frozen=True)
class Token:
    """``text`` is as written, ``before`` the white space and comments in front, ``position`` counts from one."""

    kind: str
    text: str
    before: str = ""
    position: int = 0

    @property
    def upper(self) -> str:
        """The word in upper case; empty for anything that is not a bare word or an operator."""
        return self.text.upper() if self.kind in ("word", "operator") else ""

    def is_(self, *words: str) -> bool:
        return self.upper in words

    def name(self) -> str:
        """The identifier it stands for: Redshift folds to lower case, quoted or not (RS-Q-17)."""
        return (self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text).lower()

    def value(self) -> str:
        """The string that a literal stands for."""
        if self.text.startswith("$"):
            return self.text.split("$", 2)[2].rsplit("$", 2)[0]
        body = self.text[self.text.index("'") + 1 : -1].replace("''", "'")
        return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), body, flags=re.DOTALL)


ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def tokenize(sql: str) -> list[Token]:
    """Raises RedshiftError at a character that starts no token, such as an unterminated quote."""
    tokens, before, at = [], "", 0
    while at < len(sql):
        match = TOKEN.match(sql, at)
        if match is None:
            what = "unterminated quoted string" if sql[at] in "'\"" else "syntax error"
            raise RedshiftError(f'{what} at or near "{sql[at : at + 20]}"', position=at + 1)
        if match.lastgroup == "space":
            before += match[0]
        else:
            kind = "string" if match.lastgroup == "tag" else match.lastgroup
            tokens.append(Token(kind, match[0], before, at + 1))
            before = ""
        at = match.end()
    return tokens


def text_of(tokens: list[Token]) -> str:
    return "".join(token.before + token.text for token in tokens).strip()


def with_text(token: Token, text: str) -> Token:
    return replace(token, text=text, kind="raw")


def syntax_error(token: Token | None) -> RedshiftError:
    """The parser's complaint at a token; None is the end of the statement."""
    if token is None:
        return RedshiftError("syntax error at end of input")
    return RedshiftError(f'syntax error at or near "{token.text}"', position=token.position)


def split(tokens: list[Token], separator: str) -> list[list[Token]]:
    """The parts between separators that stand outside parentheses; an empty list has no part."""
    parts, depth = [[]], 0
    for token in tokens:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == separator and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts if tokens else []


def closing(tokens: list[Token], opening: int) -> int:
    """The index of the parenthesis that closes the one at ``opening``. Raises RedshiftError when there is none."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index
    raise syntax_error(None)


class Cursor:
    """Reads tokens from left to right, for the statements that have a grammar of their own."""

    def __init__(self, tokens: list[Token]):
        self.tokens, self.at = tokens, 0

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def next(self) -> Token:
        if self.peek() is None:
            raise syntax_error(None)
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *words: str) -> bool:
        """Pass over the words if they come next, all of them."""
        following = self.tokens[self.at : self.at + len(words)]
        if len(following) == len(words) and all(t.upper == w for t, w in zip(following, words, strict=True)):
            self.at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.accept(word):
                raise syntax_error(self.peek())

    def string(self) -> str:
        token = self.next()
        if token.kind != "string":
            raise syntax_error(token)
        return token.value()

    def identifier(self) -> str:
        token = self.next()
        if token.kind not in ("word", "quoted"):
            raise syntax_error(token)
        return token.name()

    def qualified_name(self) -> tuple[str, ...]:
        parts = [self.identifier()]
        while self.accept("."):
            parts.append(self.identifier())
        return tuple(parts)

    def parenthesised(self) -> list[Token]:
        """The tokens between the parenthesis that comes next and the one that closes it."""
        if self.peek() is None or self.peek().text != "(":
            raise syntax_error(self.peek())
        start, end = self.at, closing(self.tokens, self.at)
        self.at = end + 1
        return self.tokens[start + 1 : end]

    def rest(self) -> list[Token]:
        return self.tokens[self.at :]

    def end(self) -> None:
        if self.peek() is not None:
            raise syntax_error(self.peek())


def quote(*parts: str) -> str:
    """A name as PostgreSQL reads it: ``"silver"."orders"``."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in value else f"'{escaped}'"
