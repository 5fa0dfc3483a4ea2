"""docs/reference and docs/tables.md say what the code says; docs/claims.md what its study counted."""

import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from benchmarks.coverage import page as coverage
from benchmarks.coverage import studies
from benchmarks.coverage.processes import HEAVY, WITH_RARE
from orchestrator import core
from orchestrator.core import Environment
from orchestrator.core.compiling import Kernel
from orchestrator.reference import kernels, kinds, pages
from orchestrator.reference.markdown import table_cell
from orchestrator.reference.members import members
from orchestrator.reference.words import parameter_rows

DOCS = Path(__file__).parents[2] / "docs"
SHIPPED = [*pages.shipped("algorithm"), *pages.shipped("environment")]
PAGES = pages.pages()


def words(text: str) -> list[str]:
    return re.sub(r"`+|\*\*", "", text).split()


def shown(page: str) -> str:
    """What a reader of the page sees, without markup."""
    parts = []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(page):
        if token.type == "code_block":
            parts.append(token.content)
        for child in token.children or ():
            parts.append("\n" if child.type in ("softbreak", "hardbreak") else child.content)
    return " ".join(" ".join(parts).split())


def test_the_pages_are_those_of_the_code():
    """``make reference`` writes them."""
    for name, text in PAGES.items():
        assert (DOCS / name).read_text() == text, name
    found = {f"reference/{path.name}" for path in (DOCS / "reference").iterdir()}
    assert found == {name for name in PAGES if name.startswith("reference/")}


@pytest.mark.parametrize("found", SHIPPED, ids=lambda found: found.name)
def test_a_page_tells_all_and_markdown_changes_no_word(found):
    """Docstrings, parameters and metrics come through: an asterisk or a bracket is not taken for markup."""
    seen = shown(PAGES[f"reference/{found.name}.md"])
    without_spaces = seen.replace(" ", "")
    for text in (inspect.getdoc(found), inspect.cleandoc(sys.modules[found.__module__].__doc__ or "")):
        assert "".join(words(text or "")) in without_spaces
    for name, kind, default, meaning in parameter_rows(found.Parameters):
        for word in (name, kind, default, meaning):
            assert "".join(words(word)) in without_spaces, name
        assert meaning, f"{name} has no description"
    for name, meaning in (found.metrics if hasattr(found, "metrics_for") else {}).items():
        assert name in seen
        assert meaning
        assert "".join(words(meaning)) in without_spaces


@pytest.mark.parametrize("found", SHIPPED, ids=lambda found: found.name)
def test_a_page_names_its_source_and_what_is_reconstructed(found):
    text = inspect.cleandoc(sys.modules[found.__module__].__doc__ or "") + (inspect.getdoc(found) or "")
    assert re.search(r"arXiv:\d{4}\.\d{5}|\b(19|20)\d\d\b|Ours", text), "no paper, and not said to be ours"
    assert re.search(r"reconstruct|ours\b", text, re.IGNORECASE), "nothing about what is reconstructed"


def test_a_parameter_in_words():
    rows = {name: (kind, default) for name, kind, default, _ in parameter_rows(pages.Claim)}
    assert rows["within"] == ("float > 0 or null", "null")
    assert rows["deterministic"] == ("bool", "false")
    rows = {name: (kind, default) for name, kind, default, _ in parameter_rows(pages.Record)}
    assert rows["every"] == ("int >= 1 or auto", "auto")
    assert rows["per_decade"] == ("int >= 1, <= 1000", "8")


def test_the_tables_of_verdicts_are_those_of_their_counts():
    """``python -m benchmarks.coverage`` makes both."""
    text, rows = coverage.PAGE.read_text(), coverage.read_counts()
    assert coverage.rendered(text, rows) == text
    assert list(dict.fromkeys((row.study, row.process, row.seeds) for row in rows)) == list(studies.keys())


def test_the_rule_errs_as_rarely_as_the_page_promises():
    """False supports .03, false refutations .05, except where the page says so; power beside the former rule."""
    rows = coverage.read_counts()
    assert [row for row in rows if row.errs and not row.out_of_reach] == []
    first = next(row for row in rows if (row.study, row.process, row.seeds) == ("power", "lognormal, spread .3", 8))
    assert first.supported / first.curves >= studies.FORMER_POWER - studies.MOST_POWER_LOST
    declared = [row for row in rows if "rare .1" in row.situation and row.truth != studies.TRUE]
    assert len(declared) == 16
    assert max(row.supported / row.curves for row in declared) <= 0.03


