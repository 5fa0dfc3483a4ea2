"""A small cell of every promised algorithm on every environment that it runs on."""

from orchestrator.planning.tasks import Task
from orchestrator.plugins import registry
from tests.tools.engine import task

ALGORITHMS = {name: registry.algorithm(name) for name in registry.names("algorithm")}
ENVIRONMENTS = {name: registry.environment(name) for name in registry.names("environment")}
PROMISED = {name: found for name, found in ALGORITHMS.items() if found.reproducible}
PAIRS = [(a, e) for a, of in PROMISED.items() for e, on in ENVIRONMENTS.items() if on.kind in of.kinds]

SAMPLED = {"k": 3, "samples": 2, "rollouts": 3, "steps": 4}
#: Settings that keep an algorithm or an environment small.
SMALL = {
    "map-transfer": {"pretraining": 6, "held_out": 6, "refit_rounds": 5},
    "landmarks": {"env__size": 3},
    "navigation": {"env__size": 3},
    "blocker": {"env__columns": 4, "env__limit": 9},
    "shadow-policy-gradient": {"batch": 6, "horizon": 8},
    "subsample-q": SAMPLED,
    "subsample-mfq": SAMPLED,
    # Everything is accepted, so as not to end too soon; the team's learner is slow, and has tests of its own.
    "alternating-marl": SAMPLED | {"sweeps": 2, "eta": float("-inf"), "local_learner": "selfish"},
    "graphon-mfs": {"kappa": 2, "samples": 2, "rollouts": 3, "steps": 4},
    "graphon-robots": {"env__graphon": "block"},
    "constrained-exploration": {"env__side": 2, "env__box": 1, "env__gamma": 0.3},
    "tracking-line": {"env__gamma": 0.3},
    "mode-tracking": {"env__gamma": 0.3},
    "random-population": {"env__gamma": 0.3},
    "slotted-aloha": {"probability": 0.3},
    "warehouse": {"env__gamma": 0.3},
    "federated-optimisation": {"env__gamma": 0.3},
    "gaussian-squeeze": {"env__mu": 15, "env__sigma": 8},
    "shadow-primal-dual": {"batch": 6, "horizon": 8},
}
ROUNDS = 11
RECORD = {"every": 4, "per_decade": 2, "agents": True}


def of_pair(pair: tuple[str, str], seeds: tuple[int, ...] = (0, 1), **settings: object) -> Task:
    """The task of these seeds of an algorithm on an environment."""
    small = SMALL.get(pair[0], {}) | SMALL.get(pair[1], {})
    return task(pair, seeds, RECORD, agents=agents(pair), rounds=ROUNDS, **small, **settings)


def agents(pair: tuple[str, str]) -> int:
    return 3 if pair[1] == "blocker" else 4
