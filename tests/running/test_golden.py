"""Numbers that must not change unseen: a hash of each algorithm on each environment, kept in tests/golden.json.

``python tests/running/test_golden.py`` rewrites the file. It refuses while numbers have changed and the version
of neither the algorithm nor the environment has: results stored under the old numbers would pass for the new ones.
Values are rounded to 10 significant digits first: another numpy or numba may differ in the last bits.
"""

import hashlib
import json
import math
import sys
from typing import Any

import pytest

from orchestrator.plugins import registry
from tests.tools.engine import ROOT, run, task

GOLDEN = ROOT / "tests" / "golden.json"
#: Below this a number is rounding noise, such as the subspace error of the true subspace.
NOISE = 1e-10
SMALL = {"agents": 4, "rounds": 12}
AVERAGE = {"env__states": 7, "env__features": 5}
SAMPLED = {"k": 3, "rollouts": 4, "steps": 5, "env__gamma": 0.3}
SIZES = {
    "shared-subspace-mrp": AVERAGE,
    "shared-subspace-mdp": AVERAGE | {"env__actions": 2},
    "landmarks": {"env__size": 3},
    "navigation": {"env__size": 3},
    "blocker": {"env__columns": 4, "env__limit": 9, "agents": 3},
    "mode-tracking": SAMPLED,
    "random-population": SAMPLED,
    "constrained-exploration": SAMPLED | {"env__side": 2, "env__box": 1},
    "tracking-line": SAMPLED,
    "warehouse": SAMPLED,
    "federated-optimisation": SAMPLED,
    "gaussian-squeeze": {"k": 3, "rollouts": 4, "steps": 5, "env__mu": 15, "env__sigma": 8},
    "graphon-robots": {"kappa": 3, "rollouts": 4, "steps": 5, "env__graphon": "block"},
}


def pairs() -> list[tuple[str, str]]:
    algorithms = {name: registry.algorithm(name) for name in registry.names("algorithm")}
    environments = {name: registry.environment(name).kind for name in registry.names("environment")}
    promised = {name: found.kinds for name, found in algorithms.items() if found.reproducible}
    return [(a, e) for a, kinds in promised.items() for e, kind in environments.items() if kind in kinds]


def versions(pair: tuple[str, str]) -> list[int]:
    return [registry.algorithm(pair[0]).version, registry.environment(pair[1]).version]


def fingerprint(pair: tuple[str, str]) -> str:
    """SHA-256 of two seeds' recorder rows and counts, floats to 10 significant digits."""
    settings = SMALL | SIZES.get(pair[1], {})
    outcome = run(task(pair, (0, 1), {"every": 4, "per_decade": 2}, **settings))
    content = [
        [replica.status, replica.traffic.calls, replica.traffic.messages, *map(rounded, replica.recorder.rows())]
        for replica in outcome.replicas
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: shortened(value) if isinstance(value, float) else value for name, value in row.items()}


def shortened(value: float) -> str:
    return "0" if abs(value) < NOISE else f"{value:.10g}" if math.isfinite(value) else str(value)


def stored() -> dict[str, dict[str, Any]]:
    return json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}


def key(pair: tuple[str, str]) -> str:
    return " on ".join(pair)


@pytest.mark.parametrize("pair", pairs(), ids=key)
def test_numbers_are_what_they_were(pair):
    again = "then run: python tests/running/test_golden.py"
    golden = stored().get(key(pair))
    assert golden is not None, f"{key(pair)} has no golden fingerprint; {again.removeprefix('then ')}"
    same = fingerprint(pair) == golden["sha256"]
    if golden["versions"] == versions(pair):
        assert same, f"numbers changed: bump `version` of {pair[0]} or of {pair[1]}, {again}"
    else:
        raise AssertionError(f"versions of {key(pair)} were {golden['versions']}, are {versions(pair)}; {again}")


def test_nothing_is_kept_that_is_gone():
    assert set(stored()) == {key(pair) for pair in pairs()}


def test_what_counts_as_the_same():
    assert shortened(1 / 3) == shortened(1 / 3 + 1e-13) == "0.3333333333"
    assert shortened(1 / 3) != shortened(1 / 3 + 1e-9)
    assert shortened(3e-16) == shortened(-7e-17) == "0"
    assert shortened(math.inf) == "inf"


def rewrite(force: bool) -> int:
    """Write the file anew; returns the exit code."""
    before, silent = stored(), []
    after: dict[str, dict[str, Any]] = {}
    for pair in pairs():
        after[key(pair)] = {"versions": versions(pair), "sha256": fingerprint(pair)}
        old = before.get(key(pair)) or after[key(pair)]
        if old["versions"] == versions(pair) and old["sha256"] != after[key(pair)]["sha256"]:
            silent.append(key(pair))
    if silent and not force:
        print("Numbers changed under the same versions; bump one, or --force if nothing was ever stored:", *silent)
        return 1
    GOLDEN.write_text(json.dumps(after, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(rewrite("--force" in sys.argv))