def test_the_page_says_what_was_counted():
    """The power beside the former rule's, and the largest errors of what is out of reach."""
    rows, text = coverage.read_counts(), " ".join(coverage.PAGE.read_text().split())

    def supported(study: str, situation: str, seeds: int) -> float:
        of = (study, "lognormal, spread .3", situation, seeds)
        return next(r.supported / r.curves for r in rows if (r.study, r.process, r.situation, r.seeds) == of)

    def most(processes: set[str], *studied: str) -> float:
        wrong = [r for r in rows if r.out_of_reach and r.truth != studies.TRUE and r.study in studied]
        return max(r.supported / r.curves for r in wrong if r.process in processes)

    skewed = {row.process for row in rows} - set(WITH_RARE)
    for number, words in (
        (f"{supported('power', '-1 ± .15, truth -1', 8):.3f}", "this rule does so in {}."),
        (f"{supported('power', '-1 ± .15, truth -1', 16):.3f}", "With 16 seeds it is {}."),
        (f"{supported('bound', '.7 of it', 8):.2f}", "is supported in {} instead of .70"),
        (f"{supported('bound', '.7 of it', 16):.2f}", "With 16 seeds it is {}."),
        (f"{most(set(HEAVY), 'value', 'bound'):.2f}", "false supports up to {} if the truth lies exactly on the edge"),
        (f"{most(skewed, 'difference'):.2f}", "false supports up to {} with 8 seeds"),
    ):
        assert words.format(number.removeprefix("0")) in text


@pytest.mark.parametrize(
    "key", [("share", "share .1", 6), ("value", "lognormal, spread 1", 6), ("bend", "lognormal, spread .1", 8)]
)
def test_the_study_counts_the_same_again(key):
    """Parts of it that are quick."""
    assert studies.count(*key) == [row for row in coverage.read_counts() if (row.study, row.process, row.seeds) == key]


ENVIRONMENTS = pages.shipped("environment")


@pytest.mark.parametrize("kind", kinds.by_kind(ENVIRONMENTS))
def test_everything_that_a_kind_offers_is_explained(kind):
    own = kinds.by_kind(ENVIRONMENTS)[kind]
    offered = kinds.offered(own)
    assert offered
    assert [name for name, member in offered.items() if not member.text] == []
    if own[0].block is not Environment.block:
        arrays = members(typing.get_type_hints(own[0].block)["return"])
        assert [name for name, member in arrays.items() if not member.text] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_what_is_explained_is_there(environment):
    """Of an instance: a declared attribute that the constructor forgets would be a promise to authors."""
    agents = {"blocker": 3, "graphon-robots": 16}.get(environment.name, 4)
    problem = environment(environment.Parameters(), agents, 0)
    own = kinds.by_kind(ENVIRONMENTS)[environment.kind]
    there = {*vars(problem), *(name for base in type(problem).__mro__ for name in vars(base))}  # computes no property
    assert set(kinds.offered(own)) - there == set()


def test_members_of_a_class():
    found = members(Offering)
    assert [(member.name, member.signature) for member in found.values()] == [
        ("first", ""), ("second", ""), ("third", ""), ("fourth", "(a, b=1)"), ("fifth", ""),
    ]  # fmt: skip
    assert [member.text for member in found.values()] == ["beside", "above, in two lines", "Base.", "Own.", "one more"]


class Offered:
    first: int  #: beside
    #: above,
    #: in two lines
    second = 1
    _hidden = 2  #: not shown

    @property
    def third(self) -> int:
        """Base."""
        return 3

    def fourth(self, a, b=1):
        """Replaced."""


class Offering(Offered):
    @property
    def third(self) -> int:
        return 4

    def fourth(self, a, b=1):
        """Own."""

    fifth: int  #: one more


def test_every_kernel_of_the_core_is_on_the_page():
    page = PAGES["kernels.md"]
    for name in core.__all__:
        if isinstance(getattr(core, name), Kernel):
            assert f"| `{name}(" in page, name


def test_the_example_of_a_kernel_runs(tmp_path):
    assert kernels.EXAMPLE in PAGES["kernels.md"]
    (tmp_path / "own.py").write_text(kernels.EXAMPLE)
    done = subprocess.run([sys.executable, tmp_path / "own.py"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    values = [float(word) for word in done.stdout.strip("[] \n").split()]
    # After a round of 5 steps the distance to (1, 2) is 0.9^5 of what it was.
    assert values == pytest.approx([1 - 0.9**500, 2 - 2 * 0.9**500], rel=1e-8)


def test_a_list_in_a_table_stays_a_list():
    text = "Distance to the *truth*:\n\n- one: a\n  and b\n- two: ``c``\n\nRaises nothing\nat all."
    found = "Distance to the \\*truth\\*: <ul><li>one: a and b</li><li>two: `c`</li></ul> Raises nothing at all."
    assert table_cell(text) == found
    assert table_cell("a - b\n- c") == "a - b <ul><li>c</li></ul>"
