"""Files of a results folder, local or remote, written whole or not at all, with plain sentences for what goes wrong."""

import contextlib
import errno
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from pyarrow import fs

from orchestrator.errors import UserError

#: A temporary file this old (seconds) belongs to a writer that was killed.
ABANDONED = 24 * 3600.0


class Folder:
    """A folder on any pyarrow filesystem; paths are relative to it, with forward slashes."""

    def __init__(self, filesystem: fs.FileSystem, root: str, location: str):
        self.filesystem = filesystem
        self.root = root.rstrip("/") or "/"
        self.location = location  #: as the user wrote it, for messages
        self._local = isinstance(filesystem, fs.LocalFileSystem)

    @classmethod
    def at(cls, location: str | Path) -> "Folder":
        """The folder at a local path or a URI that pyarrow understands (``s3://``, ``gs://``, ``file://`` …)."""
        if "://" not in str(location):
            return cls(fs.LocalFileSystem(), Path(location).expanduser().absolute().as_posix(), str(location))
        try:
            filesystem, root = fs.FileSystem.from_uri(str(location))
        except (OSError, ValueError) as error:
            raise UserError(f"The results folder {location} cannot be reached: {error}.") from error
        return cls(filesystem, root, str(location))

    def path(self, name: str) -> str:
        """The filesystem's path of ``name``."""
        return f"{self.root}/{name}" if name else self.root

    def shown(self, name: str) -> str:
        """``name`` as messages show it."""
        return f"{self.location.rstrip('/')}/{name}"

    def kind(self, name: str = "") -> fs.FileType:
        """Whether ``name`` is a file, a folder or not there."""
        with self._plain("read", name):
            return self.filesystem.get_file_info(self.path(name)).type

    def names(self, name: str = "") -> list[str]:
        """What lies in subfolder ``name``, sorted, without hidden and temporary files; nothing if it is not there."""
        return sorted(entry for entry in self._entries(name) if not entry.startswith((".", "_", "tmp")))

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return self.kind(name) == fs.FileType.File

    def read(self, name: str) -> bytes | None:
        """A file's bytes, None if it is not there."""
        try:
            with self._plain("read", name), self.filesystem.open_input_file(self.path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file: locally by a temporary file and a rename, elsewhere by one PUT.

        Raises UserError when the disk is full or the folder read-only; then nothing is left behind.
        """
        with self._plain("written", name):
            parent = self.path(name).rpartition("/")[0]
            self.filesystem.create_dir(parent, recursive=True)
            if self._local:
                _replace(parent, self.path(name), data)
            else:
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
            path = self.path(f"{name}/{entry}")
            with contextlib.suppress(FileNotFoundError), self._plain("deleted", f"{name}/{entry}"):
                if entry.startswith(".tmp-") and time.time() - os.stat(path).st_mtime > ABANDONED:
                    os.unlink(path)

    def _entries(self, name: str) -> list[str]:
        with self._plain("read", name):
            selector = fs.FileSelector(self.path(name), allow_not_found=True)
            while True:
                # Arrow fails on a folder that comes into being between its two looks; the next try sees it.
                with contextlib.suppress(FileNotFoundError):
                    return [info.base_name for info in self.filesystem.get_file_info(selector)]

    def _put(self, path: str, data: bytes) -> None:
        stream = self.filesystem.open_output_stream(path)
        try:
            stream.write(data)
            stream.close()
        except OSError:
            with contextlib.suppress(OSError):
                self.filesystem.delete_file(path)
            raise

    @contextlib.contextmanager
    def _plain(self, done: str, name: str) -> Iterator[None]:
        """Turn the operating system's refusal into a sentence; a file that is not there stays FileNotFoundError."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            shown = self.shown(name) if name else self.location
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                reason = "the disk is full. Free some space and run the same command again"
            elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                reason = "the folder is read-only or belongs to somebody else. Change its permissions or name another"
            else:
                reason = str(error.strerror or error).rstrip(".")
            raise UserError(f"{shown} cannot be {done}: {reason}. Finished results are intact.") from error


def _replace(parent: str, path: str, data: bytes) -> None:
    """Atomic and durable on POSIX: after a crash ``path`` is the old file or the whole new one."""
    temporary = f"{parent}/.tmp-{uuid.uuid4().hex}"
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
    folder = os.open(parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
