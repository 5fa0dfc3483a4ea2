"""The decorators of compiled functions.

Fast math and parallel loops are not used: with either, the same inputs could give different bits in another run. Nor
are multiplications and additions fused: LLVM does that only where fast math lets it.
"""

import contextlib
import functools
import gc
from collections.abc import Callable, Generator
from typing import Any


class Kernel:
    """A Python function that numba compiles when it is first called, from Python or by another kernel.

    numba is not imported before, so that importing a file with kernels is quick. ``py_func`` is the Python function,
    ``dispatcher`` numba's compiled one (the Python function itself under ``NUMBA_DISABLE_JIT=1``).
    """

    def __init__(self, function: Callable[..., Any], inline: bool) -> None:
        functools.update_wrapper(self, function)
        self.py_func, self.inline = function, inline
        self._compiled: Callable[..., Any] = self._first_call

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._compiled(*arguments)
        except SystemError as error:
            # numba overlooks a Ctrl-C that arrives while a kernel which returns a tuple runs.
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise error.__cause__ from None
            raise

    def _first_call(self, *arguments: Any) -> Any:
        self._compiled = self.dispatcher
        with _without_collection():
            return self._compiled(*arguments)

    @functools.cached_property
    def dispatcher(self) -> Any:
        """numba's dispatcher: cached on disk, IEEE arithmetic in the order written, the GIL released."""
        import numba

        from orchestrator.core.kernel_cache import KernelCache

        # Without numba's runtime an inlined body counts no references to its arrays, which halves the time of a loop.
        njit: Any = numba.njit  # its annotations know nothing of _nrt
        dispatcher = njit(
            fastmath=False,
            parallel=False,
            nogil=True,
            error_model="numpy",
            forceinline=self.inline,
            no_cfunc_wrapper=True,  # nothing calls a kernel from C
            _nrt=not self.inline,
        )(self.py_func)
        if not hasattr(dispatcher, "add_overload"):  # NUMBA_DISABLE_JIT
            return dispatcher
        dispatcher._cache = KernelCache(self.py_func)
        if self.inline:
            dispatcher.add_overload = functools.partial(_add_without_arrays, dispatcher.add_overload)
        return dispatcher

    @property
    def _numba_type_(self) -> Any:
        """The type by which numba knows this object when another kernel calls it: that of the dispatcher."""
        return self.dispatcher._numba_type_

    def __reduce__(self) -> Any:
        """Pickled by name like a function. numba keys its cache by the pickles of what a function encloses."""
        local = "<locals>" in self.py_func.__qualname__
        return (Kernel, (self.py_func, self.inline)) if local else self.py_func.__qualname__


def kernel(function: Callable[..., Any]) -> Kernel:
    """Decorator: the function is compiled by numba at its first call. See docs/kernels.md."""
    return Kernel(function, inline=False)


def inlined(function: Callable[..., Any]) -> Kernel:
    """As ``kernel``, for a function that is called in inner loops: its body replaces the call.

    It may read and write arrays, but neither make nor return one: numba raises an error.
    """
    return Kernel(function, inline=True)


@contextlib.contextmanager
def _without_collection() -> Generator[None]:
    """Stop the search for garbage: a sixth of the time of compiling went there, and it found nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _add_without_arrays(add: Callable[[Any], None], compiled: Any) -> None:
    """Add a compiled version of an inlined function. Raises TypeError if it returns an array: nobody would own it."""
    if "array" in str(compiled.signature.return_type).lower():
        raise TypeError(f"{compiled.fndesc.qualname} is inlined and must not return an array; use kernel instead")
    add(compiled)
