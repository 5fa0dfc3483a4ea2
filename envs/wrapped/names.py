"""Environments of other packages by name: ``gym:FrozenLake-v1``, ``pettingzoo:package.module``.

An environment with discrete observations and actions becomes a process with finitely many states (``discrete``). The
tabular algorithms learn in it (``tabular``), the linear algorithms evaluate or control it (``linear``). Rewards are the
means for each state and action. The observation is treated as the state.
"""

import ast
import importlib
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from envs.wrapped.discrete import MOST_ENTRIES, Process, count_steps, from_table
from envs.wrapped.keywords import keyword_arguments, with_keywords
from envs.wrapped.linear import WrappedControl, WrappedEvaluation
from envs.wrapped.source import Built, Source, Wrapped
from envs.wrapped.spaces import Finite
from envs.wrapped.tabular import WrappedTables

if TYPE_CHECKING:  # imported only where an environment of theirs is wrapped
    from gymnasium import Env
    from pettingzoo import ParallelEnv

Instance = TypeVar("Instance")
#: What a PettingZoo environment has, also one that does not derive from PettingZoo's classes.
PARALLEL = ("reset", "step", "observation_space", "action_space")


def classes(source: Source) -> type[Wrapped]:
    """The class of a wrapped environment. Its ``faces`` are the classes for other kinds of algorithms."""

    def of(face: type[Wrapped], **more: object) -> type[Wrapped]:
        model = with_keywords(face.Base, source.signature, source.given)
        own = {"name": source.title, "source": source, "Parameters": model, "__doc__": face.__doc__, **more}
        own["libraries"] = source.libraries
        return cast(type[Wrapped], type(face.__name__, (face,), own))

    faces = {face.kind: of(face) for face in (WrappedEvaluation, WrappedControl)}
    return of(WrappedTables, faces=faces)


def gym(name: str) -> type[Wrapped]:
    """The class of gymnasium's environment ``name``. Raises ValueError if gymnasium does not have it."""
    import gymnasium
    from gymnasium.envs.registration import load_env_creator

    module, colon, _ = name.partition(":")
    try:
        if colon:
            importlib.import_module(module)
        spec = gymnasium.spec(name)
        point = spec.entry_point
        maker = load_env_creator(point) if isinstance(point, str) else point
    except (gymnasium.error.Error, ImportError, AttributeError) as error:
        raise ValueError(f"gymnasium has no such environment here ({_line(error)}).") from error
    assert maker is not None
    signature = keyword_arguments(maker)
    title = f"gym:{name.partition(':')[0] + ':' if colon else ''}{spec.id}"

    @contextmanager
    def made(chosen: str) -> Iterator["Env[object, object]"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            env = _instance(lambda: gymnasium.make(spec, disable_env_checker=True, **_pairs(chosen)))
            try:
                yield env
            finally:
                env.close()

    @lru_cache(maxsize=4096)
    def build(chosen: str, samples: int, seed: int) -> Built:
        with made(chosen) as env, _own_errors():
            return _single(env, samples, seed)

    @lru_cache(maxsize=4096)
    def look(chosen: str) -> tuple[Process | None, frozenset[str]]:
        with made(chosen) as env:
            return _table(env), _packages(env.unwrapped)

    libraries = ("gymnasium", maker.__module__.partition(".")[0])
    return classes(Source(title, signature, spec.kwargs, spec.max_episode_steps, build, look, libraries))


def pettingzoo(name: str) -> type[Wrapped]:
    """The class of a PettingZoo environment whose agents act at the same time.

    ``name`` is ``module`` or ``module:function``. Raises ValueError if it cannot be imported.
    """
    module, _, function = name.partition(":")
    try:
        maker = getattr(importlib.import_module(module), function or "parallel_env")
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"it cannot be imported ({_line(error)}).") from error
    _check_maker(maker, importlib.import_module(module))

    @lru_cache(maxsize=4096)
    def build(chosen: str, samples: int, seed: int) -> Built:
        env = _instance(lambda: maker(**_pairs(chosen)))
        try:
            with _own_errors():
                return _joint(env, samples, seed)
        finally:
            env.close()

    @lru_cache(maxsize=4096)
    def look(chosen: str) -> tuple[Process | None, frozenset[str]]:
        env = _instance(lambda: maker(**_pairs(chosen)))
        try:
            return None, _packages(env)
        finally:
            env.close()

    inner = getattr(importlib.import_module(module), "raw_env", None)  # what PettingZoo's makers wrap
    signature = keyword_arguments(maker, inner)
    libraries = ("pettingzoo", module.partition(".")[0])
    return classes(Source(f"pettingzoo:{name}", signature, {}, None, build, look, libraries))


