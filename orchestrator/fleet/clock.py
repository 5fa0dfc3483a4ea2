"""Seconds of work, apart from the seconds in which kernels are compiled or loaded from the cache."""

import time

#: numba's event around every compilation and every look into its cache.
EVENT = "numba:compiler_lock"


class _Compiler:
    """Adds up the seconds that this process spends compiling kernels or loading them from the cache.

    Nothing is counted before ``listen``, which loads numba: it is called where starting is expected to take a while.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._began = 0.0
        self._listening = False

    def listen(self) -> None:
        """Load numba and begin to listen."""
        if self._listening:
            return
        from numba.core import event

        owner = self

        class Listener(event.Listener):
            def on_start(self, event: object) -> None:
                owner.enter()

            def on_end(self, event: object) -> None:
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


COMPILER = _Compiler()


class Clock:
    """A context manager that adds up the seconds inside it."""

    def __init__(self) -> None:
        self.working = 0.0  #: seconds without those of the compiler
        self.compiling = 0.0  #: seconds of the compiler
        self._began = self._compiled = 0.0

    def __enter__(self) -> "Clock":
        self._compiled = COMPILER.seconds
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        compiled = COMPILER.seconds - self._compiled
        self.compiling += compiled
        self.working += time.perf_counter() - self._began - compiled
