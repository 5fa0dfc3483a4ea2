"""Run benchmarks and print every figure beside its target: ``python -m benchmarks [NAME ...]``.

Most figures are ratios to a bare kernel or to bare Ray in the same run: other work on the machine slows both sides.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

from benchmarks.figure import Figure
from orchestrator.commands.printing import grid

NAMES = ("kernels", "reciprocity", "utilities", "mean_field", "rounds", "cells", "scale", "commands", "starts")


def main() -> None:
    """Run the named benchmarks, print their figures and write them to benchmarks/out/figures.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help=f"default: {' '.join(NAMES)}")
    chosen = parser.parse_args().names or NAMES
    figures: list[Figure] = []
    for name in chosen:
        print(f"{name} …", file=sys.stderr)
        figures += importlib.import_module(f"benchmarks.{name}").measure()
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "figures.json").write_text(json.dumps([figure._asdict() for figure in figures], indent=1))
    grid(Figure._fields, [figure._replace(met="yes" if figure.met else "no") for figure in figures])


if __name__ == "__main__":
    main()
