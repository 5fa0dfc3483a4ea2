"""Seeds in batches until the claims are decided: where it stops, and that it goes on from there after a kill."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator import Results, api
from orchestrator.api import begun, carry_out
from orchestrator.claims.claim import read_claim
from orchestrator.claims.judge import judge
from orchestrator.errors import UserError
from orchestrator.planning.seeds import Until
from orchestrator.planning.stored import StoredSweep
from orchestrator.planning.sweeps import checked, overridden

NAME = "family/growing"
CLAIM = {"name": "small", "case": "joint", "metric": "theta_error_tail", "law": "value"}
CONTENT = {
    "name": NAME,
    "env": {"name": "shared-subspace-mrp", "states": 6, "features": 4, "rank": 2},
    "cases": {"joint": {"algorithm": "joint-average-td"}},
    "base": {"agents": 2, "rounds": 40},
    "seeds": {"until": "decided", "at_most": 40},
}


def growing(**claim):
    return checked(CONTENT | {"claims": [CLAIM | claim]}, "test")


def seeds_of(results: Results) -> list[int]:
    return results.sql("SELECT seed FROM runs ORDER BY seed")["seed"].tolist()


def looks_of(results: Results) -> list[list[int]]:
    return results.sql("SELECT seeds, look FROM verdicts ORDER BY written").to_numpy().tolist()


def run(folder: Path, told: list | None = None, **claim) -> Results:
    announce = lambda planned: (told if told is not None else []).append(planned.seeds)  # noqa: E731
    results = carry_out(growing(**claim), folder, backend="inline", quiet=True, announce=announce)
    results.judge(NAME)
    return results


@pytest.fixture(name="edge", scope="module")
def _edge(tmp_path_factory) -> float:
    """A value that the mean of 16 seeds is above at the second look, and that of 8 not yet at the first."""
    results = carry_out(
        checked(CONTENT | {"seeds": "0..15"}, "test"),
        tmp_path_factory.mktemp("all") / "r",
        backend="inline",
        quiet=True,
    )
    summary, claim = results.summary(NAME), read_claim(CLAIM | {"at_least": 0})
    first, second = (
        judge(claim, part, part, looks=looks).ci_low
        for part, looks in ((summary[summary["seed"] < 8], ()), (summary, (8,)))
    )
    assert first < second
    return (first + second) / 2


def test_it_stops_at_the_first_look_that_decides(tmp_path):
    told: list[str] = []
    results = run(tmp_path / "r", told, at_most=100)
    assert (seeds_of(results), looks_of(results)) == (list(range(8)), [[8, 1]])
    assert told == [", 8 of up to 40 seeds"]


def test_it_adds_a_batch_while_a_claim_is_inconclusive_and_counts_the_looks(tmp_path, edge):
    told: list[str] = []
    results = run(tmp_path / "r", told, at_least=edge)
    assert (seeds_of(results), looks_of(results)) == (list(range(16)), [[8, 1], [16, 2]])
    assert results.sql("SELECT verdict FROM claims")["verdict"].tolist() == ["supported"]
    assert told == [", 8 of up to 40 seeds", ", 16 of up to 40 seeds"]
    assert [row["seeds"] for row in results.status_rows()] == ["16 of up to 40"]
    again: list[str] = []
    assert looks_of(run(tmp_path / "r", again, at_least=edge)) == [[8, 1], [16, 2]]
    assert again == [", 16 of up to 40 seeds"]


def test_on_ray_it_stops_at_the_same_look_with_the_same_numbers(tmp_path, edge, local_ray):
    inline = run(tmp_path / "r", at_least=edge)
    results = carry_out(growing(at_least=edge), tmp_path / "ray", quiet=True)
    assert looks_of(results) == [[8, 1], [16, 2]]
    assert results.judge(NAME)[0] == inline.judge(NAME)[0]
    assert results.fingerprint(NAME) == inline.fingerprint(NAME)


def test_failed_replicates_are_tried_again_once_and_not_in_every_batch(tmp_path, edge, monkeypatch):
    asked, real = [], api.plan
    monkeypatch.setattr(api, "plan", lambda *given: asked.append(given[4]) or real(*given))
    carry_out(growing(at_least=edge), tmp_path / "r", backend="inline", quiet=True, retry_failed=True)
    assert asked == [True, False]


def test_it_ends_at_most_there(tmp_path):
    """The truth lies on the edge, as far as 40 seeds can tell: no look decides."""
    everything = carry_out(overridden(growing(at_most=9), {}, "0..39"), tmp_path / "r", backend="inline", quiet=True)
    mean = everything.judge(NAME)[0].estimate
    definition = growing(at_least=mean - 1e-9, at_most=mean + 1e-9)
    results = carry_out(definition, tmp_path / "s", backend="inline", quiet=True)
    (verdict,) = results.judge(NAME)
    assert seeds_of(results) == list(range(40))
    assert [seeds for seeds, _ in looks_of(results)] == [8, 16, 24, 32, 40]
    assert verdict.verdict == "inconclusive"


def test_what_more_seeds_cannot_decide_does_not_wait_for_them(tmp_path):
    one = CLAIM | {"metric": "theta_error_tail", "law": "power", "versus": "agents", "expect": -1, "within": 0.1}
    same = CLAIM | {"name": "sure", "metric": "calls", "at_most": 1e9, "deterministic": True}
    definition = checked(CONTENT | {"claims": [one, same]}, "test")
    results = carry_out(definition, tmp_path / "r", backend="inline", quiet=True)
    assert seeds_of(results) == list(range(8))
    assert results.judge(NAME)[0].verdict == "inconclusive"


def test_it_goes_on_with_the_batch_that_had_begun(tmp_path, edge):
    """The folder as a kill in the second batch leaves it. There is no look at 12 seeds."""
    definition = growing(at_least=edge)
    results = carry_out(overridden(definition, {}, "0..11"), tmp_path / "r", backend="inline", quiet=True)
    results.store.folder.write(f"sweeps/{NAME}.json", StoredSweep.of(definition.grown(9)).to_bytes())
    assert len(begun(definition, results.store).seeds) == 16
    results = run(tmp_path / "r", at_least=edge)
    assert (seeds_of(results), looks_of(results)) == (list(range(16)), [[16, 1]])


def test_a_driver_killed_in_its_second_batch_goes_on_there(tmp_path, edge):
    (tmp_path / "growing.yaml").write_text(yaml.safe_dump(CONTENT | {"claims": [CLAIM | {"at_least": edge}]}))
    words = ["sweep", "growing.yaml", "--backend", "inline"]
    program = (
        "import os, signal\nfrom orchestrator import cli\nfrom orchestrator.running import inline\n"
        "def dying(task, *rest, real=inline.run_task, **more):\n"
        "    if max(task.seeds) > 7:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(task, *rest, **more)\n"
        "inline.run_task = dying\nimport sys\n"
        f"sys.argv = ['orchestrator', *{words!r}]\ncli.main()\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert seeds_of(Results(tmp_path / "results")) == list(range(8))
    program = f"import sys\nfrom orchestrator import cli\nsys.argv = ['orchestrator', *{words!r}]\ncli.main()\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "8 of 16 replicates to run (1 cell, 16 of up to 40 seeds)." in done.stderr
    results = Results(tmp_path / "results")
    assert (seeds_of(results), looks_of(results)) == (list(range(16)), [[8, 1], [16, 2]])


def test_the_plan_and_the_status_say_how_far_it_may_go(tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("growing.yaml").write_text(yaml.safe_dump(CONTENT | {"claims": [CLAIM | {"at_most": 100}]}))
    code, out, _ = call("sweep", "growing.yaml", "--dry-run")
    assert (code, "8 of 8 replicates to run, 8 of up to 40 seeds." in out) == (0, True)
    assert call("sweep", "growing.yaml", "--backend", "inline")[0] == 0
    assert "8 of up to 40" in call("status")[1]
    assert json.loads(call("status", "--format", "json")[1])[0]["seeds"] == "8 of up to 40"


def test_looks_are_at_the_start_and_after_each_batch():
    until = Until(until="decided", at_most=50, start=8, batch=8)
    assert [until.size(seeds) for seeds in (0, 8, 9, 16, 17, 48, 49, 50, 99)] == [8, 8, 16, 16, 24, 48, 50, 50, 50]
    assert Until(until="decided", at_most=64, start=10, batch=6).size(11) == 16


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ({"until": "decided"}, "seeds.at_most is missing"),
        ({"until": "decide", "at_most": 64}, "seeds.until is 'decide'; it should be 'decided'"),
        ({"until": "decided", "at_mots": 64}, "has no parameter 'seeds.at_mots': did you mean 'seeds.at_most' or"),
        ({"until": "decided", "at_most": 4}, "seeds.at_most is 4; "),
        ({"until": "decided", "at_most": 6, "start": 7}, "start is 7 and at_most 6; at_most takes 7 or more"),
        ({"until": "decided", "at_most": True}, "seeds.at_most is true; it takes a number"),
    ],
)
def test_mistakes_are_named(seeds, words):
    with pytest.raises(UserError) as refused:
        checked(CONTENT | {"claims": [CLAIM | {"at_most": 1}], "seeds": seeds}, "test")
    assert words in str(refused.value)


def test_it_belongs_to_seeds_and_needs_claims_and_seeds_of_the_command_line_replace_it():
    with pytest.raises(UserError, match="until belongs to seeds"):
        checked(CONTENT | {"until": {"until": "decided", "at_most": 8}}, "test")
    with pytest.raises(UserError, match="the sweep makes no claims"):
        checked(CONTENT, "test")
    definition = growing(at_most=1)
    assert checked(definition.model_dump(mode="json"), "test") == definition
    fixed = overridden(definition, {}, "0..2")
    assert (fixed.seeds, fixed.until) == ((0, 1, 2), None)
