"""Every byte of a results folder's tables and checkpoints, compared with the digests that were written with them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from orchestrator.errors import UserError
from orchestrator.store import names
from orchestrator.store.folder import Folder
from orchestrator.store.schema import WRITE_ORDER
from orchestrator.store.seal import opened
from orchestrator.store.segments import Segments

#: Bytes of a file that are read at once.
CHUNK = 2**23


class Verified(NamedTuple):
    """What was found."""

    files: int  #: that were read
    undigested: int  #: of these, segments of older versions: only what parquet itself checks was checked
    damaged: list[str]  #: a sentence for each


def verify(folder: Folder, segments: Segments) -> Verified:
    """Read all segments, files of columns and checkpoints. A file that is deleted meanwhile counts for nothing."""
    listings = [(table, segments.listing(table)) for table in WRITE_ORDER]
    paths = [(table, path) for table, listing in listings for path in (*listing.columns, *listing.segments)]
    blobs = [f"checkpoints/{name}" for name in folder.names("checkpoints")]

    def table_file(one: tuple[str, str]) -> str | None:
        table, path = one
        try:
            if promised := names.promised(path):
                wrong = "is damaged: its contents are not those that were written"
                return None if _digest(folder, path) == promised.whole else f"{folder.shown(path)} {wrong}."
            segments.check(table, [path])
        except FileNotFoundError:
            pass
        except (UserError, OSError) as error:
            return " ".join(str(error).split())
        return None

    def blob(path: str) -> str | None:
        try:
            data = folder.read(path)
        except UserError as error:
            return str(error)
        wrong = "is damaged or of an older version. The next run ignores it and starts that cell from its beginning"
        return None if data is None or opened(data) is not None else f"{folder.shown(path)} {wrong}."

    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(table_file, paths), *pool.map(blob, blobs)]
    undigested = sum(names.promised(path) is None for _, path in paths)
    return Verified(len(found), undigested, [sentence for sentence in found if sentence])


def _digest(folder: Folder, path: str) -> str:
    """16 hex digits of the SHA-256 of a file."""
    hashed = hashlib.sha256()
    with folder.filesystem.open_input_file(folder.path(path)) as stream:
        for start in range(0, stream.size(), CHUNK):
            hashed.update(stream.read_at(CHUNK, start))
    return hashed.hexdigest()[:16]
