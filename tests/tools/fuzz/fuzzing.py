"""Inputs by kind and number, round robin, and what is counted over them."""

import collections
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.tools.fuzz import claims, damage, hooks, queries, sweeps, words
from tests.tools.fuzz.trial import Ended, attempt, emptied

#: Kind of input -> what lays its files and gives its commands.
KINDS: dict[str, Callable[[Random, Path, Path], list[tuple[str, ...]]]] = {
    "sweeps": sweeps.prepare,
    "words": words.prepare,
    "claims": claims.prepare,
    "queries": queries.prepare,
    "hooks": hooks.prepare,
    "damage": damage.prepare,
}


class Input(NamedTuple):
    """One input: with the seed, all that it is made from."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}"


class Tried(NamedTuple):
    """An input's commands and how they ended."""

    of: Input
    ended: list[tuple[tuple[str, ...], Ended]]

    @property
    def failures(self) -> list[str]:
        """What is wrong with each command that failed, with its words and its last lines."""
        return [
            f"{self.of}: {ended.wrong}\n  orchestrator {shown(words)}\n{_last_lines(ended.output)}"
            for words, ended in self.ended
            if ended.wrong
        ]


def inputs(kinds: Sequence[str]) -> Iterator[Input]:
    """Number 0 of every kind, then number 1 of every kind, and so on."""
    number = 0
    while True:
        yield from (Input(kind, number) for kind in kinds)
        number += 1


def trial(of: Input, seed: int, scratch: Path, base: Path) -> Tried:
    """Lay the input's files into a folder of its own and run its commands there. The folder is kept on a failure."""
    place = emptied(scratch / "input" / "here")
    commands = KINDS[of.kind](Random(f"{seed} {of}"), place, base)
    tried = Tried(of, [(words, attempt(words, place)) for words in commands])
    if tried.failures:
        kept = emptied(scratch / "kept" / str(of).replace(":", "-"))
        KINDS[of.kind](Random(f"{seed} {of}"), kept, base)
    shutil.rmtree(place, ignore_errors=True)
    return tried


def shown(words: Sequence[str]) -> str:
    """The words as a shell takes them; very long ones without their middle."""
    whole = [word if len(word) < 2000 else f"{word[:200]} … {word[-200:]}" for word in words]
    return " ".join(shlex.quote(word) if word.isprintable() else repr(word) for word in whole)


def _last_lines(output: str, most: int = 25) -> str:
    return "\n".join(f"    {line[:400]}" for line in output.splitlines()[-most:])


class Tally:
    """Inputs, exit codes, the slowest input and the failures."""

    def __init__(self) -> None:
        self.inputs: collections.Counter[str] = collections.Counter()
        self.commands: collections.Counter[str] = collections.Counter()
        self.codes: collections.Counter[tuple[str, int]] = collections.Counter()
        self.failed: list[Input] = []
        self.slowest: tuple[float, str] = (0.0, "")

    def add(self, tried: Tried) -> None:
        """Count an input."""
        self.inputs[tried.of.kind] += 1
        for command, ended in tried.ended:
            self.commands[tried.of.kind] += 1
            self.codes[tried.of.kind, ended.code] += 1
            self.slowest = max(self.slowest, (ended.seconds, f"{tried.of} {command[0]}"))
        if tried.failures:
            self.failed.append(tried.of)

    def lines(self, minutes: float) -> Iterator[str]:
        """What is printed at the end."""
        for kind, count in self.inputs.items():
            codes = ", ".join(f"{n} x {code}" for (of, code), n in sorted(self.codes.items()) if of == kind)
            rate = f"{count / minutes:.0f}" if minutes else "-"
            counted = f"{kind:8} {count:6d} inputs, {rate:>4} per minute, {self.commands[kind]:6d} commands"
            yield f"{counted}: exit codes {codes}"
        yield f"slowest: {self.slowest[1]} with {self.slowest[0]:.1f} s of processor time"
        yield f"failures: {', '.join(map(str, self.failed)) or 'none'}"
