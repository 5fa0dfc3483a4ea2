"""`python -m tests.tools.faults --kills 60 --seed 0` strikes real sweeps; exit code 1 if anything went wrong."""

import argparse
import logging
import sys
import traceback

from orchestrator import process


def main() -> int:
    """Run the parts that the command line asks for."""
    process.prepare()
    from tests.tools.faults.kills import kills
    from tests.tools.faults.outages import corrupted, outage, refused
    from tests.tools.faults.report import Report
    from tests.tools.faults.strokes import crowd, freezes, hunger, read_only, removed

    parts = {
        "freezes": freezes,
        "read-only": read_only,
        "removed": removed,
        "crowd": crowd,
        "hunger": hunger,
        "refused": refused,
        "outage": outage,
        "corrupted": corrupted,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60, help="number of kills (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of their programme (default: 0)")
    parser.add_argument("--only", help=f"parts, separated by commas: kills, {', '.join(parts)} (default: all)")
    asked = parser.parse_args()
    chosen = asked.only.split(",") if asked.only else ["kills", *parts]
    logging.getLogger("orchestrator").setLevel(logging.CRITICAL)
    report = Report()
    for name in chosen:
        try:
            if name == "kills":
                kills(asked.kills, asked.seed, report)
            else:
                parts[name](report)
        except Exception as error:  # the others can still be told
            traceback.print_exc()
            report.add(name, "not carried out", 0.0, None, repr(error))
    print(f"\n{report.table()}")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
