"""What a claim's registrations say about it, and in which words."""

import pytest

from orchestrator.claims.claim import read_claim
from orchestrator.claims.standing import Past, Registration, claim_hash, judging_text, standing, withdrawal

FIELDS = {"name": "a", "case": "joint", "metric": "error_tail", "law": "value", "at_most": 1}
CLAIM = read_claim(FIELDS)
OWN = claim_hash(judging_text(CLAIM))


def row(number: int, event: str = "registered", own: str = OWN, replicates: int = 0) -> Registration:
    return Registration(number, event, own, "", replicates)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([], "not registered: nothing says whether it was written before the data"),
        ([row(1)], "registered before the data"),
        ([row(1, replicates=1)], "registered after 1 replicate"),
        ([row(1, own="x"), row(2, "changed")], "registered before the data"),
        ([row(1, own="x"), row(2, "changed", replicates=9)], "changed once after 9 replicates"),
        ([row(1, own="x", replicates=4), row(2, "changed", replicates=9)],
         "registered after 4 replicates, changed once after 9 replicates"),
        ([row(1), row(2, "changed", "x", 9), row(3, "changed", replicates=12)],
         "changed 2 times, the last time after 12 replicates"),
        ([row(1), row(2, "withdrawn", replicates=9), row(3, replicates=9)], "registered before the data"),
        ([row(1), row(2, "withdrawn", replicates=9), row(3, "changed", "x", 9), row(4, "changed", replicates=9)],
         "changed 2 times, the last time after 9 replicates"),
        ([row(1), row(2, "cases", replicates=9)], "changed once after 9 replicates"),
        ([row(1, own="x")], "changed once after 5 replicates"),
    ],
)  # fmt: skip
def test_words(history, words):
    assert standing(history, CLAIM, 5, ()).words == words
    assert standing(list(reversed(history)), CLAIM, 5, ()).words == words


def test_what_it_was_are_the_last_verdicts_before_the_change():
    history = [row(1, own="x"), row(2, "changed", "y", 8), row(3, "changed", replicates=16)]
    verdicts = ("inconclusive", 1), ("refuted", 1), ("inconclusive", 2), ("supported", 3), ("withdrawn", 2)
    past = [Past(number, verdict) for verdict, number in verdicts]
    assert standing(history, CLAIM, 16, past).was == "refuted, then inconclusive"
    assert standing(history, CLAIM, 16, [Past(0, "refuted")]).was == "refuted"  # of a time without registrations
    assert standing([*history[:1], row(2, "changed")], CLAIM, 16, past).was == ""


def test_withdrawn_before_there_were_data_is_forgotten():
    assert withdrawal([row(1), row(2, "withdrawn")], 16, ()) is None
    gone = withdrawal([row(1), row(2, "withdrawn", replicates=8)], 16, [Past(1, "refuted")])
    assert gone is not None
    assert gone.altered
    assert gone.words == "registered before the data, withdrawn after 8 replicates; was refuted"


def test_every_field_but_the_name_counts():
    same = read_claim({**FIELDS, "name": "b", "at_most": 1.0, "where": {}, "deterministic": False})
    assert judging_text(same) == judging_text(CLAIM)
    for changed in ({"at_most": 2}, {"case": "alone"}, {"where": {"alpha": 0.1}}, {"looked": [8]}, {"rare": 0.1}):
        assert claim_hash(judging_text(read_claim(FIELDS | changed))) != OWN
