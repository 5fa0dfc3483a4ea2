"""A small results folder that the other kinds of input read, claim about and damage, and the sweep that filled it."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.tools.fuzz import hooks
from tests.tools.fuzz.hooks import INLINE
from tests.tools.fuzz.trial import emptied, warm

#: Two cases, four sizes, six seeds, three claims, the metrics of each agent; a case that diverges.
SWEEP: dict[str, Any] = {
    "name": "mine/small",
    "description": "small",
    "paper": {"id": "arXiv:0000.00000", "note": "none"},
    "env": {"name": "shared-subspace-mrp", "states": 5, "features": 3},
    "cases": {
        "joint": {"algorithm": "joint-average-td", "beta": 0.1},
        "alone": {"algorithm": "independent-td", "grid": {"agents": [2, 4]}},
    },
    "base": {"rounds": 8, "alpha": 0.1},
    "grid": {"agents": [2, 4, 8, 16]},
    "seeds": "0..5",
    "record": {"every": 2, "agents": True},
    "claims": [
        {"name": "power", "case": "joint", "metric": "theta_error_tail", "law": "power", "versus": "agents",
         "expect": -1, "within": 0.3},
        {"name": "less", "case": "joint", "metric": "theta_error_tail", "law": "order", "below": "alone",
         "where": {"agents": 2}},
        {"name": "curve", "case": "alone", "metric": "theta_error", "law": "exponential", "versus": "round",
         "where": {"agents": 4}, "at_most": 0},
    ],
}  # fmt: skip
#: Its cells, as rows of other algorithms: what a sweep of seeds that grow, and one of a network, look like.
UNTIL: dict[str, Any] = {
    "name": "until",
    "env": {"name": "windy-cliff"},
    "cases": {"a": {"algorithm": "independent-td"}},
    "base": {"rounds": 3, "agents": 2},
    "seeds": {"until": "decided", "at_most": 12, "start": 6, "batch": 3},
    "claims": [{"name": "c", "case": "a", "metric": "value_error_tail", "law": "value", "at_most": 5}],
}
NETWORK: dict[str, Any] = {
    "name": "network",
    "env": {"name": "voter-network", "graph": "ring"},
    "cases": {"a": {"algorithm": "shadow-policy-gradient", "batch": 4, "kappa": 1}},
    "base": {"rounds": 2},
    "zip": {"agents": [4, 5, 6], "step": [0.1, 0.2, 0.3]},
    "grid": {"env.graph": ["ring", "0-1 1-2 2-3 3-4 4-5"]},
    "seeds": [0, 3],
    "placement": {"agents_per_actor": 1, "strategy": "spread", "labels": {"a": "b"}},
    "minutes": 1,
    "claims": [{"name": "c", "case": "a", "metric": "utility_tail", "law": "value", "versus": "step", "at_least": 0,
                "window": [0.1, 0.2], "where": {"env.graph": "ring"}, "rare": 0.1}],
}  # fmt: skip
#: A second sweep of the folder.
OTHER = ("independent-td", "windy-cliff", "--rounds", "2", "--seeds", "0,1", "--name", "other")


def lay(scratch: Path) -> Path:
    """Make the folder, in this process. Returns its path."""
    place = emptied(scratch / "stored")
    file, results = place / "small.yaml", ("--results", str(place / "results"))
    file.write_text(json.dumps(SWEEP))
    (place / "own.py").write_text(hooks.works())
    own = (f"{place / 'own.py'}:Own", f"{place / 'own.py'}:Place", "--rounds", "2", "--seeds", "0,1")
    elsewhere = ("--results", str(place / "others"))
    warm(
        ("sweep", str(file), *INLINE, *results),
        ("run", *OTHER, *INLINE, *results),
        ("run", *own, *INLINE, *elsewhere),
        ("report", "--all", *elsewhere),
        ("plot", "mine/small", "1", *results, "--output", str(place / "plot.pdf")),
        ("query", "FROM summary", *results),
    )
    return place / "results"


def copy(stored: Path, place: Path) -> None:
    """A copy of the folder as ``place/results``."""
    shutil.copytree(stored, place / "results")
