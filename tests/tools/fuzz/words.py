"""The command line: every command with its own options, and words that fit, nearly fit, or do not fit at all."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

from tests.tools.fuzz import hooks, odd, stored

PLACES = (
    "results", "results", "results", "empty", "new", "new/deep", "notes.txt", "loop", "gone", "broken", "small.yaml",
    ".", "/dev/null", "/dev/zero", "/proc/self/mem", "/nowhere/at/all", "é", "a b", "n" * 300, "results/store.json",
    "file:///dev/null", "file://", "s3://", "mock://x", "abc://x", "http://x/y", "C:\\x", "~", "~nobody", "results/",
)  # fmt: skip
REFERENCES = (
    "./own.py:Own", "./own.py:Place", "./own.py:None", "./own.py:", "./own.py", "./notes.txt:A", "./loop:A", ":",
)  # fmt: skip
ALGORITHMS = ("independent-td", "joint-average-td", "subsample-q", "iql", "shadow-policy-gradient", "independent-t")
ENVIRONMENTS = ("shared-subspace-mrp", "windy-cliff", "voter-network", "mode-tracking", "digital", "windy-clif")
SWEEPS = (
    "mine/small", "mine/small", "other", "mine/smal", "small.yaml", "small.yaml", "notes.txt", "loop", "quickstart",
)  # fmt: skip
SEEDS = ("0", "0,1", "0..1", "1..0", "-1", "0..", "..", "0,0", "0..99999999999999", "[0, 1]", "{until: decided}", "0.5")
COUNTS = (
    "1", "2", "2,3", "0", "-1", "1000000000", "99999999999999999999999", "1.5", "[2]", "2,,3", ",", "true", "null",
)  # fmt: skip
ADDRESSES = (
    "http://127.0.0.1:9", "127.0.0.1:9", "http://[::1]:9", "http://127.0.0.1:99999", "http://", "http://x y:1", "[::",
    "http://127.0.0.1:9/a?b=c#d", "ray://127.0.0.1:9", "http://user:pw@127.0.0.1:9", "127.0.0.1:a", "local:1", "\u202e",
)  # fmt: skip
KEYS = (
    "alpha", "env.states", "env.features", "env.rank", "local_steps", "agents", "rounds", "env.graph", "k", "env",
    "beta", "env.instance", "algorithm", "schedule", "seeds", "record.every", "env.name", "speed", "env.width", "batch",
    "kappa", "env.heads", "env.", ".env", "env.gamma", "env.objective", "alhpa", "case", "grid", "threshold",
    "utilities", "step",
)  # fmt: skip
VALUES = (
    "0.1", "1", "2", "0", "-1", "seed", "ring", "0.1,0.2", "[1,2]", "[1", "{a: 1}", "{'a': 1}", "nan", "inf", "1e400",
    "null", "true", "''", "average", "discounted", "power", "0-1 1-2", "1e-320", "9223372036854775807", "!!set {}",
    "99999999999999999999", "&a 1", "*a", "linear", "gaussian", "[[1,2],[3]]", "./own.py:Own", "~", "'a", "- 1", "a: b",
)  # fmt: skip
QUERIES = (
    "FROM runs", "SELECT 1", "SELEC 1", "", "FROM nothing", "DROP TABLE runs", "SELECT chr(0)", "SELECT '\u202e'",
)  # fmt: skip
#: Option or metavar -> words for it.
POOLS: dict[str, tuple[str, ...]] = {
    "--address": ADDRESSES,
    "--agents": COUNTS,
    "--agents-per-actor": ("auto", *COUNTS),
    "--format": ("table", "csv", "json", "parquet", "svg", "png", "pdf", "tensorboard"),
    "--label": ("a=b", "a", "=", "a=", "=b", "a=b=c", "é=\u202e"),
    "--name": ("mine", "mine/small", *odd.WORDS),
    "--output": ("out", "out/x", *PLACES),
    "--record-every": COUNTS,
    "--results": PLACES,
    "--rounds": COUNTS,
    "--seeds": SEEDS,
    "--strategy": ("pack", "spread"),
    "--table": ("tidy", "summary", "agents", "claims", "nothing"),
    "--width": ("single", "double"),
    "ALGORITHM": (*ALGORITHMS, *ALGORITHMS, *REFERENCES),
    "CLAIM": ("power", "1", "9"),
    "ENV": (*ENVIRONMENTS, *ENVIRONMENTS, *REFERENCES),
    "JOB|SWEEP": (*SWEEPS, "raysubmit_x"),
    "KIND": ("algorithms", "envs", "sweeps", "all"),
    "NAME": (*ALGORITHMS, *ENVIRONMENTS, *SWEEPS, *REFERENCES),
    "RESULTS": PLACES,
    "SQL": QUERIES,
    "SWEEP": SWEEPS,
    "SWEEP|CELL|JOB": (*SWEEPS, "0123456789abcdef", "0123456789abcdef-0", "raysubmit_x"),
    "SWEEP|FILE": SWEEPS,
}
#: Commands that run something, and what keeps that short.
RUNS = {"run": ("--rounds", "2", "--seeds", "0,1"), "check": ("--rounds", "2"), "sweep": ()}
#: Commands without the options that would wait for ever or change the user's shell.
LEFT_OUT = ("--install-completion", "--show-completion", "--follow", "--help")


def prepare(dice: Random, place: Path, base: Path) -> list[tuple[str, ...]]:
    """A folder with many kinds of files in it, and one command."""
    stored.copy(base, place)
    (place / "small.yaml").write_text(json.dumps(stored.SWEEP))
    (place / "own.py").write_text(hooks.works())
    (place / "notes.txt").write_text("notes")
    (place / "empty").mkdir()
    (place / "loop").symlink_to("loop")
    (place / "gone").symlink_to("nowhere")
    (place / "broken").mkdir()
    (place / "broken" / "store.json").write_text("{")
    return [odd.typed(_words(dice))]


def _words(dice: Random) -> list[str]:
    name = dice.choice(sorted(commands()))
    words = [word for param in commands()[name] for word in _given(dice, param)]
    for _ in range(dice.choice((0, 0, 0, 0, 1, 2))):
        words = _slipped(dice, words)
    if name not in RUNS:
        return [name, *words]
    words = [_bounded(word) for word in words]
    shipped = name == "sweep" and "small.yaml" not in words
    return [name, *RUNS[name], *words, *(("--dry-run",) if shipped else () if name == "check" else stored.INLINE)]


def commands() -> dict[str, list[Any]]:
    """Command -> its parameters, as the program itself has them."""
    import typer

    from orchestrator.cli import app

    made: Any = typer.main.get_command(app)
    return {name: command.params for name, command in made.commands.items() if name != "doctor"}


def _given(dice: Random, param: Any) -> list[str]:
    """The words for an argument or an option; often none for an option."""
    option = next((text for text in param.opts if text.startswith("--")), "")
    if option in LEFT_OUT or (option and dice.random() < 0.75 and not param.required):
        return []
    if option and param.is_flag:
        return [option]
    pool = POOLS.get(option or (param.metavar or param.name.upper()).strip("[]"), odd.WORDS)
    if param.name == "settings":
        return [f"{dice.choice(KEYS)}={dice.choice(VALUES)}" for _ in range(dice.choice((0, 0, 1, 1, 2, 3)))]
    word = str(dice.choice(pool if dice.random() < 0.9 else odd.WORDS))
    return [option, word] if option and dice.random() < 0.9 else [f"{option}={word}" if option else word]


def _slipped(dice: Random, words: list[str]) -> list[str]:
    """The words with one lost, doubled, moved, garbled or added."""
    at = dice.randint(0, len(words))
    kind = dice.randrange(5)
    if kind == 0:
        return words[:at] + words[at + 1 :]
    if kind == 1:
        return words[:at] + words[at : at + 1] * 2 + words[at + 1 :]
    if kind == 2:
        return dice.sample(words, len(words))
    if kind == 3 and at < len(words):
        return [*words[:at], odd.garbled(dice, words[at], 2), *words[at + 1 :]]
    return [*words[:at], dice.choice((*odd.WORDS, "--", "--help", "-x", "--results")), *words[at:]]


def _bounded(word: str) -> str:
    """The word without numbers that are allowed and would take long: they are either small or far out of range."""
    return re.sub(r"(?<!\d)\d{3,9}(?!\d)", "3", word)
