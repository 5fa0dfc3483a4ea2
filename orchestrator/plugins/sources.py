"""The source files of a plug-in: the file that a reference names, and all that it imports of the files beside it.

Together they are the plug-in's identity, and together they travel to other machines. What it imports of installed
packages does not travel: ``packages`` names it, so that its versions are stored with the results.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from orchestrator.errors import UserError

#: This program's packages.
OURS = frozenset({"orchestrator", "algorithms", "envs"})
#: Names that never mean a file beside a plug-in.
ELSEWHERE = sys.stdlib_module_names | OURS


@dataclass(frozen=True)
class Import:
    """An import statement: ``level`` dots, then ``module``; ``names`` are those after ``from … import``."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True)
class Sources:
    """Files by their path below ``root``. ``main`` is the one that a reference names."""

    root: Path
    main: str
    files: Mapping[str, bytes]
    packages: frozenset[str]  #: top-level names of what is imported and lies elsewhere

    @property
    def pin(self) -> str:
        """16 hex digits of the contents: of one file the hash of its bytes, of several that of their names as well."""
        if len(self.files) == 1:
            return hashlib.sha256(self.files[self.main]).hexdigest()[:16]
        hashes = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(self.files.items())}
        return hashlib.sha256(json.dumps([self.main, hashes]).encode()).hexdigest()[:16]

    @property
    def module(self) -> str:
        """The dotted name of the file that the reference names, below the root."""
        return dotted(self.main)

    def write(self, folder: Path) -> None:
        """Write the files below ``folder``, which is the root of the copy."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def read(path: Path, root: Path | None = None) -> Sources:
    """The sources of the plug-in file ``path``. Raises ``UserError`` if a file cannot be read.

    ``root`` is the folder above all its packages: the first one without an ``__init__.py``, if it is not given.
    """
    root = root or root_of(path)

    def exists(name: str) -> bool:
        return (root / name).is_file()

    files: dict[str, bytes] = {}
    packages: set[str] = set()
    left = [path.relative_to(root).as_posix()]
    main = left[0]
    while left:
        name = left.pop()
        if name in files:
            continue
        files[name] = contents(root / name)
        left += [own for folder in PurePosixPath(name).parents if exists(own := f"{folder}/__init__.py")]
        for statement in imports(files[name]):
            _, own = resolve(statement, name, exists)
            left += own
            if not own and not statement.level:
                packages.add(statement.module.partition(".")[0])
    return Sources(root, main, files, frozenset(packages - ELSEWHERE))


def resolve(statement: Import, importer: str, exists: Callable[[str], bool]) -> tuple[str, list[str]]:
    """The package and the files that an import in the file ``importer`` means; no files if it is none of the plug-in's.

    ``exists`` says whether there is a file of this name below the root. An absolute name is looked for in the folder of
    the importer, as Python does for a script, and then in the root.
    """
    folder = PurePosixPath(importer).parent
    if statement.level:
        up = len(folder.parts) - (statement.level - 1)
        starts = [PurePosixPath(*folder.parts[:up])] if up >= 0 else []
    elif statement.module.partition(".")[0] in ELSEWHERE:
        starts = []
    else:
        starts = [folder, PurePosixPath()]
    for start in starts:
        base = start.joinpath(*statement.module.split(".")) if statement.module else start
        files = [file for part in (base, *(base / name for name in statement.names)) if (file := _file(part, exists))]
        if files:
            return ".".join(start.parts), files
    return "", []


def contents(path: Path) -> bytes:
    """The bytes of a file. Raises ``UserError`` if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"Cannot read {path}: no such file. Paths start at the current folder, not at the sweep file."
        ) from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error


def dotted(name: str) -> str:
    """The module of a file below the root: ``lab/algo.py`` is ``lab.algo``, ``lab/__init__.py`` is ``lab``."""
    path = PurePosixPath(name).with_suffix("")
    return ".".join(path.parent.parts if path.name == "__init__" else path.parts)


@lru_cache(maxsize=1024)
def imports(content: bytes) -> tuple[Import, ...]:
    """The import statements of a file, also those inside functions; none if it is not Python."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return ()  # importing it will say so
    found: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(part.name) for part in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(Import(node.module or "", tuple(part.name for part in node.names), node.level))
    return tuple(found)


def root_of(path: Path) -> Path:
    """The folder above all packages that the file is in."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def _file(place: PurePosixPath, exists: Callable[[str], bool]) -> str:
    """The file of the module at ``place``, empty if there is none."""
    return next((name for name in (f"{place}.py", f"{place}/__init__.py") if exists(name)), "")
