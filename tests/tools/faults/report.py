"""What was done and what came of it: a line for each fault, and a table at the end."""

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.tools.faults.compare import Differences


class Entry(NamedTuple):
    """A fault, or a sweep that bore several."""

    kind: str
    seconds: float
    differences: Differences
    wrong: tuple[str, ...]  #: a hang, a traceback, damage that was not named and so on


@dataclass
class Report:
    """All that was done so far."""

    entries: list[Entry] = field(default_factory=list[Entry])
    skipped: list[str] = field(default_factory=list[str])
    began: float = field(default_factory=time.monotonic)

    def add(self, kind: str, said: str, seconds: float, differences: Differences | None = None, *wrong: str) -> None:
        """Print a line. ``differences`` are those of a finished sweep; None where it goes on."""
        found = "" if differences is None else f"; {differences}"
        print(f"{kind}: {said}{found}{''.join(f'; WRONG: {what}' for what in wrong)}", flush=True)
        self.entries.append(Entry(kind, seconds, differences or Differences(), wrong))

    def skip(self, kind: str, why: str) -> None:
        """Print that a fault was left out."""
        print(f"{kind}: skipped, because {why}", flush=True)
        self.skipped.append(kind)

    @property
    def good(self) -> bool:
        """Whether nothing went wrong."""
        return not any(entry.wrong or any(entry.differences) for entry in self.entries)

    def table(self) -> str:
        """A line for each kind of fault, with the longest that one took."""
        kinds = list(dict.fromkeys(entry.kind for entry in self.entries))
        width = max(len(kind) for kind in (*kinds, *self.skipped, "fault"))
        lines = [f"{'fault':{width}}  times  longest   lost  doubled   bits  wrong"]
        for kind in kinds:
            own = [entry for entry in self.entries if entry.kind == kind]
            sums = [sum(entry.differences[k] for entry in own) for k in range(3)]
            lines.append(
                f"{kind:{width}}  {len(own):5d}  {max(entry.seconds for entry in own):5.0f} s  "
                f"{sums[0]:5d}  {sums[1]:7d}  {sums[2]:5d}  {sum(bool(entry.wrong) for entry in own):5d}"
            )
        lines += [f"{kind:{width}}  skipped" for kind in self.skipped]
        return "\n".join([*lines, f"{time.monotonic() - self.began:.0f} s in all"])
