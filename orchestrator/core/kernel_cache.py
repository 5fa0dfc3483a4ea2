# pyright: basic
# numba has no types.
"""Compiled kernels on disk: one file for each kernel and each types of its arguments. Imports numba.

numba's own cache keeps one index for each kernel: all types of arguments so far. Two faults follow from it. Types that
can no longer be imported (a tuple of an edited plug-in file) make the whole index unreadable. And two processes that
compile at the same time may give two machine codes the same number, so that one is later run in place of the other.
"""

import contextlib
import hashlib
import pickle
import re
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from orchestrator.plugins.modules import PREFIX

#: What reading a file may raise that was cut short, or that names a module or class which no longer exists.
UNREADABLE = (OSError, EOFError, ImportError, AttributeError, pickle.UnpicklingError)
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
PLUGIN = re.compile(PREFIX.encode() + rb"\w+")


class KernelCache(FunctionCache):
    """The cache of one kernel. What cannot be read is compiled again."""

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        key = self._index_key(sig, target_context.codegen())
        try:
            stamp, written, data = pickle.loads(self._file(key).read_bytes())
            same = (stamp, written) == (self._stamp, key)
            return self._impl.rebuild(target_context, data) if same else None
        except UNREADABLE:
            return None

    def _save_overload(self, sig: Any, data: Any) -> None:
        if not self._impl.check_cachable(data):
            return
        key = self._index_key(sig, data.codegen)
        content = dumps((self._stamp, key, self._impl.reduce(data)))
        with contextlib.suppress(OSError):  # a full or read-only disk costs the next start, not this run
            self._impl.locator.ensure_cache_path()
            with self._cache_file._open_for_write(str(self._file(key))) as stream:  # another name first, then renamed
                stream.write(content)

    @property
    def _stamp(self) -> Any:
        """Time and size of the source file."""
        return self._impl.locator.get_source_stamp()

    def _file(self, key: Any) -> Path:
        """The file of one key. Modules of plug-ins count: after an edit the same types are those of another module."""
        plugins = sorted(set(PLUGIN.findall(dumps(key[0])))), self._py_func.__module__
        words = ADDRESS.sub("", repr((numba.__version__, key, plugins)))
        name = hashlib.sha256(words.encode()).hexdigest()[:24]
        return Path(self._cache_path, f"{self._impl.filename_base}.{name}.nbc")
