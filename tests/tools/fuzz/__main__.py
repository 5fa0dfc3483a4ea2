"""`python -m tests.tools.fuzz --minutes 10` gives odd input to every command; exit code 1 if one fails.

An input is a function of the seed, its kind and its number: `--only KIND:NUMBER` runs it again and prints all output.
"""

import argparse
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from orchestrator import process


def main(given: list[str] | None = None) -> int:
    """Run what the command line asks for."""
    process.prepare()
    from tests.tools.fuzz import fuzzing, stored

    asked = _asked(given, tuple(fuzzing.KINDS))
    scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
    base = stored.lay(scratch)
    if asked.only:
        kind, _, number = asked.only.partition(":")
        tried = fuzzing.trial(fuzzing.Input(kind, int(number)), asked.seed, scratch, base)
        for words, ended in tried.ended:
            print(f"$ orchestrator {fuzzing.shown(words)}\n{ended.output}-> {ended.code} {ended.wrong}")
        return 1 if tried.failures else 0
    began, tally = time.monotonic(), fuzzing.Tally()
    of = islice(fuzzing.inputs(asked.kinds), asked.inputs and asked.inputs * len(asked.kinds))
    for one in of:
        if time.monotonic() > began + 60 * asked.minutes:
            break
        tried = fuzzing.trial(one, asked.seed, scratch, base)
        tally.add(tried)
        for failure in tried.failures:
            print(failure, flush=True)
    print("\n".join(tally.lines((time.monotonic() - began) / 60)))
    if tally.failed:
        print(f"files of the failures: {scratch / 'kept'}; again: --seed {asked.seed} --only {tally.failed[0]}")
    return 1 if tally.failed else 0


def _asked(given: list[str] | None, kinds: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="wall clock (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all inputs (default: 0)")
    parser.add_argument(
        "--inputs", type=int, help="at most so many of each kind (default: as many as there is time for)"
    )
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help="only these kinds")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="only this input")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
