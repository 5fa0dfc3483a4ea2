"""Measure how rounds scale and write the page: ``python -m benchmarks.scaling [packed] [nodes] [tree] [page]``.

The three studies replace their points in docs/scaling/points.parquet; ``page`` fits the model to all points, draws the
figures and writes tables and constants into docs/scaling.md. ``nodes`` and ``tree`` need root and the programs that
tests/hosts needs. Without a name all of them run, in about ten minutes on two idle cores.
"""

import argparse
import importlib
import sys

STUDIES = ("packed", "nodes", "tree", "page")


def main() -> None:
    """Run the named studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*STUDIES, []], help="default: all")
    for name in parser.parse_args().names or STUDIES:
        print(f"{name} …", file=sys.stderr)
        importlib.import_module(f"benchmarks.scaling.{name}").measure()


if __name__ == "__main__":
    main()