def _check_maker(maker: object, module: ModuleType) -> None:
    """Raises ValueError unless ``maker`` is a PettingZoo environment, or a function of a module that has one.

    A sweep file may name any function that is installed. Nothing is called that does not make environments.
    """

    def makes_environments(member: object) -> bool:
        return isinstance(member, type) and all(hasattr(member, word) for word in PARALLEL)

    fine = makes_environments(maker)
    if not isinstance(maker, type) and callable(maker):
        own = getattr(maker, "__module__", "").partition(".")[0] in (module.__name__.partition(".")[0], "pettingzoo")
        fine = own and any(makes_environments(member) for member in vars(module).values())
    if not fine:
        raise ValueError("it is neither an environment nor a function of a module with environments")


def _single(env: "Env[object, object]", samples: int, seed: int) -> Built:
    """The process of one agent, read from the environment's table if it has one."""
    seen, actions = Finite(env.observation_space, "observations"), Finite(env.action_space, "actions")
    _check_size(seen, actions)
    if (process := _table(env)) is not None:
        return Built([process], seen.coordinates)

    def begin(with_seed: int | None) -> list[int]:
        return [seen.number(env.reset(seed=with_seed)[0])]

    def act(chosen: list[int]) -> tuple[list[int], list[float], list[bool], bool]:
        observed, reward, ended, cut, _ = env.step(actions.element(chosen[0]))
        return [seen.number(observed)], [_number(reward)], [bool(ended)], bool(ended or cut)

    (counts,) = count_steps(begin, act, (seen.size, actions.size), 1, samples, seed)
    how = f"its process is estimated from {samples} random steps; observations are treated as states"
    return Built([counts.process(seen.size, actions.size)], seen.coordinates, how)


def _table(env: "Env[object, object]") -> Process | None:
    """The process of an environment that has a table of transitions, such as gymnasium's toy texts."""
    bare = env.unwrapped
    start, table = getattr(bare, "initial_state_distrib", None), getattr(bare, "P", None)
    if table is None or start is None:
        return None
    seen, actions = Finite(env.observation_space, "observations"), Finite(env.action_space, "actions")
    if len(seen.counts) != 1 or len(actions.counts) != 1:
        return None
    return from_table(table, np.array(start, np.float64), seen.size, actions.size)


def _packages(env: object) -> frozenset[str]:
    """Top-level packages of an environment's classes, those that it wraps included; Python's own are left out."""
    found: set[str] = set()
    while env is not None:
        found |= {made.__module__.partition(".")[0] for made in type(env).__mro__}
        env = getattr(env, "env", getattr(env, "aec_env", None))
    return frozenset(found - sys.stdlib_module_names)


def _joint(env: "ParallelEnv[str, object, object]", samples: int, seed: int) -> Built:
    """One process for each agent of a joint environment: what the agent meets while all agents act at random."""
    names: list[str] = list(getattr(env, "possible_agents", ()))
    if not names or not hasattr(env, "step"):
        raise ValueError("it is not a ParallelEnv with possible_agents")
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
        observed, rewards, ended, cut, _ = env.step(moves)
        # Once one agent has left, the others meet another process: all agents start a new episode.
        if absent := [name for name in names if name not in rewards]:
            raise ValueError(f"its step gave no reward to {absent[0]}")
        over = any(ended.values()) or any(cut.values()) or set(env.agents) != set(names)
        ahead = [of.number(observed[name]) if name in observed else 0 for of, name in zip(seen, names, strict=True)]
        return ahead, [_number(rewards[name]) for name in names], [bool(ended[name]) for name in names], over

    counts = count_steps(begin, act, (seen[0].size, actions[0].size), len(names), samples, seed)
    how = f"an agent's process is what it meets while all agents act at random, estimated from {samples} steps"
    return Built([of.process(seen[0].size, actions[0].size) for of in counts], seen[0].coordinates, how)


def _number(reward: object) -> float:
    """A reward. Raises ValueError if it is not one number."""
    value = np.asarray(reward)
    if value.size != 1 or value.dtype.kind not in "biuf":
        raise ValueError(f"it paid the reward {reward!r}; a reward is one number")
    return float(value.reshape(-1)[0])


@contextmanager
def _own_errors() -> Iterator[None]:
    """The environment's own errors as ValueErrors, which are shown to the user."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}, line {place.lineno}"
        raise ValueError(f"it fails ({where}): {type(error).__name__}: {_line(error)}") from error


def _instance(make: Callable[[], Instance]) -> Instance:
    try:
        return make()
    except Exception as error:
        raise ValueError(f"it cannot be made: {type(error).__name__}: {_line(error)}") from error


def _check_size(seen: Finite, actions: Finite) -> None:
    if seen.size * actions.size > MOST_ENTRIES:
        raise ValueError(
            f"it has {seen.size} observations and {actions.size} actions; a table has at most {MOST_ENTRIES} entries"
        )


def _pairs(chosen: str) -> dict[str, Any]:
    return dict(ast.literal_eval(chosen))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
