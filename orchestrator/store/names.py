"""The name of a segment: its place in the order of writing, its columns, and digests over its bytes.

``SEQUENCE-COLUMNS-FOOTER-WHOLE.parquet``. The sequence is 1 + the largest one that the writer saw in the folder, so
it needs no clock. COLUMNS stands for the names and types of the columns, so that a listing shows which segments lack
any. FOOTER and WHOLE are the beginnings of the SHA-256 over the file's footer and over all its bytes. Readers check the
first, as the checksums of the pages cover the rest; ``verify`` checks the second. Segments of older versions are called
``TIME-RANDOM.parquet`` and have no digests.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

#: What the names of files begin with that hold the columns of a table and no rows. They sort before all segments.
COLUMNS = "0-columns-"
#: Bytes of a parquet file after its footer: the footer's length and PAR1.
TAIL = 8
_SEGMENT = re.compile(r"(\d{16,18})-([0-9a-f]{8})-([0-9a-f]{16})-([0-9a-f]{16})\.parquet")
_COLUMNS = re.compile(COLUMNS + r"\d+-([0-9a-f]{16})-([0-9a-f]{16})\.parquet")
_OLDER = re.compile(r"(\d{16,18})-[0-9a-f]{16}\.parquet")


class Digests(NamedTuple):
    """The beginnings of the SHA-256 over a file's footer and over the whole file, 16 hex digits each."""

    footer: str
    whole: str


def digest(data: bytes) -> str:
    """16 hex digits of the SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()[:16]


def digests(data: bytes) -> Digests:
    """The digests of a parquet file."""
    return Digests(digest(footer(data) or b""), digest(data))


def footer(data: bytes) -> bytes | None:
    """The last bytes of a parquet file, from its footer on. None if there is not that much of it."""
    length = TAIL + int.from_bytes(data[-TAIL:-4], "little")
    return data[-length:] if len(data) >= length else None


def segment(sequence: int, columns: str, data: bytes) -> str:
    """The name of the segment with these bytes."""
    return f"{sequence:016d}-{columns}-{'-'.join(digests(data))}.parquet"


def columns_file(count: int, data: bytes) -> str:
    """The name of the file with these bytes that holds ``count`` columns: of two, the one with more sorts first."""
    return f"{COLUMNS}{9_999_999 - count}-{'-'.join(digests(data))}.parquet"


def promised(path: str) -> Digests | None:
    """The digests that the name of a segment or of a file of columns holds. None for another file."""
    name = path.rpartition("/")[2]
    if match := _SEGMENT.fullmatch(name):
        return Digests(match[3], match[4])
    match = _COLUMNS.fullmatch(name)
    return Digests(match[1], match[2]) if match else None


def columns_of(path: str) -> str:
    """What stands for the columns in the name of a segment; nothing for one of an older version."""
    match = _SEGMENT.fullmatch(path.rpartition("/")[2])
    return match[2] if match else ""


def largest(paths: Iterable[str]) -> int:
    """The largest sequence of these segments; 0 for none."""
    names = (path.rpartition("/")[2] for path in paths)
    matches = (_SEGMENT.fullmatch(name) or _OLDER.fullmatch(name) for name in names)
    return max((int(match[1]) for match in matches if match), default=0)
