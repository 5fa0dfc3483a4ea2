"""Sweep files: shipped ones and small ones after changes to their text, their bytes or their structure."""

import re
from pathlib import Path
from random import Random
from typing import Any

import yaml

from orchestrator.planning import plain_yaml
from tests.tools.fuzz import odd, stored
from tests.tools.source import ROOT

SHIPPED = sorted(str(path) for path in (ROOT / "sweeps").rglob("*.yaml"))
#: A sweep with more than this in it, or with longer numbers, is planned but not run.
MOST_RUN, DIGITS = 120, 2


def prepare(dice: Random, place: Path, _: Path) -> list[tuple[str, ...]]:
    """Write a file; plan it, and run it if that is sure to be short."""
    if shipped := dice.random() < 0.3:
        text = Path(dice.choice(SHIPPED)).read_text()
    else:
        text = _dumped(dice.choice((stored.SWEEP, stored.UNTIL, stored.NETWORK)))
    if dice.random() < 0.6:
        content = odd.rearranged(dice, yaml.safe_load(text))
        if not shipped and dice.random() < 0.2:
            content = odd.rearranged(dice, content)
        data = _dumped(content).encode("utf-8", "surrogatepass")
    else:
        data = odd.garbled(dice, text).encode("utf-8", "surrogatepass")
        data = odd.damaged(dice, data) if dice.random() < 0.1 else data
    (place / "own.yaml").write_bytes(data)
    if shipped or not _short(place / "own.yaml"):
        return [("sweep", "own.yaml", "--dry-run")]
    commands = [("sweep", "own.yaml", *stored.INLINE), ("status",), ("claims", "--format", "json"), ("report", "--all")]
    return commands[: dice.choice((1, 1, 2, 4))]


def _dumped(content: Any) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100)


class _Dumper(yaml.SafeDumper):
    """Without anchors: every part stands where it is used."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _short(path: Path) -> bool:
    """Whether all numbers of a sweep are so small that it takes no time."""
    try:
        content = plain_yaml.read(path)
    except Exception:
        return True  # it is refused, or shows a fault
    leaves = list(_leaves(content))
    return len(leaves) < MOST_RUN and not any(_long(leaf) for leaf in leaves)


def _long(leaf: Any) -> bool:
    return bool(re.search(r"\d" * (DIGITS + 1), str(leaf)[:50]))


def _leaves(content: Any) -> Any:
    inside = list(content.items()) if isinstance(content, dict) else content if isinstance(content, list) else None
    if inside is None:
        yield content
    else:
        for part in inside:
            yield from _leaves(list(part) if isinstance(part, tuple) else part)
