"""The sweeps that faults strike: algorithms of every family, agents in processes of their own, packed, or in the trial.

Each takes seconds to compute and a little longer to call, so that it can be struck half finished.
"""

from typing import Any, NamedTuple

from tests.tools.engine import WORKED


class Case(NamedTuple):
    """A sweep's content, as a YAML file has it."""

    content: dict[str, Any]
    actors: bool = True  #: whether agents have processes of their own


def _case(env: dict[str, Any], cases: dict[str, Any], base: dict[str, Any], packing: object, **more: Any) -> Case:
    record = {"every": 20, "agents": True}
    content = {"env": env, "cases": cases, "base": base, "seeds": [0, 1], "record": record} | more
    return Case(content | {"placement": {"agents_per_actor": packing}}, packing != "auto")


CASES = {
    # The heads of both algorithms stay with the agents.
    "heads": _case(
        {"name": "shared-subspace-mrp", "states": 8, "features": 4, "heads": "gaussian"},
        {"joint": {"algorithm": "joint-average-td"}, "alone": {"algorithm": "pfedtd-rep"}},
        {"rounds": 200, "agents": 3},
        1,
        grid={"alpha": [0.02, 0.03, 0.04, 0.05, 0.06, 0.07]},
    ),
    "reciprocity": _case(
        {"name": "landmarks", "size": 3},
        {"reciprocity": {"algorithm": "policy-reciprocity"}, "alone": {"algorithm": "iql"}},
        {"rounds": 200, "agents": 4, "local_steps": 20},
        2,
        grid={"alpha": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]},
    ),
    "utilities": _case(
        {"name": "voter-network"},
        {"shadow": {"algorithm": "shadow-policy-gradient", "batch": 16, "horizon": 16}},
        {"rounds": 200, "agents": 6},
        "auto",
        grid={"step": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2]},
    ),
    "population": _case(
        {"name": "mode-tracking", "gamma": 0.3},
        {"sampled": {"algorithm": "subsample-q", "k": 3, "samples": 2, "rollouts": 3, "steps": 4}},
        {"agents": 4},
        2,
        grid={"rounds": [150, 160, 170, 180, 190, 200, 210, 220, 230, 240, 250, 260]},
    ),
    # A plug-in: every process imports its file, and its agents' positions are lost with them.
    "walks": _case(
        {"name": WORKED["drift"][1]},
        {"walks": {"algorithm": WORKED["drift"][0]}},
        {"rounds": 500, "agents": 3},
        1,
        grid={"pull": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.2, 0.3]},
    ),
    # Of those who eat too much, whom a setting of the command line adds, nothing is expected but a reason.
    "hungry": _case(
        {"name": WORKED["hungry"][1]},
        {"hungry": {"algorithm": WORKED["hungry"][0], "appetite": 0}},
        {"agents": 2, "rounds": 60},
        1,
    ),
}
#: Those that are killed.
KILLED = sorted(CASES.keys() - {"hungry"})
