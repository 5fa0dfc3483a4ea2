"""Claims of all laws about stored numbers, judged, printed and drawn."""

import json
from pathlib import Path
from random import Random
from typing import Any

from tests.tools.fuzz import odd, stored

LAWS = ("power", "exponential", "bound", "order", "floor", "value")
METRICS = (
    "theta_error_tail", "theta_error_final", "theta_error", "theta_error_window", "rounds_to_theta_error",
    "head_error_tail", "subspace_error_tail", "bytes_sent", "agent_steps", "messages", "rounds", "calls",
)  # fmt: skip
VERSUS = ("agents", "round", "alpha", "beta", "env.states", "theta_error_final", "seed", "env.heads", "case")
#: Field -> how one of its sensible values is drawn.
FIELDS: dict[str, Any] = {
    "versus": lambda dice: dice.choice(VERSUS[:2] if dice.random() < 0.7 else VERSUS),
    "expect": lambda dice: _number(dice),
    "within": lambda dice: abs(_number(dice)),
    "at_least": lambda dice: _number(dice),
    "at_most": lambda dice: _number(dice),
    "window": lambda dice: dice.choice(([2, 16], [4, 8], [16, 2], [0, 0], [-1, 1e9], [1, 8], [2])),
    "where": lambda dice: dice.choice(({"agents": 2}, {"agents": 4}, {"agents": [2, 4]}, {"alpha": 0.1}, {"seed": 1})),
    "relative_to": lambda dice: dice.choice(({}, {"case": "alone"}, {"metric": "bytes_sent"}, {"case": "joint"})),
    "below": lambda dice: dice.choice(("alone", "joint")),
    "by": lambda dice: dice.choice(("ratio", "difference")),
    "constant": lambda dice: abs(_number(dice)),
    "exponent": lambda dice: _number(dice),
    "level": lambda dice: abs(_number(dice)),
    "deterministic": lambda dice: dice.random() < 0.5,
    "decay": lambda dice: abs(_number(dice)),
    "floor": lambda dice: {"versus": dice.choice(VERSUS), "decay": abs(_number(dice))},
    "share": lambda dice: dice.random() < 0.5,
    "rare": lambda dice: dice.choice((0.1, 0.5, 0.999, 1e-9)),
    "looked": lambda dice: dice.choice(([], [6], [6, 8], [8, 8], [10**9])),
}
#: The fields that a law's sentences need.
NEEDED = {
    "power": ("versus", "expect", "within"),
    "exponential": ("versus", "at_most"),
    "bound": ("versus", "constant", "exponent"),
    "order": ("below",),
    "floor": ("versus", "decay", "at_least"),
    "value": ("expect", "within"),
}  # fmt: skip
#: The fields that a law may have besides, and those of every law.
FITTING = {
    "power": ("relative_to", "floor"),
    "exponential": ("relative_to",),
    "bound": ("relative_to", "rare", "share"),
    "order": ("by",),
    "floor": ("relative_to",),
    "value": ("relative_to", "rare", "share", "versus"),
}  # fmt: skip
OF_ALL = ("window", "where", "where", "deterministic", "looked")
NUMBERS = (0, 1, -1, 0.1, 0.5, 2, 100, -0.0, 1e-9, 5e-324, 1e300, 1.7e308, -1e308)


def prepare(dice: Random, place: Path, base: Path) -> list[tuple[str, ...]]:
    """Write the stored sweep with other claims, once or twice; nothing runs, and all is judged."""
    stored.copy(base, place)
    commands: list[tuple[str, ...]] = []
    for number in range(dice.choice((1, 1, 2))):
        name = f"claims{number}.yaml"
        (place / name).write_text(json.dumps(stored.SWEEP | {"claims": _claims(dice)}))
        commands.append(("sweep", name, *stored.INLINE, *(("--dry-run",) if dice.random() < 0.1 else ())))
    after = [
        ("claims", "mine/small", "--format", dice.choice(("table", "csv", "json"))),
        ("plot", "mine/small", "1", "--format", dice.choice(("svg", "png", "pdf"))),
        ("plot", "mine/small", "2", "--curves"),
        ("report", "mine/small"),
        ("export", "mine/small", "--format", dice.choice(("csv", "json"))),
    ]
    return commands + dice.sample(after, dice.choice((0, 1, 1, 2)))


def _claims(dice: Random) -> list[dict[str, Any]]:
    claims = [_claim(dice, f"claim {k}") for k in range(dice.choice((1, 3, 6)))]
    return odd.rearranged(dice, claims, 1) if dice.random() < 0.15 else claims


def _claim(dice: Random, name: str) -> dict[str, Any]:
    law = dice.choice(LAWS)
    fields = {"name": name, "case": dice.choice(("joint", "alone")), "metric": dice.choice(METRICS), "law": law}
    wanted = [*NEEDED[law], *dice.sample((*FITTING[law], *OF_ALL), dice.choice((0, 1, 1, 2)))]
    if dice.random() < 0.2:
        wanted += dice.sample(sorted(FIELDS), dice.choice((1, 2)))
    fields |= {key: FIELDS[key](dice) for key in wanted}
    if dice.random() < 0.7:
        _fit(dice, fields)
    if dice.random() < 0.15:
        fields[dice.choice(sorted(fields))] = odd.value(dice)
    return fields


def _fit(dice: Random, fields: dict[str, Any]) -> None:
    """Make the fields fit each other: one cell for a learning curve, a level for the rounds to it."""
    if fields.get("versus") == "round":
        fields |= {"metric": dice.choice(("theta_error", "theta_error_window")), "where": {"agents": 2}}
    elif fields["metric"] in ("theta_error", "theta_error_window"):
        fields["metric"] = "theta_error_tail"
    if fields["metric"].startswith("rounds_to_"):
        fields["level"] = dice.choice((1, 0.5, 1e9, 1e-300))
    if "versus" not in fields:
        fields.pop("window", None)
        fields["where"] = {"agents": dice.choice((2, 4))}


def _number(dice: Random) -> float:
    return dice.choice(NUMBERS) if dice.random() < 0.5 else round(dice.uniform(-2, 2), 3)
