"""The documentation site: a strict build without a network has every page of docs/, and shows all that GitHub shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Pages of docs/ -> their files on the site.
PAGES = {
    path: path.relative_to(DOCS).with_suffix(".html").as_posix().replace("README", "index")
    for path in sorted(DOCS.rglob("*.md"))
} | {DOCS / "README.md": "all-pages.html"}
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    variables = os.environ | NO_NETWORK | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


def article(file: Path) -> str:
    """The part of a page that its author wrote."""
    [text] = re.findall(r"<article.*?</article>", file.read_text(), re.S)
    return text


def test_every_page_of_the_docs_is_in_the_navigation(site):
    links = set(re.findall(r'<a href="([^"#:]+)" class="md-nav__link', (site / "index.html").read_text()))
    assert set(PAGES.values()) - links == set()
    assert {"tour.html", "repository/CONTRIBUTING.html", "repository/CHANGELOG.html"} <= links


def test_pages_show_every_list_table_and_block_of_code(site):
    """As many as a parser of GitHub's Markdown finds."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    for path, name in PAGES.items():
        text = path.read_text()
        kinds = [token.type for token in parser.parse(text)]
        items = kinds.count("list_item_open") + text.count("<li>")  # in a table a list is HTML
        expected = (items, kinds.count("table_open"), kinds.count("fence"))
        html = article(site / name)
        indented = kinds.count("code_block")
        blocks = html.count('<div class="highlight">')
        assert (html.count("<li>"), html.count("<table>"), blocks - indented) == expected, name


def test_the_tour_has_its_code_and_its_outputs(site):
    html = article(site / "tour.html")
    assert "A tour: from a run to a verdict" in html
    assert html.count('src="data:image/png;base64,') == 2
    assert html.count("<table>") == 4
    assert "exponent -0.968 [-1.006, -0.931]" in html
    assert (site / "tour.ipynb").read_bytes() == (DOCS / "tour.ipynb").read_bytes()


def test_a_link_to_a_source_file_leads_to_a_page_with_it(site):
    assert '<a href="repository/orchestrator/core/calls.py.html">' in article(site / "extending.html")
    html = article(site / "repository" / "orchestrator" / "core" / "calls.py.html")
    assert "class Call" in re.sub(r"<[^>]+>", "", html)
    assert '<a href="../tables.html#runs">' in article(site / "reference" / "fedtd.html")


def test_a_bar_in_the_code_of_a_table_is_a_bar(site):
    assert "<code>sweep SWEEP|FILE [key=value …]</code>" in article(site / "index.html")


def test_no_page_loads_anything_from_elsewhere(site):
    for file in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="([^"]+)"', file.read_text())
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], file
