"""Importing plug-in files: each version of their contents is a package of its own, made of exactly the pinned bytes.

The file ``algo.py`` becomes the module ``marl_plugin_….algo``, and ``helper.py`` beside it ``marl_plugin_….helper``. An
absolute import of a file beside it (``import helper``) becomes a relative one, so that two plug-ins may each have a
``helper.py``.
"""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from orchestrator.errors import UserError, ends_process, line, staying
from orchestrator.plugins.sources import Import, Sources, dotted, resolve

PREFIX = "marl_plugin_"


class PluginFinder(MetaPathFinder):
    """Finds the modules of the plug-ins that this process has loaded."""

    def __init__(self) -> None:
        self.known: dict[str, Sources] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module below one of the packages, or of such a package itself."""
        package, _, rest = fullname.partition(".")
        sources = self.known.get(package)
        if sources is None:
            return None
        names = {dotted(name): name for name in sources.files}
        if rest in names:
            file, loader = str(sources.root / names[rest]), PluginLoader(package, names[rest], sources)
            inside = [] if file.endswith("__init__.py") else None
            return importlib.util.spec_from_file_location(
                fullname, file, loader=loader, submodule_search_locations=inside
            )
        if not rest or any(name.startswith(f"{rest}.") for name in names):  # a folder without __init__.py
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        return None


class PluginLoader(Loader):
    """Executes the pinned bytes of one file. Python's own loader would read the file again, or an old ``.pyc``."""

    def __init__(self, package: str, name: str, sources: Sources) -> None:
        self.package, self.name, self.sources = package, name, sources

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Python makes the module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the file's code in ``module``."""
        file = str(self.sources.root / self.name)
        tree = _OwnPackage(self.package, self.name, self.sources).visit(ast.parse(self.sources.files[self.name], file))
        exec(compile(ast.fix_missing_locations(tree), file, "exec", dont_inherit=True), module.__dict__)


FINDER = PluginFinder()


def load(sources: Sources) -> ModuleType:
    """The module of a plug-in's file. It is imported once for each version of its contents.

    Raises ``UserError`` if it cannot be imported.
    """
    file = sources.root / sources.main
    package = f"{PREFIX}{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{sources.pin}"
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    FINDER.known.setdefault(package, sources)
    try:
        with staying():
            return importlib.import_module(f"{package}.{sources.module}")
    except BaseException as error:
        if ends_process(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        if isinstance(error, UserError):  # a class of the file declares what makes no sense
            raise UserError(f"{file.name}: {error}") from error
        raise UserError(f"{file} cannot be imported: {type(error).__name__}: {line(error)}.") from error


class _OwnPackage(ast.NodeTransformer):
    """Absolute imports of a plug-in's own files as imports from its package."""

    def __init__(self, package: str, name: str, sources: Sources) -> None:
        self.package, self.name, self.sources = package, name, sources

    def _full(self, module: str, names: tuple[str, ...] = ()) -> str:
        """The full name of a module of the plug-in, empty if ``module`` is another package's."""
        start, files = resolve(Import(module, names), self.name, self.sources.files.__contains__)
        return ".".join(filter(None, [self.package, start, module])) if files else ""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """``from helper import f`` imports from the package."""
        if not node.level and node.module:
            node.module = self._full(node.module, tuple(part.name for part in node.names)) or node.module
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """``import lab.helper`` imports the module from the package, and binds ``lab`` as Python does."""
        statements: list[ast.stmt] = []
        for part in node.names:
            full = self._full(part.name)
            if not full:
                statements.append(ast.Import([part]))
                continue
            above, _, last = full.rpartition(".")
            if part.asname is None and "." in part.name:
                statements.append(ast.Import([ast.alias(full, "_")]))
                above, last = full.removesuffix(f".{part.name}"), part.name.partition(".")[0]
            statements.append(ast.ImportFrom(above, [ast.alias(last, part.asname)], 0))
        return [ast.copy_location(statement, node) for statement in statements]
