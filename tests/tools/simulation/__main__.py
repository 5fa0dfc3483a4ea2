"""`python -m tests.tools.simulation --schedules 5000` runs schedules one by one; exit code 1 if one fails."""

import argparse
import collections
import logging
import sys
import time
import traceback

from orchestrator import process


def main() -> int:
    """Run the schedules that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="seed of the first schedule (default: 0)")
    parser.add_argument("--schedules", type=int, default=2000, help="number of schedules (default: 2000)")
    asked = parser.parse_args()
    process.prepare()
    logging.getLogger("orchestrator").setLevel(logging.CRITICAL)
    from tests.tools.simulation.schedules import simulate

    began, kinds, wrong = time.monotonic(), collections.Counter(), []
    for seed in range(asked.first, asked.first + asked.schedules):
        try:
            kinds.update(" ".join(fault.split()[:3]) for fault in simulate(seed).told)
        except Exception:
            wrong.append(seed)
            print(f"seed {seed}:", file=sys.stderr)
            traceback.print_exc()
    for kind, count in kinds.most_common():
        print(f"{count:7d}  {kind}")
    print(f"{asked.schedules} schedules in {time.monotonic() - began:.0f} s; wrong: {wrong or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
