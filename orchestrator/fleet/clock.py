"""Seconds of work, apart from the seconds in which kernels are compiled or loaded from the cache."""

import sys
import time
from typing import Any

#: numba's event around every compilation and every look into its cache.
EVENT = "numba:compiler_lock"


class _Compiler:
    """Adds up the seconds that this process spends in numba's compiler."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._began = 0.0
        self._listening = False

    def listen(self) -> None:
        """Begin to listen, once numba is loaded."""
        if self._listening or "numba" not in sys.modules:
            return
        from numba.core import event

        owner = self

        class Listener(event.Listener):
            def on_start(self, event: Any) -> None:
                owner.enter()

            def on_end(self, event: Any) -> None:
                owner.leave()

        event.register(EVENT, Listener())
        self._listening = True

    def enter(self) -> None:
        """A compilation begins; it may be inside another one."""
        if self._depth == 0:
            self._began = time.perf_counter()
        self._depth += 1

    def leave(self) -> None:
        """A compilation ends."""
        if self._depth == 0:  # it began before anybody listened
            return
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._began


_compiler = _Compiler()


def compile_seconds() -> float:
    """Seconds that this process has spent compiling kernels or loading them from the cache; 0 without numba."""
    _compiler.listen()
    return _compiler.seconds


class Clock:
    """A context manager that adds up the seconds inside it."""

    def __init__(self) -> None:
        self.working = 0.0  #: seconds without those of the compiler
        self.compiling = 0.0  #: seconds of the compiler
        self._began = self._compiled = 0.0

    def __enter__(self) -> "Clock":
        self._compiled = compile_seconds()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        compiled = compile_seconds() - self._compiled
        self.compiling += compiled
        self.working += time.perf_counter() - self._began - compiled
