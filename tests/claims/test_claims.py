"""The words of a claim and the messages for wrong ones."""

import math

import pytest
from pydantic import ValidationError

from orchestrator.claims.claim import bare, read_claim
from orchestrator.claims.verdict import Point, Verdict
from orchestrator.errors import UserError

POWER = {"name": "1/N", "case": "joint", "metric": "error_tail", "versus": "agents", "law": "power"}
SLOPE = POWER | {"expect": -1, "within": 0.15}
VALUE = {"name": "small", "case": "joint", "metric": "error_tail", "law": "value"}


def test_the_accepted_range():
    assert read_claim(SLOPE).accepted == pytest.approx((-1.15, -0.85))
    assert read_claim(POWER | {"at_most": -0.3}).accepted == (-math.inf, -0.3)
    assert read_claim(VALUE | {"at_least": 1, "at_most": 2}).accepted == (1, 2)
    assert read_claim(VALUE | {"at_least": 1, "at_most": 2}).expected == ">= 1 and <= 2"
    assert read_claim(SLOPE).expected == "-1 +- 0.15"


def test_a_claim_is_frozen():
    claim = read_claim(SLOPE)
    with pytest.raises(ValidationError):
        claim.expect = -2  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (SLOPE | {"law": "powr"}, "claim '1/N': law is 'powr': did you mean 'power'?"),
        (SLOPE | {"law": "rising"}, "law is 'rising': known: bound, exponential, floor, order, power, value."),
        (SLOPE | {"expct": 1}, "claim '1/N': a claim has no field 'expct': did you mean 'expect'"),
        (POWER, "law power needs either expect with within, or at_least and/or at_most"),
        (SLOPE | {"at_most": 0}, "law power needs either expect with within, or at_least and/or at_most"),
        (POWER | {"expect": -1}, "expect needs within"),
        (
            SLOPE | {"versus": None},
            "law power needs versus: x axis: a grid key (agents, alpha, env.gamma, …), <m>_final, or round",
        ),
        (SLOPE | {"within": 0}, "within is 0; input should be greater than 0"),
        (SLOPE | {"expect": float("inf")}, "expect is inf; input should be a finite number"),
        (SLOPE | {"expect": "minus one"}, "expect is 'minus one'; input should be a valid number"),
        (SLOPE | {"window": [8, 2]}, "window is [8.0, 2.0]; it takes [lowest, highest] of agents"),
        (VALUE | {"at_least": 1, "window": [1, 2]}, "window needs versus"),
        (VALUE | {"at_least": 2, "at_most": 1}, "at_least is 2 and at_most 1; at_least must be smaller"),
        (VALUE | {"expect": 1, "within": 1, "below": "other"}, "law value does not take below, which belongs to order"),
        (VALUE | {"law": "order"}, "law order needs below"),
        (VALUE | {"law": "order", "below": "joint"}, "below is 'joint', the claim's own case"),
        (POWER | {"law": "bound", "constant": 1}, "law bound needs exponent"),
        (POWER | {"law": "bound", "constant": -1, "exponent": 1}, "constant is -1; input should be greater than 0"),
        (SLOPE | {"metric": "error"}, "metric is 'error'; it takes <m>_tail"),
        (SLOPE | {"metric": "rounds_to_error"}, "metric rounds_to_error needs level"),
        (SLOPE | {"level": 0.1}, "level is only for a metric rounds_to_<m>, not for error_tail"),
        (
            SLOPE | {"versus": "round"},
            "metric is 'error_tail' and versus is 'round'; a learning curve needs <m>, the value at",
        ),
        (SLOPE | {"versus": "round", "metric": "bytes_sent"}, "metric is 'bytes_sent' and versus is 'round'"),
        (
            SLOPE | {"versus": "round", "metric": "rounds_to_error", "level": 1},
            "a learning curve needs <m>, the value at each record, or <m>_window, the mean since the last record",
        ),
        (SLOPE | {"metric": "error_window"}, "metric is 'error_window' and versus is 'agents'; a learning curve needs"),
        (
            VALUE | {"at_most": 1, "metric": "error_window"},
            "metric is 'error_window' and versus is None; a learning curve",
        ),
        (
            SLOPE | {"versus": "round", "metric": "error_window", "relative_to": {"metric": "other_final"}},
            "metric is 'other_final' and versus is 'round'; a learning curve needs <m>, the value at",
        ),
        (
            SLOPE | {"versus": "round", "metric": "error_window", "where": {"round": 100}},
            "claim '1/N': where selects cells, not rounds; use window with versus round to select rounds.",
        ),
        (
            SLOPE | {"where": {"round": 100}},
            "where selects cells, not rounds; use window with versus round to select rounds.",
        ),
        (SLOPE | {"decay": 1}, "law power does not take decay, which belongs to floor"),
        (SLOPE | {"rare": 0.1}, "law power does not take rare, which belongs to value and bound"),
        (VALUE | {"at_most": 1, "rare": 1}, "rare is 1; input should be less than 1"),
        (
            SLOPE | {"floor": {"versus": "agents", "decay": 1}},
            "floor: versus is 'agents' and that of the claim 'agents'",
        ),
        (SLOPE | {"floor": {"versus": "round", "decay": 1}}, "they take two grid keys"),
        (
            SLOPE | {"floor": {"versus": "alpha", "decay": 1}, "relative_to": {"case": "alone"}},
            "floor takes neither relative_to nor deterministic",
        ),
        (SLOPE | {"relative_to": {}}, "relative_to needs a case or a metric"),
        ({k: v for k, v in SLOPE.items() if k != "case"}, "case is missing"),
    ],
)
def test_messages(fields, message):
    with pytest.raises(UserError) as error:
        read_claim(fields)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_quantities_in_words():
    ratio = VALUE | {"at_most": 1}
    assert read_claim(ratio | {"relative_to": {"case": "alone"}}).quantity == "error_tail of joint / alone"
    assert read_claim(ratio | {"relative_to": {"metric": "floor_tail"}}).quantity == "error_tail / floor_tail"
    assert read_claim(ratio | {"metric": "rounds_to_error", "level": 0.1}).quantity == "rounds_to_error (level 0.1)"


def test_the_metric_itself():
    for metric in ("error_tail", "error_final", "error_window", "rounds_to_error", "error"):
        assert bare(metric) == "error"


def test_rows_of_the_two_tables():
    points = (Point(2, 0.5, 0.4, 0.6, 8, True), Point(4, 0.3, 0.2, 0.4, 8, False))
    verdict = Verdict(
        "c", "joint", "e_tail", "agents", "power", -1, -1.1, -0.9, "95%", "-1", "supported", "Why.", points
    )
    claim, levels = verdict.to_rows("s", "h")
    assert claim == {
        "sweep": "s",
        "sweep_hash": "h",
        "claim": "c",
        "case": "joint",
        "metric": "e_tail",
        "versus": "agents",
        "law": "power",
        "estimate": -1,
        "ci_low": -1.1,
        "ci_high": -0.9,
        "interval": "95%",
        "expected": "-1",
        "verdict": "supported",
        "reason": "Why.",
        "seeds": 0,
        "look": 0,
        "claim_hash": None,
        "registered": "not registered: nothing says whether it was written before the data",
        "registration": None,
        "registered_after": None,
        "changes": 0,
        "changed_after": None,
        "was": None,
    }
    key = {"sweep": "s", "sweep_hash": "h", "claim": "c"}
    assert levels[1] == key | {"x": 4, "y": 0.3, "lo": 0.2, "hi": 0.4, "seeds": 8, "used": False, "line": None}
