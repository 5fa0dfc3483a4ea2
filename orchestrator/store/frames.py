"""The order of a frame's columns for readers: case, what varies, results, the rest."""

from typing import TYPE_CHECKING

from orchestrator.store.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("case", "agents")
THEN = ("seed", "status", "round")
COSTS = ("rounds", "agent_steps", "calls", "messages", "bytes_sent", "window")
#: Suffixes of a metric's columns.
ENDINGS = ("_tail", "_final", "_window")


def in_reading_order(frame: "pd.DataFrame") -> "pd.DataFrame":
    """``summary`` or ``curves`` with its columns in order; none is left out and no value is touched.

    Case and agents, the parameters that vary, seed, status and round; then metrics, costs, the parameters that are the
    same in every row, and last ids, versions and times.
    """
    known = {"sweep", "sweep_hash", "case", *TABLES["runs"].columns, *TABLES["metrics"].columns}
    free = [name for name in frame.columns if name not in known]
    measured = {name.removesuffix(end) for name in free for end in ENDINGS if name.endswith(end)}
    metrics = [name for name in free if name in measured or name.endswith(ENDINGS)]
    along = [name for name in metrics if not name.endswith(("_tail", "_final"))] if "round" in frame else []
    parameters = [name for name in free if name not in metrics]
    varied = [name for name in parameters if frame[name].nunique(dropna=False) > 1]
    order = [*FIRST, *varied, *THEN, *along, *metrics, *COSTS, *parameters, *frame.columns]
    return frame[[name for name in dict.fromkeys(order) if name in frame.columns]]
