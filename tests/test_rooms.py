"""The house: every import runs down one stack of rooms, none runs in a circle, and no folder is crowded."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter

from tests.tools import source

#: The rooms of ``orchestrator`` and its top-level files, lowest first.
STACK = (
    "errors process", "plugins", "core", "store", "progress", "claims", "fleet", "planning", "running", "cluster",
    "report", "results", "execution", "api", "checks", "reference", "commands", "cli",
)  # fmt: skip
FLOOR = {room: floor for floor, rooms in enumerate(STACK) for room in rooms.split()}
#: What a room of ``envs`` imports besides ``orchestrator.core``, ``envs.common``, ``envs.faces`` and itself.
BESIDES = {"graphon": {"mean_field"}, "wrapped": {"linear", "grids"}}
TORCH = ("algorithms/deep/", "algorithms/rllib/")
MOST_FILES = 14
PACKAGES = ("orchestrator", "algorithms", "envs", "tests", "benchmarks")


def test_every_import_of_the_engine_runs_down():
    wrong = [
        f"{path}:{line}: {room} imports {target}"
        for path, line, room, target in imports("orchestrator")
        if path != "orchestrator/__init__.py"  # hands out its names lazily
        and FLOOR[room] <= FLOOR[other := target.split(".")[1]]
        and room != other
    ]
    assert not wrong, "\n".join(wrong)


def test_algorithms_and_environments_see_the_core_their_own_room_and_what_is_shared():
    wrong = [f"{path}:{line}: imports {target}"
             for package in ("algorithms", "envs") for path, line, room, target in imports(package)
             if not allowed(package, room, *target.split(".")[:2])]  # fmt: skip
    wrong += [f"{path}:{line}: imports torch" for path in source.files("orchestrator", "algorithms", "envs")
              if not path.startswith(TORCH)
              for line, name in source.imports(source.tree(path)) if name.split(".")[0] == "torch"]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_no_file_imports_itself_in_a_circle():
    below: dict[str, list[str]] = {}
    for path, _, _, target in imports(*PACKAGES):
        below.setdefault(source.module(path), []).append(target)
    TopologicalSorter(below).prepare()  # raises CycleError with the files of a circle


def test_no_folder_is_crowded():
    counts = Counter(path.rpartition("/")[0] for path in source.files(*PACKAGES) if not path.endswith("__init__.py"))
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_tests_share_what_is_in_tools_and_nothing_else():
    wrong = [
        f"{path}:{line}: imports {target}"
        for path, line, _, target in imports("tests")
        if target.startswith("tests") and not target.startswith("tests.tools")
    ]
    wrong += [
        f"{path}:{number}: changes the path"
        for path in source.files("tests")
        for number, line in enumerate((source.ROOT / path).read_text().splitlines(), 1)
        if re.search(r"\bsys\.path\.(insert|append|extend)", line)
    ]
    assert not wrong, "\n".join(wrong)


def allowed(package: str, room: str, owner: str, part: str) -> bool:
    """Whether a file in ``package/room`` may import from ``owner.part``."""
    if owner == "orchestrator":
        return part in ("core", "errors")
    if owner == "algorithms":
        return package == "algorithms" and part in (room, "deep", "rllib")
    seen = {room, "common", "faces"} | BESIDES.get(room, set())
    return owner == "envs" and (package == "algorithms" or part in seen)


@cache
def names() -> set[str]:
    return {source.module(path) for path in source.files(*PACKAGES)}


def imports(*packages: str) -> Iterator[tuple[str, int, str, str]]:
    """(path, line, room, imported module) of every import of one of our files by another."""
    for path in source.files(*packages):
        room = path.split("/")[1].removesuffix(".py")
        for line, name in source.imports(source.tree(path)):
            assert not name.startswith("."), f"{path}:{line}: a relative import"
            if (target := name if name in names() else name.rpartition(".")[0]) in names():
                yield path, line, room, target
