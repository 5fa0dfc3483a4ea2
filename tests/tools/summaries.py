"""Synthetic tables in the shape of the store's views summary and curves."""

import numpy as np
import pandas as pd


def table(metric, y, x=None, case="joint", versus="agents", **columns):
    """A summary: one row per replicate from ``y`` [levels, seeds] at the levels ``x``."""
    y = np.atleast_2d(np.asarray(y, dtype=float))
    x = np.zeros(len(y)) if x is None else x
    rows = [
        {"case": case, "cell_id": f"{case}-{at:g}", "seed": seed, "status": "done", versus: at, metric: value} | columns
        for at, values in zip(x, y, strict=True)
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)
