"""The house: every import runs down one stack of rooms, none runs in a circle, and no folder is crowded."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The rooms of ``orchestrator`` and its top-level files, lowest first.
STACK = (
    "errors process", "plugins", "core", "store", "progress", "claims", "fleet", "planning", "running", "cluster",
    "report", "results", "execution", "api", "checks", "reference", "commands", "cli",
)  # fmt: skip
FLOOR = {room: floor for floor, rooms in enumerate(STACK) for room in rooms.split()}
#: What a room of ``envs`` imports besides ``orchestrator.core``, ``envs.common``, ``envs.faces`` and itself.
BESIDES = {"graphon": {"mean_field"}, "wrapped": {"linear", "grids"}}
MOST_FILES = 14
PACKAGES = ("orchestrator", "algorithms", "envs", "tests", "benchmarks")


def test_every_import_of_the_engine_runs_down():
    wrong = [
        f"{path}:{line}: {room} imports {target}"
        for path, line, room, target in imports("orchestrator")
        if (other := target.split(".")[1]) != room and FLOOR[other] >= FLOOR[room]
    ]
    assert not wrong, "\n".join(wrong)


def test_algorithms_and_environments_see_the_core_alone():
    wrong = [
        f"{path}:{line}: imports {target}"
        for package in ("algorithms", "envs")
        for path, line, room, target in imports(package)
        if target not in ("orchestrator.core", "orchestrator.errors")
        and target.startswith(("orchestrator", "algorithms", "envs"))
        and not (target.startswith("envs.") and (package == "algorithms" or target.split(".")[1] in seen(room)))
        and not (target.startswith("algorithms.") and target.split(".")[1] in (room, "deep", "rllib"))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_imports_itself_in_a_circle():
    below = {name: set() for package in PACKAGES for name, _ in modules(package)}
    for package in PACKAGES:
        for path, _, _, target in imports(package):
            below[dotted(path)] |= {target} & below.keys()
    circles = sorted(name for name in below if name in reached(name, below))
    assert not circles, f"files in circles: {', '.join(circles)}"


def test_no_folder_is_crowded():
    files = [path for package in PACKAGES for _, path in modules(package) if path.name != "__init__.py"]
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in files)
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}
    assert counts["orchestrator"] <= 7
    assert counts["envs"] <= 2


def seen(room: str) -> set[str]:
    """Rooms of ``envs`` that ``room`` may import."""
    return {room, "common", "faces"} | BESIDES.get(room, set())


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Dotted name and path of every file."""
    for path in sorted((ROOT / package).rglob("*.py")):
        yield dotted(path.relative_to(ROOT).as_posix()), path


def dotted(path: str) -> str:
    """``a/b.py`` as ``a.b``, a package's ``__init__`` as the package."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def imports(package: str) -> Iterator[tuple[str, int, str, str]]:
    """Path, line, room and target of every import, those for types and inside functions included.

    The target of ``from a import b`` is ``a.b`` where that is a file, else ``a``.
    """
    names = {name for inside in PACKAGES for name, _ in modules(inside)}
    for name, path in modules(package):
        room = name.split(".")[1] if "." in name else ""
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}:{node.lineno}: a relative import"
                parts = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [part if part in names else str(node.module) for part in parts]
            else:
                continue
            for target in dict.fromkeys(targets):
                if target.split(".")[0] in PACKAGES and name != "orchestrator":  # its __init__ hands out names lazily
                    yield path.relative_to(ROOT).as_posix(), node.lineno, room, target


def reached(name: str, below: dict[str, set[str]]) -> set[str]:
    """Every file that ``name`` imports, directly or not."""
    found: set[str] = set()
    waiting = list(below[name])
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += below[one]
    return found
