"""The shipped sweeps: they load, say what they are about, and every claim can be decided by what they run."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.claims.claim import Claim, bare
from orchestrator.claims.judge import judge
from orchestrator.planning import sweeps
from orchestrator.planning.sweep import Sweep
from orchestrator.plugins import registry
from orchestrator.running.recorder import record_rounds

NAMES = sorted(registry.sweeps())
FAMILIES = sorted({name.rpartition("/")[0] for name in NAMES})
#: (tau_1, tau_2) of the six pairs whose difference is claimed as the exponent of the disagreement.
PAIRS = [(0.65, 0.35), (0.8, 0.2), (0.9, 0.1), (0.65, 0.1), (1, 0.4), (0.8, 0.5)]


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> Sweep:
    """Each sweep, its cells built and its claims checked."""
    return sweeps.load(request.param)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_page_of_a_family_has_every_sweep_of_its_folder(family: str):
    """Each has a section of the page with the measured verdicts, named by the file, and none is left of another."""
    folder = Path(registry.sweeps()[next(name for name in NAMES if name.startswith(f"{family}/"))]).parent
    headings = re.findall(r"^##+ `([\w-]+)`", (folder / "README.md").read_text(), re.M)
    assert sorted(headings) == sorted(path.stem for path in folder.glob("*.y*ml"))
    assert sorted(f"{family}/{heading}" for heading in headings) == [n for n in NAMES if n.startswith(f"{family}/")]


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
    assert shipped.checked_claims


def test_one_sweep_runs_a_process_per_agent():
    literal = [name for name in NAMES if sweeps.load(name).placement.agents_per_actor == 1]
    assert "shared-representation/quickstart" in literal


def as_if_run(sweep: Sweep) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of the planned cells, all done, recorded when they would be.

    Every metric is near .01 + 1 / agents over the tail, its curve falls as 1 / round, and what it ends at is three
    times as large from one cell of a case to the next, so that whatever is measured can be an axis.
    """
    rng, noise = np.random.default_rng(0), 0 if any(claim.deterministic for claim in sweep.checked_claims) else 0.01
    shares = {bare(claim.metric) for claim in sweep.checked_claims if claim.share}
    rows, records = [], []
    place: dict[str, int] = {}
    for case, cell in sweep.cells:
        place[case] = place.get(case, -1) + 1
        rounds = np.array(record_rounds(cell.rounds, cell.schedule.per_decade)[1:])
        for seed in sweep.seeds:
            row = {"case": case, "cell_id": cell.id, "seed": seed, "status": "done", **cell.columns()}
            row |= {"rounds": cell.rounds, "bytes_sent": 1000 * cell.agents, "agent_steps": 10 * cell.agents}
            level = {name: rng.lognormal(0, noise) * (0.01 + 1 / cell.agents) for name in cell.metrics()}
            level |= {name: float(seed % 2) for name in shares & level.keys()}
            row |= {f"{name}_tail": y for name, y in level.items()}
            scale = {name: 1.0 if name in shares else 3.0 ** place[case] for name in level}
            rows.append(row | {f"{name}_final": y * scale[name] for name, y in level.items()})
            values = {name: 50 * y / rounds for name, y in level.items()}
            values |= {f"{name}_window": y for name, y in values.items()}
            records.append(pd.DataFrame({"cell_id": cell.id, "seed": seed, "round": rounds} | values))
    return pd.DataFrame(rows), pd.concat(records, ignore_index=True)


def test_every_claim_finds_its_levels_and_cells(shipped: Sweep):
    """No claim ends without an estimate by design: levels, ratio, one cell a level, both halves of a ratio."""
    summary, curves = as_if_run(shipped)
    for claim in shipped.checked_claims:
        verdict = judge(claim, summary, curves, shipped.varied, shipped.name)
        assert "No estimate" not in verdict.reason, claim.name
        assert np.isfinite(verdict.estimate), claim.name


def test_the_table_of_measured_verdicts_is_complete(shipped: Sweep):
    """Beside the sweep files lies what came out: a row for every claim."""
    table = (Path(registry.sweeps()[shipped.name]).parent / "README.md").read_text()
    rows = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")}
    missing = [claim.name for claim in shipped.checked_claims if claim.name not in rows]
    assert not missing


def test_speedups_are_claimed_as_the_target_says():
    """The speedups are claimed as -1 within .15, the target of the family, and nowhere wider."""
    wanted = {
        "quickstart": "subspace error falls as 1/N",
        "average-reward-speedup": "subspace error falls as 1/N",
        "pfedtd-speedup": "map error falls as 1/N under the default schedule",
    }
    for sweep, name in wanted.items():
        claims: dict[str, Claim] = {c.name: c for c in sweeps.load(f"shared-representation/{sweep}").checked_claims}
        assert claims[name].accepted == (-1.15, -0.85)
        assert claims[name].metric == "subspace_error_tail"


def test_the_disagreement_is_claimed_to_fall_by_the_difference_of_the_exponents():
    """-(tau_1 - tau_2) within .08, for every pair at kappa .5 and 1, from the curves of the paper's environment."""
    sweep = sweeps.load("policy-reciprocity/consensus-exponents")
    found = {}
    for claim in sweep.checked_claims:
        assert (claim.law, claim.metric, claim.versus) == ("power", "consensus_error", "round")
        found[claim.where["tau_1"], claim.where["tau_2"], claim.where["kappa"]] = claim.accepted
    assert found == {
        (tau_1, tau_2, kappa): pytest.approx((tau_2 - tau_1 - 0.08, tau_2 - tau_1 + 0.08))
        for tau_1, tau_2 in PAIRS
        for kappa in (0.5, 1)
    }
    assert {cell.environment_parameters["coupling"] for _, cell in sweep.cells} == {"shared"}


def accepted(sweep: str) -> dict[str, tuple[float, float]]:
    """Accepted range of every claim of a sweep of policy reciprocity."""
    return {claim.name: claim.accepted for claim in sweeps.load(f"policy-reciprocity/{sweep}").checked_claims}


def test_what_is_claimed_of_policy_reciprocity():
    """The ranges were fixed before the measurement; what did not hold stands as refuted, not with another range."""
    tables = accepted("boundedness")
    assert len(tables) == 4
    assert set(tables.values()) == {(-math.inf, 22.5)}  # 4.5 / (1 - 0.8)
    optimality = accepted("optimality-vs-kappa")
    for case in ("kappa = 1", "constant kappa = 0.5", "kappa rising from 0.5 to 1"):
        assert optimality[f"{case} converges to Q*"] == (-math.inf, -0.1)
    assert accepted("graph")["a ring's disagreement falls with the same exponent"] == pytest.approx((-0.38, -0.22))
    private = accepted("private-bias")
    assert private["private copies end below Q*"] == (-math.inf, -0.2)
    assert private["a shared trajectory is not biased"] == (-0.1, 0.1)
