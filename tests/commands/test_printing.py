"""What is printed for other programs to read."""

import json
import math

import pytest

from orchestrator.claims.verdict import Verdict
from orchestrator.commands import printing

NO_ESTIMATE = Verdict(
    claim="c",
    case="joint",
    metric="error_tail",
    versus="agents",
    law="power",
    estimate=math.nan,
    ci_low=math.nan,
    ci_high=math.inf,
    interval="95% interval",
    expected="-1 +- 0.1",
    verdict="inconclusive",
    reason="No estimate.",
)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def test_a_verdict_without_an_estimate_is_json(capsys: pytest.CaptureFixture[str]):
    """JSON has no NaN and no infinity: other programs stop at them."""
    printing.verdicts({"s": [NO_ESTIMATE]}, "json")
    (row,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == (None, None, None)
    assert (row["sweep"], row["claim"], row["verdict"], row["versus"]) == ("s", "c", "inconclusive", "agents")
    assert "sweep_hash" not in row
