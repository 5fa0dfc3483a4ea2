"""Results folders whose files were flipped, cut, replaced, renamed or lost, and all commands that read them."""

import json
from pathlib import Path
from random import Random

from tests.tools.fuzz import odd, stored

NAME = "mine/small"
READING: tuple[tuple[str, ...], ...] = (
    ("status",), ("status", NAME, "--format", "json"), ("claims",), ("claims", NAME, "--format", "csv"),
    ("query", "FROM summary"), ("query", "FROM curves", "--format", "json"), ("query", "FROM claims"),
    ("query", "SELECT count(*) FROM metrics"), ("query", "FROM agents", "--format", "csv"), ("query", "FROM verdicts"),
    ("report", NAME), ("report", "--all"), ("plot", NAME, "1"), ("plot", NAME, "3", "--format", "svg"),
    ("export", NAME), ("export", NAME, "--format", "json"), ("export", NAME, "--format", "tensorboard"),
    ("verify",), ("verify", "results"), ("logs", NAME), ("fingerprint", NAME), ("query", "FROM registrations"),
    ("sweep", "small.yaml", "--dry-run"), ("sweep", "small.yaml", *stored.INLINE), ("status", "other"), ("compact",),
)  # fmt: skip


def prepare(dice: Random, place: Path, base: Path) -> list[tuple[str, ...]]:
    """Damage a copy of the stored folder, then read it in a few ways."""
    stored.copy(base, place)
    (place / "small.yaml").write_text(json.dumps(stored.SWEEP))
    for _ in range(dice.choice((1, 1, 2, 4))):
        files = sorted(path for path in (place / "results").rglob("*") if path.is_file() and not path.is_symlink())
        _damage(dice, dice.choice(files), files)
    return dice.sample(READING, dice.choice((2, 3)))


def _damage(dice: Random, path: Path, files: list[Path]) -> None:
    kind = dice.randrange(12)
    if kind < 7:
        path.write_bytes(odd.damaged(dice, path.read_bytes()))
    elif kind == 7:
        path.unlink()
    elif kind == 8:
        path.rename(path.with_name(dice.choice(("0" * 16 + "-x.parquet", "é.json", "a b.parquet", f"{path.name}~"))))
    elif kind == 9:
        path.unlink()
        path.symlink_to(path)
    elif kind == 10:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(dice.choice(files).read_bytes())
