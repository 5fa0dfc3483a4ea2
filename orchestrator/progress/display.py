"""The live display of a sweep on a terminal: one row per case, and a progress bar."""

from typing import TYPE_CHECKING, TextIO

from orchestrator.errors import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orchestrator.progress.tally import Tally

#: Redraws per second.
RATE = 4


class Display:
    """Draws a tally until it is stopped, then clears it. A single cell has only a bar, several cells also a table."""

    def __init__(self, title: str, tally: "Tally", stored: int, total: int, stream: TextIO):
        from rich.console import Console
        from rich.live import Live

        self._title, self._tally, self._stored, self._total = title, tally, stored, total
        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            console=self._console,
            refresh_per_second=RATE,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self.drawn,
        )

    def start(self) -> None:
        """Start drawing."""
        self._live.start()

    def stop(self) -> None:
        """Stop drawing and clear the display."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the display."""
        self._console.print(text, markup=False)

    def drawn(self) -> "RenderableType":
        """The current content of the display."""
        from rich.console import Group

        one = len(self._tally.cases) == 1 and all(len(cells) == 1 for cells in self._tally.cases.values())
        with self._tally.lock:
            return self._bar() if one else Group(self._cases(), self._bar())

    def _cases(self) -> "RenderableType":
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column(Text(plain(self._title)), style="bold", no_wrap=True, overflow="ellipsis")
        for title in ("cells", "done", "running", "failed", "steps/s"):
            table.add_column(title, justify="right", no_wrap=True)
        for case in self._tally.cases:
            counts = self._tally.counts(case)
            rate = self._tally.rate(case)
            table.add_row(
                Text(plain(case)),
                str(counts["cells"]),
                _dim_zero(counts["done"], "green"),
                _dim_zero(counts["running"], "cyan"),
                _dim_zero(counts["failed"], "red"),
                amount(rate) if rate >= 1 else "",
            )
        return table

    def _bar(self) -> "RenderableType":
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        tally = self._tally
        done, left = self._stored + tally.replicates, tally.left()
        words = [f"{done} of {self._total} replicates"]  # the least important comes last: it may be cut off
        words += [f"{_clock(left)} left"] if left is not None and done < self._total else []
        words += [f"{amount(rate)} steps/s"] if (rate := tally.rate()) >= 1 else []
        words += [tally.preparing] if tally.preparing else []
        words += [f"{_clock(tally.passed)} passed"]
        line = Table.grid(padding=(0, 1))
        line.add_column(width=12, min_width=12)
        line.add_column(justify="right", width=4, min_width=4)
        line.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(1.0, tally.share(), complete_style="cyan")
        line.add_row(bar, f"{tally.share():.0%}", Text(plain(", ".join(words))))
        return line


def _dim_zero(count: int, colour: str) -> str:
    return f"[{colour}]{count}[/]" if count else "[dim]0[/]"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def amount(number: float) -> str:
    """A number of steps in short form: 950, 12 k, 3.4 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.{1 if number < 10 * size else 0}f}{unit}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """A duration in short form: 40 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h {whole % 3600 // 60} min"
