"""Where a sweep's numbers come from: versions, processors and run times."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

SECONDS = ("startup_seconds", "agents_seconds", "coordinator_seconds", "transport_seconds")


@dataclass(frozen=True)
class Origin:
    """``versions``: library -> version(s); ``times``: one row per case, as texts."""

    versions: Mapping[str, str]
    times: pd.DataFrame


def origin(summary: pd.DataFrame, timings: pd.DataFrame) -> Origin | None:
    """The origin of a sweep's rows of the views ``summary`` and ``timings``; None if there are no rows."""
    if summary.empty:
        return None
    return Origin(_versions(summary), _times(summary, timings))


def _versions(summary: pd.DataFrame) -> dict[str, str]:
    """All versions that occur: a sweep may have been run several times."""
    known: dict[str, list[str]] = {}
    for text in summary["versions"].dropna().unique():
        for name, version in _read(text).items():
            known.setdefault(name, []).append(str(version))
    texts = {name: " and ".join(sorted(set(versions))) for name, versions in known.items()}
    if "cpu" in summary:
        texts["processor"] = " and ".join(sorted(set(summary["cpu"].dropna().astype(str))))
    if "written" in summary:
        first, last = (f"{time:%Y-%m-%d %H:%M}" for time in (summary["written"].min(), summary["written"].max()))
        texts["stored"] = (first if first == last else f"{first} to {last}") + " UTC"
    return texts


def _read(text: str) -> Mapping[str, object]:
    try:
        content: object = json.loads(text)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"versions": text}


def _times(summary: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """Work and run times, one row per case; failed and repeated attempts are included."""
    rows = []
    for case, runs in summary.groupby("case", sort=True):
        own = timings[timings["cell_id"].isin(runs["cell_id"])]
        row = {
            "case": str(case),
            "cells": f"{runs['cell_id'].nunique()}",
            "replicates": f"{len(runs)}",
            "agent steps": f"{runs['agent_steps'].sum():.3g}",
            "bytes sent": f"{runs['bytes_sent'].sum():.3g}",
        }
        for name in SECONDS:
            if name in own:  # older results have no startup
                row[name.replace("_seconds", " (s)")] = f"{own[name].sum():.1f}"
        peak = own["peak_memory_bytes"].max()
        rows.append(row | {"peak memory": f"{peak / 2**20:.0f} MiB" if peak == peak else "–"})
    return pd.DataFrame(rows)
