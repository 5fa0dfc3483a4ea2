"""Tables of what was measured, as markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.scaling import model

Constants = Mapping[str, float]


def grid(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; numbers to the right."""
    lines = ["| " + " | ".join(titles) + " |", "|---" + "|---:" * (len(titles) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def whole(number: float) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,.0f}".replace(",", " ")


def short(number: float) -> str:
    """Two significant digits, never in powers of ten."""
    return whole(number) if number >= 100 else f"{float(f'{number:.2g}'):.10g}"


def ms(seconds: float) -> str:
    """Milliseconds to two digits, three from 100 ms on."""
    return short(seconds * 1e3)


def size(number: float) -> str:
    """Bytes in kB or MB."""
    return f"{short(number / 1e6)} MB" if number >= 1e6 else f"{short(number / 1e3)} kB"


def packed(frame: pd.DataFrame, constants: Constants) -> str:
    """Round times of all placements."""
    own = frame[(frame.study == "packed") & (frame.features == 8)]
    shared, apart = own[model.shared_chains(own)], own[~model.shared_chains(own)]
    rows = []
    for agents in sorted(set(shared.agents) - {32}):
        cells = [whole(agents)]
        for actors in (0, 1, 2, 8):
            cells.append(
                "".join(ms(t) for t in shared[(shared.agents == agents) & (shared.actors == actors)].seconds_per_round)
            )
        cells += ["".join(ms(t) for t in apart[apart.agents == agents].seconds_per_round) or "–"]
        inline = own[(own.agents == agents) & (own.actors == 0)]
        two = shared[(shared.agents == agents) & (shared.actors == 2)]
        cells += [short(inline.peak_memory_bytes.max() / 1e9), short(two.peak_memory_bytes.max() / 1e9)]
        rows.append(cells)
    titles = (
        "agents",
        "one process, ms",
        "1 actor",
        "2 actors",
        "8 actors",
        "one process, own chains",
        "GB, own chains",
        "GB, 2 actors",
    )
    alone = shared[(shared.agents == shared.actors)].sort_values("agents")
    tail = ", ".join(
        f"{a} agents {ms(t)} ms ({short(m / 1e9)} GB)"
        for a, t, m in zip(alone.agents, alone.seconds_per_round, alone.peak_memory_bytes, strict=True)
    )
    return grid(titles, rows) + f"\n\nOne actor per agent: {tail} per round."


def parts(frame: pd.DataFrame, constants: Constants) -> str:
    """Where a round's time goes."""
    own = frame[(frame.study == "packed") & (frame.features == 8) & model.shared_chains(frame)]
    rows = []
    for agents in (1000, 100_000):
        for actors in (0, 1, 2, 8):
            row = own[(own.agents == agents) & (own.actors == actors)].iloc[0]
            times = (row.seconds_agents, row.seconds_transport, row.seconds_coordinator)
            rows.append(
                [
                    f"{whole(agents)} agents, "
                    + ("one process" if not actors else f"{actors} actor{'s' * (actors > 1)}"),
                    *map(ms, times),
                ]
            )
    return grid(("ms per round", "agents' methods", "transport", "coordinator"), rows)


def nodes(frame: pd.DataFrame, constants: Constants) -> str:
    """Round times over links."""
    own = frame[(frame.study == "nodes")]
    rows = []
    groups: Any = own.groupby(["nodes", "actors", "delay_ms", "mbit"])
    for (count, actors, delay, mbit), some in groups:
        narrow = some[some.features == 8].set_index("agents").seconds_per_round
        wide = some[some.features == 64].seconds_per_round
        link = " and ".join([f"{delay:g} ms"] * (delay > 0) + [f"{mbit:g} Mbit/s"] * (mbit > 0)) or "no limits"
        name = f"{count} nodes, {actors} actors, {link}" if count > 1 else f"1 node, {actors} actors"
        rows.append([name, *(ms(narrow[n]) for n in sorted(narrow.index)), "".join(map(ms, wide)) or "–"])
    titles = ("ms per round", *(f"N = {whole(n)}" for n in sorted(set(own.agents))), "N = 10 000, d = 64")
    return grid(titles, rows)


def links(frame: pd.DataFrame, constants: Constants) -> str:
    """The links: delay and rate as set and as measured."""
    own = frame[(frame.nodes == 3) & (frame.actors == 6) & (frame.study == "nodes")]
    rows = [
        [
            f"{delay:g} ms, " + (f"{mbit:g} Mbit/s" if mbit else "unlimited"),
            f"{some.rtt_ms.min():.2f} ms",
            f"{whole(some.throughput_mbit.max())} Mbit/s",
        ]
        for (delay, mbit), some in own.groupby(["delay_ms", "mbit"])
    ]
    return grid(("set: one-way delay, rate", "measured round trip", "measured TCP stream"), rows)


def tree(frame: pd.DataFrame, constants: Constants) -> str:
    """All rows against partial sums."""
    own = frame[frame.study == "tree"]
    rows = []
    for count, agents in sorted({(n, a) for n, a in zip(own.nodes, own.agents, strict=True)}):
        some = own[(own.nodes == count) & (own.agents == agents)].set_index("reduction")
        a, b = some.loc["rows"], some.loc["tree"]
        rows.append(
            [
                ("2 actors, " if count == 1 else "3 nodes with limits, ") + f"N = {whole(agents)}",
                size(a.payload_bytes),
                size(b.payload_bytes),
                ms(a.seconds_coordinator),
                ms(b.seconds_coordinator),
                ms(a.seconds_transport),
                ms(b.seconds_transport),
                ms(a.seconds_per_round),
                ms(b.seconds_per_round),
                f"{a.seconds_per_round / b.seconds_per_round:.2f}",
            ]
        )
    titles = (
        "",
        "replies: rows",
        "tree",
        "coordinator, ms: rows",
        "tree",
        "transport, ms: rows",
        "tree",
        "round, ms: rows",
        "tree",
        "gain",
    )
    return grid(titles, rows)
