"""The project's own source as syntax trees, parsed once, for the tests that hold rules over it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*packages: str) -> list[str]:
    """Paths, from the repository's root, of all Python files of these top-level packages."""
    return [path.relative_to(ROOT).as_posix() for name in packages for path in sorted((ROOT / name).rglob("*.py"))]


@cache
def tree(path: str) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse((ROOT / path).read_text())


def module(path: str) -> str:
    """The dotted name of a file; a package's ``__init__.py`` has the package's name."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def imports(of: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported: at the top, inside functions and for types.

    ``from a import b`` gives ``a.b``; a relative import begins with its dots.
    """
    for node in ast.walk(of):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + f"{node.module or ''}."
            yield from ((node.lineno, f"{origin}{alias.name}") for alias in node.names)
