"""Run the benchmarks and print them beside their targets: ``python -m benchmarks [NAME ...]``.

Each is a ratio against a bare kernel or bare Ray in the same run, so a shared, noisy machine moves both sides.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

from orchestrator.commands.printing import grid

NAMES = ("kernels", "reciprocity", "utilities", "mean_field", "rounds", "cells", "scale", "commands")


def main() -> None:
    """Parse names, run, print, keep the figures in benchmarks/out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help=f"default: {' '.join(NAMES)}")
    chosen = parser.parse_args().names or NAMES
    rows = []
    for name in chosen:
        print(f"{name} …", file=sys.stderr)
        rows += importlib.import_module(f"benchmarks.{name}").measure()
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "figures.json").write_text(json.dumps(rows, indent=1))
    titles = ("what", "measured", "target", "met", "details")
    grid(titles, [(r["what"], r["measured"], r["target"], "yes" if r["met"] else "no", r["details"]) for r in rows])


if __name__ == "__main__":
    main()
