"""What an error in a member's method means, where Python's own words do not say it."""

import inspect
from collections.abc import Mapping

from orchestrator.core.blocks import Block
from orchestrator.core.environment import Environment
from orchestrator.errors import nearest

NONE = "'NoneType' object"


def explained(
    error: BaseException, block: Block, method: str = "start", sent: Mapping[str, object] | None = None
) -> BaseException:
    """An error whose message says more, or ``error`` itself. ``method`` of ``block`` was called with ``sent``."""
    if not isinstance(error, AttributeError | TypeError):
        return error
    try:
        text = _unknown_method(block, method) or _wrong_arguments(block, method, sent or {}) or _no_arrays(error, block)
        return type(error)(text).with_traceback(error.__traceback__) if text else error
    except Exception:  # a class that cannot even be looked at: its own error says enough
        return error


def _unknown_method(block: Block, method: str) -> str:
    if callable(getattr(type(block), method, None)):
        return ""
    own = {
        name
        for base in type(block).__mro__
        if base.__module__ != Block.__module__
        for name, member in vars(base).items()
        if inspect.isfunction(member) and not name.startswith("_") and name != "start"
    }
    return f"a call names {method!r}, which {type(block).__name__} lacks: {nearest(method, own, 1)}"


def _wrong_arguments(block: Block, method: str, sent: Mapping[str, object]) -> str:
    signature = inspect.signature(getattr(block, method))
    try:
        signature.bind(**sent)
    except TypeError:
        takes = signature.parameters
    else:
        return ""
    unknown = [repr(name) for name in sent if name not in takes]
    title = f"{type(block).__name__}.{method} takes {', '.join(takes) or 'nothing'}"
    if unknown:
        return f"the call of {method!r} sends {', '.join(unknown)}; {title}"
    return f"the call of {method!r} sends {', '.join(sent) or 'nothing'}; {title}"


def _no_arrays(error: BaseException, block: Block) -> str:
    """The words for an error about None where the environment has no arrays for members."""
    environments = vars(block).get("environments", {})
    if NONE not in str(error) or environments.get(block.members, error) is not None:
        return ""
    problem = type(block.problem)
    why = "defines no block(members)" if problem.block is Environment.block else "returns None from block(members)"
    return f"{error}. self.env is None: {problem.name} {why}"
