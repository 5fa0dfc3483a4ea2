"""A process of its own that appends to or compacts a store over and over, with words append|compact STORE NUMBER.

``append`` stores cells NUMBER, NUMBER + 1, …, each with two seeds, and after each append adds the cell's number to
the file ``acknowledged-NUMBER`` beside the store: what is listed there must never be lost.
"""

import itertools
import sys
from pathlib import Path

from orchestrator.store import Store
from tests.tools.rows import put, replicate


def main(action: str, location: str, number: int) -> None:
    store = Store.open(location, create=True)
    if action == "compact":
        while True:
            store.compact()
    with Path(f"{location}-acknowledged-{number}").open("a", buffering=1) as acknowledged:
        for cell in itertools.count(number):
            put(store, replicate(cell, 0), replicate(cell, 1))
            acknowledged.write(f"{cell}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
