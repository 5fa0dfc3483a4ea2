"""Every page's links lead somewhere, its code blocks run or parse, and the messages it quotes are said by the code."""

import ast
import functools
import re
import shlex
from pathlib import Path

import pytest
import typer.main
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from orchestrator.planning import sweeps
from orchestrator.plugins import registry

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "sweeps").rglob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
WRITTEN = [name for name in NAMES if not name.startswith("docs/reference/")]


@functools.cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(page.read_text())


def targets(page: Path) -> list[str]:
    """What the page links to and shows."""
    inline = [child for token in tokens(page) for child in token.children or ()]
    return [str(child.attrs[key]) for child in inline for key in ("href", "src") if key in child.attrs]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    found = tokens(page)
    heads = [found[k + 1].content for k, token in enumerate(found) if token.type == "heading_open"]
    plain = [re.sub(r"[`*]|\\(?=[_*\[\]<])", "", head).lower() for head in heads]
    return {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in plain}


def blocks(name: str, *languages: str) -> list[str]:
    """The page's fenced blocks in a language."""
    return [token.content for token in tokens(ROOT / name) if token.type == "fence" and token.info in languages]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target in targets(page):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.is_relative_to(ROOT), target
        assert aim.exists(), target
        if anchor:
            assert anchor in anchors(aim), target


def test_every_page_is_reached_from_the_readme():
    seen, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        paths = [target.partition("#")[0] for target in targets(page) if not re.match(r"[a-z]+:", target)]
        left += [(page.parent / path).resolve() for path in paths if path]
    assert [name for name in NAMES if ROOT / name not in seen] == []


def test_the_index_of_the_docs_has_every_page():
    listed = {target.partition("#")[0] for target in targets(ROOT / "docs" / "README.md")}
    assert {page.name for page in (ROOT / "docs").glob("*.*") if page.name != "README.md"} <= listed


@pytest.mark.parametrize("name", [name for name in WRITTEN if blocks(name, "python", "py")])
def test_python_compiles_and_what_it_imports_is_there(name):
    for code in blocks(name, "python", "py"):
        tree = ast.parse(code)
        imports: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), name, "exec"), {})


def commands(name: str) -> list[list[str]]:
    """The words of every ``orchestrator`` command in the page's shell blocks."""
    found = []
    for block in blocks(name, "sh"):
        for line in block.replace("\\\n", " ").split("\n\n"):
            for part in re.split(r"\n(?=\S)", line):
                words = shlex.split(part, comments=True)
                if words[:1] == ["orchestrator"]:
                    found.append(words[1:])
    return found


@pytest.mark.parametrize("name", [name for name in WRITTEN if commands(name)])
def test_commands_parse(name):
    """Every option exists and every argument has its place; nothing is run."""
    from orchestrator.cli import app

    assert len(commands("README.md")) > 5
    group = typer.main.get_command(app)
    for words in commands(name):
        command = group.commands[words[0]]  # type: ignore[attr-defined]
        command.make_context(words[0], [word for word in words[1:] if word != "&"])


def test_the_sweeps_that_commands_name_are_there():
    for name in WRITTEN:
        for command, first, *_ in (words for words in commands(name) if len(words) > 1):
            if command in ("sweep", "submit") and re.fullmatch(r"[a-z-]+/[a-z-]+", first):
                assert first in registry.sweeps(), (name, first)


def test_queries_are_understood(tmp_path):
    """Every query of a page names tables and columns that are there."""
    from orchestrator import run

    results = run(
        "joint-average-td", "shared-subspace-mrp", rounds=2, seeds=0, agents=2, backend="inline", results=tmp_path / "r"
    )
    pages = [name for name in WRITTEN if name != "docs/extending.md"]  # its own test runs what it asks
    queries = {(name, words[1]) for name in pages for words in commands(name) if words[0] == "query"}
    assert len(queries) > 3
    for _, sql in sorted(queries):
        results.sql(sql)


@pytest.mark.parametrize("name", [name for name in WRITTEN if blocks(name, "yaml")])
def test_yaml_is_yaml(name):
    for block in blocks(name, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)


def test_the_readme_s_sweep_is_one(tmp_path):
    (text,) = [block for block in blocks("README.md", "yaml") if "claims:" in block]
    (tmp_path / "my-sweep.yaml").write_text(text)
    sweep = sweeps.load(str(tmp_path / "my-sweep.yaml"))
    assert len(sweep.cells) == 15
    assert [claim.law for claim in sweep.checked_claims] == ["power", "order"]


def test_the_readme_s_python_runs(tmp_path, monkeypatch):
    """With fewer rounds, which changes nothing of the frame's shape."""
    monkeypatch.chdir(tmp_path)
    (code,) = [block for block in blocks("README.md", "python", "py") if "run(" in block]
    assert "rounds=5000" in code
    names: dict = {}
    exec(compile(code.replace("rounds=5000", "rounds=20"), "README.md", "exec"), names)
    assert len(names["frame"]) == 3 * 8
    assert names["frame"]["theta_error_tail"].notna().all()


def test_the_messages_of_the_troubleshooting_page_are_said():
    """Each quoted fragment in a table's first column stands in the engine's source."""
    source = "\n".join(path.read_text() for path in (ROOT / "orchestrator").rglob("*.py"))
    source = re.sub(r'"\n\s*f?"', "", source)  # a sentence over several lines
    quoted = []
    for line in (ROOT / "docs" / "troubleshooting.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| what you see"):
            quoted += re.findall(r"`([^`]+)`", line.split(" | ")[0])
    assert len(quoted) > 30
    assert [text for text in quoted if text not in source] == []
