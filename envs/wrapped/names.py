"""Environments of other packages by name: ``gym:FrozenLake-v1``, ``pettingzoo:package.module``.

Whatever has discrete observations and actions becomes a process with finitely many states (``discrete``), which the
tabular algorithms learn in (``wrapped_tables``) and the linear ones evaluate or control (``wrapped_linear``).
Rewards are mean rewards of a state and action. An observation is taken for the state.
"""

import ast
import importlib
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from envs.wrapped.discrete import MOST_ENTRIES, Finite, from_table, watched
from envs.wrapped.keywords import with_keywords
from envs.wrapped.linear import WrappedControl, WrappedEvaluation
from envs.wrapped.source import Built, Source
from envs.wrapped.tabular import WrappedTables
from orchestrator.core import Environment


def classes(source: Source) -> type[Environment]:
    """The class of a wrapped environment; those for other kinds of algorithms are its ``faces``."""

    def of(face: type[Any], **more: Any) -> Any:
        model = with_keywords(face.Base, source.signature, source.given)
        own = {"name": source.title, "source": source, "Parameters": model, "__doc__": face.__doc__, **more}
        return type(face.__name__, (face,), own)

    faces = {face.kind: of(face) for face in (WrappedEvaluation, WrappedControl)}
    return of(WrappedTables, faces=faces)


def gym(name: str) -> type[Environment]:
    """The class of gymnasium's environment ``name``. Raises ValueError if there is none."""
    import gymnasium
    from gymnasium.envs.registration import load_env_creator

    module, colon, _ = name.partition(":")
    try:
        if colon:
            importlib.import_module(module)
        spec = gymnasium.spec(name)
        point = spec.entry_point
        made = load_env_creator(point) if isinstance(point, str) else point
    except (gymnasium.error.Error, ImportError, AttributeError) as error:
        raise ValueError(f"gymnasium has no such environment here ({_line(error)}).") from error
    assert made is not None
    signature = made.__init__ if isinstance(made, type) else made
    title = f"gym:{name.partition(':')[0] + ':' if colon else ''}{spec.id}"

    @lru_cache(maxsize=4096)
    def build(chosen: str, samples: int, seed: int) -> Built:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            env = _made(lambda: gymnasium.make(spec, disable_env_checker=True, **_pairs(chosen)))
            try:
                return _single(env, samples, seed)
            finally:
                env.close()

    return classes(Source(title, signature, spec.kwargs, spec.max_episode_steps, build))


def pettingzoo(name: str) -> type[Environment]:
    """The class of a PettingZoo environment whose agents act at once: ``module`` or ``module:function``."""
    module, _, function = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), function or "parallel_env")
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"it cannot be imported ({_line(error)}).") from error

    @lru_cache(maxsize=4096)
    def build(chosen: str, samples: int, seed: int) -> Built:
        env = _made(lambda: made(**_pairs(chosen)))
        try:
            return _joint(env, samples, seed)
        finally:
            env.close()

    signature = made.__init__ if isinstance(made, type) else made
    return classes(Source(f"pettingzoo:{name}", signature, {}, None, build))


def _single(env: Any, samples: int, seed: int) -> Built:
    """The process of one agent, from its table if there is one."""
    seen, actions = Finite(env.observation_space, "observations"), Finite(env.action_space, "actions")
    _check_size(seen, actions)
    bare = env.unwrapped
    start, table = getattr(bare, "initial_state_distrib", None), getattr(bare, "P", None)
    if table is not None and start is not None and len(seen.counts) == len(actions.counts) == 1:
        process = from_table(table, np.array(start, np.float64), seen.size, actions.size)
        return Built([process], seen.coordinates)

    def begin(with_seed: int | None) -> list[int]:
        return [seen.number(env.reset(seed=with_seed)[0])]

    def act(chosen: list[int]) -> tuple[list[int], list[float], list[bool], bool]:
        observed, paid, ended, cut, _ = env.step(actions.element(chosen[0]))
        return [seen.number(observed)], [float(paid)], [bool(ended)], bool(ended or cut)

    (found,) = watched(begin, act, (seen.size, actions.size), 1, samples, seed)
    how = f"its process is estimated from {samples} random steps, observations taken for states"
    return Built([found.process(seen.size, actions.size)], seen.coordinates, how)


def _joint(env: Any, samples: int, seed: int) -> Built:
    """A process for each agent of a joint environment: what it meets while all act at random."""
    names = list(getattr(env, "possible_agents", ()))
    if not names or not hasattr(env, "step"):
        raise ValueError("it is no ParallelEnv that knows its possible_agents")
    seen = [Finite(env.observation_space(name), f"observations of {name}") for name in names]
    actions = [Finite(env.action_space(name), f"actions of {name}") for name in names]
    if len({of.counts for of in seen}) > 1 or len({of.counts for of in actions}) > 1:
        raise ValueError("its agents have different observations or actions; all must have the same")
    _check_size(seen[0], actions[0])

    def begin(with_seed: int | None) -> list[int]:
        observed = env.reset(seed=with_seed)[0]
        return [of.number(observed[name]) for of, name in zip(seen, names, strict=True)]

    def act(chosen: list[int]) -> tuple[list[int], list[float], list[bool], bool]:
        moves = {name: of.element(a) for name, of, a in zip(names, actions, chosen, strict=True)}
        observed, paid, ended, cut, _ = env.step(moves)
        # Once one has left, what the others meet is no longer the same: all begin anew.
        over = any(ended.values()) or any(cut.values()) or set(env.agents) != set(names)
        ahead = [of.number(observed[name]) if name in observed else 0 for of, name in zip(seen, names, strict=True)]
        return ahead, [float(paid[name]) for name in names], [bool(ended[name]) for name in names], over

    found = watched(begin, act, (seen[0].size, actions[0].size), len(names), samples, seed)
    how = f"an agent's process is what it meets while all act at random, estimated from {samples} steps"
    return Built([of.process(seen[0].size, actions[0].size) for of in found], seen[0].coordinates, how)


def _made(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:
        raise ValueError(f"it cannot be made: {type(error).__name__}: {_line(error)}") from error


def _check_size(seen: Finite, actions: Finite) -> None:
    if seen.size * actions.size > MOST_ENTRIES:
        raise ValueError(
            f"it has {seen.size} observations and {actions.size} actions; a table has {MOST_ENTRIES} entries at most"
        )


def _pairs(chosen: str) -> dict[str, Any]:
    return dict(ast.literal_eval(chosen))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
