"""The shipped sweeps: they load, say what they are about, and every claim can be decided by what they run."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator import registry, sweepfile
from orchestrator.analysis.claims import Claim, judge
from orchestrator.sweepfile import Sweep

NAMES = sorted(registry.sweeps())
FAMILY = [
    f"shared-representation/{name}"
    for name in (
        "quickstart", "average-reward-speedup", "average-reward-conflict", "step-size-floor", "control-gap",
        "pfedtd-speedup", "pfedtd-exponents", "pfedtd-rounds-to-epsilon", "windy-cliff", "generalisation",
    )
]  # fmt: skip


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> Sweep:
    """Each sweep, its cells built and its claims checked."""
    return sweepfile.load(request.param)


def test_the_family_is_complete():
    assert set(FAMILY) <= set(NAMES)


def test_name_is_the_path(shipped: Sweep):
    assert registry.sweeps()[shipped.name].stem == shipped.name.rpartition("/")[2]


def test_it_says_what_it_is_about(shipped: Sweep):
    assert len(shipped.description) > 60
    assert shipped.paper is not None
    assert re.fullmatch(r"arXiv:\d{4}\.\d{5}", shipped.paper.id)
    assert "reconstruct" in shipped.paper.note
    assert shipped.minutes is not None
    assert 0 < shipped.minutes <= 6


def test_seeds_suffice_for_a_verdict(shipped: Sweep):
    assert len(shipped.seeds) >= 6
    assert shipped.judged


def test_one_sweep_runs_a_process_per_agent():
    literal = [name for name in NAMES if sweepfile.load(name).placement.agents_per_actor == 1]
    assert "shared-representation/quickstart" in literal


def as_if_run(sweep: Sweep) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of the planned cells, all done: every metric is near .01 + 1 / agents, its windows fall as 1 / round."""
    rng = np.random.default_rng(0)
    rows, records = [], []
    for case, cell in sweep.cells:
        for seed in sweep.seeds:
            row = {"case": case, "cell_id": cell.id, "seed": seed, "status": "done", **cell.columns()}
            row |= {"rounds": cell.rounds, "bytes_sent": 1000 * cell.agents}
            level = {name: rng.lognormal(0, 0.01) * (0.01 + 1 / cell.agents) for name in cell.metrics()}
            rows.append(row | {f"{name}_{end}": y for name, y in level.items() for end in ("tail", "final")})
            for round_ in (1, 10, 100, 1000, 10_000, 100_000):
                windows = {f"{name}_window": 50 * y / round_ for name, y in level.items()}
                records.append({"cell_id": cell.id, "seed": seed, "round": round_, **windows})
    return pd.DataFrame(rows), pd.DataFrame(records)


def test_every_claim_finds_its_levels_and_cells(shipped: Sweep):
    """No claim ends without an estimate by design: levels, ratio, one cell a level, both halves of a ratio."""
    summary, curves = as_if_run(shipped)
    for claim in shipped.judged:
        verdict = judge(claim, summary, curves, shipped.varied, shipped.name)
        assert "No estimate" not in verdict.reason, claim.name
        assert np.isfinite(verdict.estimate), claim.name


def test_the_table_of_measured_verdicts_is_complete(shipped: Sweep):
    """Beside the sweep files lies what came out: a row for every claim."""
    table = (Path(registry.sweeps()[shipped.name]).parent / "README.md").read_text()
    rows = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")}
    missing = [claim.name for claim in shipped.judged if claim.name not in rows]
    assert not missing


def test_speedups_are_claimed_as_the_target_says():
    """The speedups are claimed as -1 within .15, the target of the family, and nowhere wider."""
    wanted = {
        "quickstart": "subspace error falls as 1/N",
        "average-reward-speedup": "subspace error falls as 1/N",
        "pfedtd-speedup": "map error falls as 1/N under the default schedule",
    }
    for sweep, name in wanted.items():
        claims: dict[str, Claim] = {c.name: c for c in sweepfile.load(f"shared-representation/{sweep}").judged}
        assert claims[name].accepted == (-1.15, -0.85)
        assert claims[name].metric == "subspace_error_tail"
