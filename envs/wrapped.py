"""Environments of other packages by name: ``gym:FrozenLake-v1``, ``pettingzoo:package.module``.

Whatever has discrete observations and actions becomes a process with finitely many states (``discrete``), which the
tabular algorithms learn in (``WrappedTables``) and the linear ones evaluate or control (``wrapped_linear``).
Rewards are mean rewards of a state and action. An observation is taken for the state.
"""

import ast
import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from orchestrator.kernels import kernel

from .discrete import MOST_ENTRIES, Finite, Process, from_table, watched
from .instances import PROCESS, stream
from .kernels import alias_tables
from .keywords import WrappedParameters, drawn, keywords, spread, whole, with_keywords
from .observed import ObservedBlock

#: Steps of an episode where neither environment nor user says.
LIMIT = 200


@dataclass(frozen=True)
class Built:
    """The processes of one set of keywords."""

    processes: list[Process]
    coordinates: np.ndarray  #: of the states, int64 [S, d]
    estimated: str = ""  #: how, where they are not exact


@dataclass(frozen=True)
class Source:
    """Where processes come from: ``roles`` of them (agents of one joint environment) for each set of keywords."""

    title: str
    signature: Callable[..., Any]  #: whose keywords can be given
    given: Mapping[str, Any]  #: keywords with other defaults
    steps: int | None  #: of an episode, where the environment says
    #: (keywords as repr of sorted pairs, samples, seed) -> a process for each role
    build: Callable[[str, int, int], "Built"]


class TableParameters(WrappedParameters, frozen=True):
    """Discount and length of episodes."""

    optimum_known: ClassVar[bool] = False  # returns of whole episodes are compared instead

    gamma: float = Field(default=0.99, ge=0, lt=1, description="discount factor of the learners")
    limit: int | None = Field(
        default=None, ge=1, description=f"steps after which an episode is cut short; the environment's own, or {LIMIT}"
    )


