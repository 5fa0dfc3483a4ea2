"""Claims are registered before their data, and every page and table reports a later change."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator import Results
from orchestrator.api import carry_out
from orchestrator.execution import execute
from orchestrator.planning.plan import plan
from orchestrator.planning.registered import register
from orchestrator.planning.sweeps import checked
from orchestrator.progress.watcher import Watcher
from orchestrator.store import Store

NAME = "family/small"
CLAIM = {"name": "in order", "case": "joint", "metric": "theta_error_tail", "law": "order", "below": "alone"}
SWAPPED = CLAIM | {"case": "alone", "below": "joint"}
OTHER = {"name": "small", "case": "joint", "metric": "theta_error_tail", "law": "value", "at_most": 100}
CONTENT = {
    "name": NAME,
    "env": {"name": "shared-subspace-mrp", "states": 6, "features": 4, "rank": 2},
    "cases": {"joint": {"algorithm": "joint-average-td"}, "alone": {"algorithm": "independent-td"}},
    "base": {"agents": 2, "rounds": 40},
    "seeds": "0..7",
    "claims": [CLAIM],
}
BEFORE = "registered before the data"


def carried(folder: Path, *claims: dict, **changed) -> Results:
    definition = checked(CONTENT | {"claims": list(claims)} | changed, "test")
    results = carry_out(definition, folder, backend="inline", quiet=True)
    results.judge(NAME)
    return results


@pytest.fixture(name="first", scope="module")
def _first(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("registered") / "r"
    carried(folder, CLAIM)
    return folder


@pytest.fixture(name="folder")
def _folder(first, tmp_path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "r"))


def words(results: Results) -> list[tuple[str, str]]:
    rows = results.sql("SELECT verdict, registered FROM claims ORDER BY claim").to_numpy().tolist()
    return [tuple(row) for row in rows]


def test_a_claim_is_registered_before_the_first_replicate(tmp_path):
    """Its text and hash are there when the first cell begins, with the number of replicates at that time."""
    store, seen = Store.open(tmp_path / "r", create=True), []

    class Looking(Watcher):
        def on_start(self, *about, **more):
            if not seen:
                sql = "SELECT claim, number, event, text, replicates, length(claim_hash) AS n FROM registrations"
                seen.extend(store.query(sql).to_pylist())

    execute(plan(checked(CONTENT, "test"), store, "inline", None), store, "inline", None, Looking())
    text = json.dumps({key: CLAIM[key] for key in sorted(CLAIM) if key != "name"}, sort_keys=True)
    assert seen == [{"claim": "in order", "number": 1, "event": "registered", "text": text, "replicates": 0, "n": 16}]


def test_a_claim_that_was_fixed_before_says_so(folder, call):
    results = Results(folder)
    assert words(results) == [("refuted", BEFORE)]
    _, out, _ = call("claims", "--results", str(folder))
    assert "Registered before the data." in out
    assert results.sql("SELECT count(*) FROM registrations").iloc[0, 0] == 1


def test_cases_of_a_claim_swapped_after_the_run(folder, call):
    """The law is turned round when the data are known: it is supported, and everybody sees what it was."""
    results = carried(folder, SWAPPED)
    changed = "changed once after 16 replicates; was refuted"
    assert words(results) == [("supported", changed)]
    code, out, _ = call("claims", "--strict", "--results", str(folder))
    assert (code, changed.capitalize() + "." in out) == (1, True)
    code, out, _ = call("claims", "--format", "json", "--results", str(folder))
    (row,) = json.loads(out)
    assert code == 0
    assert (row["registered"], row["changes"], row["changed_after"], row["was"]) == (changed, 1, 16, "refuted")
    assert (row["registered_after"], row["registration"], len(row["claim_hash"])) == (0, 2, 16)
    page = results.report(NAME).read_text(encoding="utf-8")
    assert page.count(f"<span class='standing altered'>{changed}</span>") == 2
    index = results.report_all().read_text(encoding="utf-8")
    assert "1 changed after the data" in index
    old = results.sql("SELECT verdict FROM verdicts ORDER BY registration")["verdict"].tolist()
    assert old == ["refuted", "supported"]
    assert call("export", NAME, "--format", "parquet", "--results", str(folder))[0] == 0
    place = folder / "exports" / f"{NAME}-parquet"
    assert pq.read_table(place / "claims.parquet")["registered"].to_pylist() == [changed]
    assert pq.read_table(place / "registrations.parquet")["event"].to_pylist() == ["registered", "changed"]


def test_changing_it_back_is_another_change(folder):
    carried(folder, SWAPPED)
    results = carried(folder, CLAIM)
    assert words(results) == [
        ("refuted", "changed 2 times, the last time after 16 replicates; was refuted, then supported")
    ]


def test_a_claim_that_is_added_after_the_run(folder):
    results = carried(folder, CLAIM, OTHER)
    assert words(results) == [("refuted", BEFORE), ("supported", "registered after 16 replicates")]
    (claim,) = (verdict for verdict in results.judge(NAME) if verdict.claim == "small")
    assert not claim.standing.altered
    assert words(carried(folder, CLAIM, OTHER | {"at_most": 50}))[1] == (
        "supported", "registered after 16 replicates, changed once after 16 replicates; was supported",
    )  # fmt: skip


def test_a_renamed_claim_is_a_new_one_and_the_old_one_stays_visible(folder, call):
    results = carried(folder, SWAPPED | {"name": "in another order"})
    assert words(results) == [
        ("supported", "registered after 16 replicates"),
        ("withdrawn", "registered before the data, withdrawn after 16 replicates; was refuted"),
    ]
    assert [verdict.claim for verdict in results.judge(NAME)] == ["in another order"]
    code, out, _ = call("claims", "--strict", NAME, "--results", str(folder))
    assert (code, "withdrawn    family/small: in order" in out) == (1, True)
    assert "withdrawn after 16 replicates; was refuted" in results.report(NAME).read_text(encoding="utf-8")
    assert words(carried(folder, CLAIM)) == [
        ("withdrawn", "registered after 16 replicates, withdrawn after 16 replicates; was supported"),
        ("refuted", BEFORE),
    ]


def test_all_claims_taken_away_are_withdrawn(folder):
    assert [one for one, _ in words(carried(folder))] == ["withdrawn"]


def test_a_claim_may_be_changed_before_there_are_data(tmp_path):
    store = Store.open(tmp_path / "r", create=True)
    register(checked(CONTENT | {"claims": [SWAPPED, OTHER]}, "test"), store)
    register(checked(CONTENT, "test"), store)
    assert words(carried(tmp_path / "r", CLAIM)) == [("refuted", BEFORE)]


def test_cells_that_change_their_case_change_the_claim(folder):
    """The same trick without touching the claim: its two cases exchange their algorithms."""
    swapped = {"joint": CONTENT["cases"]["alone"], "alone": CONTENT["cases"]["joint"]}
    changed = ("supported", "changed once after 16 replicates; was refuted")
    assert words(carried(folder, CLAIM, cases=swapped)) == [changed]
    assert words(carried(folder, CLAIM, cases=swapped)) == [changed]


def test_other_settings_under_the_same_name_are_data_as_well(folder):
    """A claim cannot be rewritten in the shade of cells that have not run."""
    carried(folder, SWAPPED, base={"agents": 2, "rounds": 3})
    assert words(carried(folder, SWAPPED))[0][1].startswith("changed once after 16 replicates")


def test_a_folder_without_registrations_says_so_and_counts_from_the_next_run(folder):
    shutil.rmtree(folder / "registrations")
    results = Results(folder)
    (verdict,) = results.judge(NAME)
    assert verdict.standing.words == "not registered: nothing says whether it was written before the data"
    assert words(carried(folder, CLAIM)) == [("refuted", "registered after 16 replicates")]


def test_a_definition_that_no_run_wrote_counts_as_changed(folder):
    path = folder / "sweeps" / f"{NAME}.json"
    content = json.loads(path.read_text())
    content["claims"][0] |= {"case": "alone", "below": "joint"}
    path.write_text(json.dumps(content))
    (verdict,) = Results(folder).judge(NAME)
    assert (verdict.verdict, verdict.standing.words) == ("supported", "changed once after 16 replicates; was refuted")


def test_two_drivers_register_the_same_once(tmp_path):
    """Neither sees the other's rows, as it may be for a moment: the rows are equal and count once."""
    store = Store.open(tmp_path / "r", create=True)
    other = Store.open(tmp_path / "other", create=True)
    for one in (store, other):
        register(checked(CONTENT, "test"), one)
    for segment in (tmp_path / "other" / "registrations").iterdir():
        shutil.copy(segment, tmp_path / "r" / "registrations")
    found = store.query("SELECT number, replicates FROM registrations").to_pylist()
    assert found == [{"number": 1, "replicates": 0}]
    assert words(carried(tmp_path / "r", CLAIM)) == [("refuted", BEFORE)]
    store.compact()
    assert words(Results(tmp_path / "r")) == [("refuted", BEFORE)]
