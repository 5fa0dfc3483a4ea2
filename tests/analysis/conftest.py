"""Synthetic tables in the shape of the store's views summary and curves; tools beside this file are importable."""

import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from orchestrator.analysis.claims import judge, read_claim

sys.path.insert(0, str(Path(__file__).parent))


def table(metric, y, x=None, case="joint", versus="agents", **columns):
    """A summary: one row a replicate from ``y`` [levels, seeds] at the levels ``x``."""
    y = np.atleast_2d(np.asarray(y, dtype=float))
    x = np.zeros(len(y)) if x is None else x
    rows = [
        {"case": case, "cell_id": f"{case}-{at:g}", "seed": seed, "status": "done", versus: at, metric: value} | columns
        for at, values in zip(x, y, strict=True)
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(name="table", scope="session")
def _table():
    return table


@pytest.fixture(name="verdict_of")
def _verdict_of():
    """Judge a claim given by its fields against a summary."""

    def verdict_of(summary, curves=None, varied: Literal["seeds", "instances"] = "seeds", **fields):
        defaults = {"name": "test", "case": "joint", "metric": "error_tail", "law": "power"}
        if fields.get("law", "power") not in ("order", "value"):
            defaults["versus"] = "agents"
        return judge(read_claim(defaults | fields), summary, curves if curves is not None else pd.DataFrame(), varied)

    return verdict_of
