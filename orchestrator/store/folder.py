"""Files of a results folder, local or remote, written whole or not at all, with plain sentences for what goes wrong."""

import contextlib
import errno
import os
import time
import uuid
from collections.abc import Generator
from pathlib import Path

from pyarrow import fs

from orchestrator.errors import UserError
from orchestrator.store.remote import OBJECT_STORES, filesystem_at, refusal, title

#: A temporary file this old (seconds) belongs to a writer that was killed.
ABANDONED = 24 * 3600.0


class Folder:
    """A folder on any pyarrow filesystem; paths are relative to it, with forward slashes."""

    def __init__(self, filesystem: fs.FileSystem, root: str, location: str):
        self.filesystem = filesystem
        self.root = root.rstrip("/") or "/"
        self.location = location  #: as the user wrote it; a URI may hold keys
        self.title = title(location)  #: for messages
        self._local = isinstance(filesystem, fs.LocalFileSystem)
        self._objects = filesystem.type_name in OBJECT_STORES
        self._sizes: dict[str, int] = {}

    @classmethod
    def at(cls, location: str | Path) -> "Folder":
        """The folder at a local path or a URI that pyarrow understands (``s3://``, ``gs://``, ``file://`` …).

        Raises UserError if it cannot be reached.
        """
        if "://" not in str(location):
            return cls(fs.LocalFileSystem(), Path(location).expanduser().absolute().as_posix(), str(location))
        return cls(*filesystem_at(str(location)), str(location))

    @property
    def local(self) -> Path | None:
        """Where it is on this machine, as the user wrote it if that was not a URI. None if it is elsewhere."""
        here = Path(self.root) if "://" in self.location else Path(self.location).expanduser()
        return here if self._local else None

    def within(self, name: str) -> Path:
        """The place of ``name`` on this machine: in the folder, or for a bucket in the working folder.

        Raises UserError for a name that leads out of it, by itself or by a link. Names may be somebody else's.
        """
        root = self.local or Path()
        if not _leads_inside(root, name):
            raise UserError(f"{root / name} leads out of {root}; it is neither read nor written. Name another place.")
        return root / name

    def path(self, name: str) -> str:
        """The filesystem's path of ``name``."""
        return f"{self.root}/{name}" if name else self.root

    def shown(self, name: str) -> str:
        """``name`` as messages show it."""
        return f"{self.title.rstrip('/')}/{name}"

    def kind(self, name: str = "") -> fs.FileType:
        """Whether ``name`` is a file, a folder or not there."""
        with self._plain("read", name):
            return self.filesystem.get_file_info(self.path(name)).type

    def names(self, name: str = "", sizes: bool = True) -> list[str]:
        """What lies in subfolder ``name``, sorted, without hidden and temporary files; nothing if it is not there.

        Without ``sizes``, the files on this machine are not asked for theirs.
        """
        entries = self._entries(name) if sizes or not self._local else self._bare_entries(name)
        return sorted(entry for entry in entries if not entry.startswith((".", "_", "tmp")))

    def size(self, name: str) -> int | None:
        """A file's size in bytes when it was last listed, None if it never was; an object store need not be asked."""
        return self._sizes.get(name)

    def read(self, name: str) -> bytes | None:
        """A file's bytes, None if it is not there."""
        try:
            with self._plain("read", name), self.filesystem.open_input_file(self.path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file: locally by a temporary file and a rename, elsewhere by one PUT.

        Raises UserError when the disk is full or the folder read-only; then nothing is left behind. A local folder
        that was removed is made again only by a file of its top, the marker: what else would lie in it is no results.
        """
        with self._plain("written", name):
            if self._local:
                _make_folders(self.root, name)
                _replace(self.root, self.path(name), data)
                return
            if not self._objects:
                self.filesystem.create_dir(_parent(self.path(name)), recursive=True)
            self._put(self.path(name), data)

    def delete(self, name: str) -> None:
        """Delete a file; it may be gone already."""
        with self._plain("deleted", name), contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(name))

    def sweep_up(self, name: str) -> None:
        """Delete the temporary files that killed writers left in the subfolder ``name``."""
        if not self._local:
            return
        for entry in self._entries(name):
            path = self.path(f"{name}/{entry}" if name else entry)
            with contextlib.suppress(FileNotFoundError), self._plain("deleted", f"{name}/{entry}"):
                if entry.startswith(".tmp-") and time.time() - os.stat(path).st_mtime > ABANDONED:
                    os.unlink(path)

    def refusal(self, error: OSError) -> str | None:
        """Why an object store refused, in words, if it is for want of rights, a bucket or a connection."""
        return refusal(error, self.location) if self._objects else None

    def _entries(self, name: str) -> list[str]:
        with self._plain("read", name):
            # Google's store shows a subfolder only by the files in it, at the same cost.
            recursive = self.filesystem.type_name == "gcs"
            selector = fs.FileSelector(self.path(name), allow_not_found=True, recursive=recursive)
            while True:
                # Arrow fails on a folder that comes into being between its two looks; the next try sees it.
                with contextlib.suppress(FileNotFoundError):
                    entries = self.filesystem.get_file_info(selector)
                    self._sizes |= {f"{name}/{info.base_name}": info.size for info in entries if info.is_file}
                    if recursive:
                        return list({info.path[len(self.path(name)) + 1 :].partition("/")[0] for info in entries})
                    return [info.base_name for info in entries]

    def _bare_entries(self, name: str) -> list[str]:
        try:
            with self._plain("read", name):
                return os.listdir(self.path(name))
        except FileNotFoundError:
            return []

    def _put(self, path: str, data: bytes) -> None:
        stream = self.filesystem.open_output_stream(path)
        try:
            stream.write(data)
            stream.close()
        except OSError:
            if not self._objects:  # in an object store nothing is there, or still what was there before
                with contextlib.suppress(OSError):
                    self.filesystem.delete_file(path)
            raise

    @contextlib.contextmanager
    def _plain(self, done: str, name: str) -> Generator[None]:
        """Turn a refusal into a sentence; a file to read or delete that is not there stays FileNotFoundError.

        A local name that leads out of the folder is refused. A link itself may be replaced and deleted.
        """
        if self._local and name and not _leads_inside(Path(self.root), name if done == "read" else _parent(name)):
            raise UserError(f"{self.shown(name)} leads out of {self.title}, so it is not {done}.")
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and done != "written":
                raise
            if self._objects and "NO_SUCH_KEY" in str(error):  # deleted since its size was asked
                raise FileNotFoundError(errno.ENOENT, "deleted", name) from error
            below = self._local and _parent(name)  # a file of the top makes the folder
            if below and isinstance(error, FileNotFoundError) and not os.path.isdir(self.root):
                raise UserError(
                    f"{self.title} was removed or moved while it was in use, so nothing more is written. Run the same "
                    "command again: it computes what is missing there."
                ) from error
            shown = self.shown(name) if name else self.title
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                reason = "the disk is full. Free some space and run the same command again"
            elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                reason = "the folder is read-only or belongs to somebody else. Change its permissions or name another"
            else:
                reason = self.refusal(error) or str(error.strerror or error).splitlines()[0].rstrip(".")
            raise UserError(f"{shown} cannot be {done}: {reason}. Finished results are intact.") from error


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _leads_inside(root: Path, name: str) -> bool:
    """Whether ``name`` stays below ``root``, links followed. What is not there yet leads nowhere else."""
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        return False
    try:
        top = os.path.realpath(root)
        return os.path.commonpath([top, os.path.realpath(f"{top}/{name}")]) == top
    except (OSError, ValueError):
        return False


def _make_folders(root: str, name: str) -> None:
    """Make the folders in which ``name`` lies below ``root``, which has to be there unless ``name`` is at its top."""
    inner = name.split("/")[:-1]
    if not inner:
        os.makedirs(root, exist_ok=True)
    for depth in range(len(inner)):
        with contextlib.suppress(FileExistsError):
            os.mkdir("/".join((root, *inner[: depth + 1])))


def _replace(root: str, path: str, data: bytes) -> None:
    """Atomic and durable on POSIX: after a crash ``path`` is the old file or the whole new one.

    The temporary file lies in ``root``: some programs read everything in the folder of a table.
    """
    temporary = f"{root}/.tmp-{uuid.uuid4().hex}"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