class Wrapped:
    """What the faces of a wrapped environment share: which agent is in which process."""

    source: ClassVar[Source]
    version = 1
    Base: ClassVar[type[WrappedParameters]]
    Parameters: ClassVar[type[Any]]

    def _read(self, parameters: Any, agents: int, instance: int) -> None:
        if agents < 1:
            raise ValueError(f"agents must be at least 1, got {agents}.")
        self.parameters, self.agents, self.instance = parameters, agents, instance
        self._keywords = keywords(parameters, self.Base)
        try:
            built = self._built(0)
        except ValueError as error:
            raise ValueError(f"{self.source.title}: {error}.") from error
        self.coordinates_of, self._estimated = built.coordinates, built.estimated
        self.roles = len(built.processes)
        if agents % self.roles:
            raise ValueError(f"agents must be a multiple of {self.roles}, the agents that play together; got {agents}.")
        groups = agents // self.roles
        self.groups = (parameters.processes or groups) if spread(self._keywords) else 1
        if groups % self.groups:
            raise ValueError(
                f"agents must be a multiple of {self.groups * self.roles}, so that every process counts equally; got"
                f" {agents}."
            )
        self.process_count = self.groups * self.roles
        self.size = self.states, self.actions = built.processes[0].reward.shape

    def warnings(self) -> list[str]:
        """That a process is estimated, and how."""
        return [f"{self.source.title} has no table of transitions: {self._estimated}."] if self._estimated else []

    def _built(self, group: int) -> Built:
        rng = stream(self.instance, PROCESS, group)
        found = drawn(self._keywords, whole(self.Parameters), rng)
        return self.source.build(repr(sorted(found.items())), self.parameters.samples, int(rng.integers(2**31)))

    def process(self, number: int) -> Process:
        """Process ``number`` of ``process_count``: role ``number`` mod ``roles`` of one environment."""
        built = self._built(number // self.roles)
        found = built.processes[number % self.roles]
        if found.reward.shape != self.size or built.coordinates.shape != self.coordinates_of.shape:
            raise ValueError(
                f"{self.source.title}: agents must have equally many states and actions, but environment"
                f" {number // self.roles} has {found.reward.shape}, environment 0 has {self.size}."
            )
        return found


class WrappedTables(Wrapped):
    """Agents that each act in their own copy of an environment of another package."""

    kind = "observed-mdp"
    Base = TableParameters
    types = 1

    def __init__(self, parameters: Any, agents: int, instance: int) -> None:
        self._read(parameters, agents, instance)
        self.gamma = parameters.gamma
        self.limit = parameters.limit or self.source.steps or LIMIT
        self.dimension = self.coordinates_of.shape[1]

    @property
    def adjacency(self) -> tuple[str, float]:
        """Adjacent unless the algorithm is told otherwise: numbers next to each other, or all but one component."""
        return ("index", 1.0) if self.dimension == 1 else ("l0", 1.0)

    @property
    def memory(self) -> float:
        """Bytes of the processes and of the agents' tables, roughly."""
        pairs = self.states * self.actions
        return 8.0 * pairs * (6 * self.process_count * self.process(0).chance.shape[2] + 2 * self.agents)

    @property
    def type_of(self) -> np.ndarray:
        """int64 [N], all of one observation type."""
        return np.zeros(self.agents, np.int64)

    @property
    def seen(self) -> list[np.ndarray]:
        """The coordinates that a type observes: all."""
        return [np.arange(self.dimension)]

    @property
    def coordinates(self) -> list[np.ndarray]:
        """Components of the observations [S, d], from 1."""
        return [self.coordinates_of]

    def process_of(self, members: range) -> np.ndarray:
        """int64 [n]: agent i is in process i mod M."""
        return np.arange(members.start, members.stop) % self.process_count

    def block(self, members: range) -> ObservedBlock:
        """The tables of exactly these members: the states of their processes one after the other, an end after each."""
        distinct, own = np.unique(self.process_of(members), return_inverse=True)
        processes = [self.process(number) for number in distinct.tolist()]
        span, width = self.states + 1, max(process.chance.shape[2] for process in processes)
        shape = (len(processes), span, self.actions)
        successor, chance = np.zeros((*shape, width), np.int64), np.zeros((*shape, width))
        reward, slots = np.zeros(shape), [process.slots for process in processes]
        chance[..., 0] = 1.0
        for m, process in enumerate(processes):
            w = process.chance.shape[2]
            chance[m, :-1, :, :w], reward[m, :-1] = process.chance, process.reward
            successor[m, :-1, :, :w] = process.successor
            successor[m] += m * span
        most = int(np.lcm.reduce([len(of) for of in slots]))
        probability, alias = alias_tables(chance.reshape(-1, self.actions, width))
        return ObservedBlock(
            probability=probability,
            alias=alias,
            successor=successor.reshape(-1, self.actions, width),
            terminal=np.tile(np.arange(span) == self.states, len(processes)),
            reward=reward.reshape(1, -1, self.actions),
            reward_of=np.zeros(len(members), np.int64),
            noise=0.0,
            observed=np.tile(np.append(np.arange(self.states), 0), len(processes))[None],
            type_of=np.zeros(len(members), np.int64),
            starts=np.stack([np.repeat(of, most // len(of)) + m * span for m, of in enumerate(slots)]),
            limit=self.limit,
            gamma=self.gamma,
            start_of=own.astype(np.int64),
        )

    def returns(self, tables: np.ndarray) -> np.ndarray:
        """Exact mean undiscounted return of an episode of each agent, greedy in its table of [N, S, A]: float64 [N]."""
        found = np.empty(self.agents)
        for i, number in enumerate(self.process_of(range(self.agents)).tolist()):
            process = self.process(number)
            found[i] = episode_return(
                np.array(tables[i]), True, process.successor, process.chance, process.reward, process.start, self.limit
            )
        return found

    @cached_property
    def best_return(self) -> float:
        """Mean over the agents of the best return of an episode, by a policy that also sees the clock."""
        nothing, total = np.zeros((self.states, self.actions)), 0.0
        for number in range(self.process_count):
            process = self.process(number)
            total += episode_return(
                nothing, False, process.successor, process.chance, process.reward, process.start, self.limit
            )
        return total / self.process_count


@kernel
def episode_return(table, greedy, successor, chance, reward, start, limit):
    """Mean undiscounted return of ``limit`` steps from ``start`` [S], by recursion backward in time.

    Greedy in ``table`` [S, A], the lowest of equals, or the best action at every step. The successor S is the end.
    """
    states, actions, width = successor.shape
    ahead, now = np.zeros(states + 1), np.zeros(states + 1)
    for _ in range(limit):
        for s in range(states):
            choice = 0
            for a in range(1, actions):
                if table[s, a] > table[s, choice]:
                    choice = a
            best = -np.inf
            for a in range(actions):
                if greedy and a != choice:
                    continue
                value = reward[s, a]
                for w in range(width):
                    value += chance[s, a, w] * ahead[successor[s, a, w]]
                best = max(best, value)
            now[s] = best
        ahead, now = now, ahead
    total = 0.0
    for s in range(states):
        total += start[s] * ahead[s]
    return total


def classes(source: Source) -> Any:
    """The class of a wrapped environment; those for other kinds of algorithms are its ``faces``."""
    from .wrapped_linear import WrappedControl, WrappedEvaluation

    def of(face: type[Any], **more: Any) -> Any:
        model = with_keywords(face.Base, source.signature, source.given)
        own = {"name": source.title, "source": source, "Parameters": model, "__doc__": face.__doc__, **more}
        return type(face.__name__, (face,), own)

    faces = {face.kind: of(face) for face in (WrappedEvaluation, WrappedControl)}
    return of(WrappedTables, faces=faces)


def gym(name: str) -> Any:
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


def pettingzoo(name: str) -> Any:
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
