"""A folder of nine CSV files in the format of Kaggle's `olistbr/brazilian-ecommerce`: checked, then read.

https://www.kaggle.com/datasets/olistbr/brazilian-ecommerce
"""

import codecs
import csv
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from groundwork_contracts import Contract

CHUNK = 1 << 20


class SeedError(Exception):
    """The seed data cannot be used; the text says which file and line, what was expected and what to do."""


def check_folder(folder: Path, contracts: Iterable[Contract]) -> str:
    """Check every file's presence, header and encoding. Returns a fingerprint of all their bytes.

    Raises SeedError with every problem found, so that one run shows them all.
    """
    if not folder.is_dir():
        raise SeedError(f"{folder} is not a folder.\n→ give the folder that holds Kaggle's nine CSV files")
    fingerprint, problems = hashlib.blake2b(digest_size=16), []
    for contract in contracts:
        try:
            fingerprint.update(check_file(folder / contract.csv_file, contract))
        except SeedError as problem:
            problems.append(str(problem))
    if problems:
        raise SeedError(
            f"{folder} does not hold Olist's data:\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + "\n→ unpack Kaggle's olistbr/brazilian-ecommerce anew into one folder, or generate such data: "
            "python -m seed_data.generator --out FOLDER"
        )
    return fingerprint.hexdigest()


def check_file(file: Path, contract: Contract) -> bytes:
    """Check one file. Returns its digest."""
    if not file.is_file():
        raise SeedError(f"{file.name}: the file is missing")
    try:
        digest = digest_of_utf8(file)
        check_header(file, [column.name for column in contract.columns])
    except OSError as error:
        raise SeedError(f"{file.name}: cannot be read ({error.strerror})") from error
    return digest


def digest_of_utf8(file: Path) -> bytes:
    """Digest of the file's bytes. Raises SeedError with the line of the first byte that is not UTF-8."""
    digest, decoder, lines = hashlib.blake2b(digest_size=16), codecs.getincrementaldecoder("utf-8")(), 1
    chunk = b""
    try:
        for chunk in chunks(file):
            decoder.decode(chunk)
            digest.update(chunk)
            lines += chunk.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        # The decoder may hold bytes of the chunk before, but never a line break.
        line = lines + error.object[: error.start].count(b"\n")
        raise SeedError(
            f"{file.name}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8, Olist's encoding"
        ) from error
    return digest.digest()


def check_header(file: Path, expected: list[str]) -> None:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    if header != expected:
        found = ",".join(header) if header else "nothing"
        raise SeedError(f"{file.name}, line 1: the header is {found[:300]}\n    but Olist's is {','.join(expected)}")


def chunks(file: Path) -> Iterator[bytes]:
    """The file's bytes without the byte order mark that Kaggle's translation file begins with."""
    with file.open("rb") as stream:
        first = stream.read(CHUNK).removeprefix(codecs.BOM_UTF8)
        yield first
        while chunk := stream.read(CHUNK):
            yield chunk
