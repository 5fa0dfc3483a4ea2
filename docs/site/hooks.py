"""What mkdocs cannot take from docs/ as it is: the README, the notebook, and files that a page links to.

The pages are written for GitHub, where a link may lead to any file of the repository. On the site such a file has a
page under ``repository/`` with the same path, and every link is rewritten to it. mkdocs calls the ``on_...`` functions.
"""

import os
import re
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Files whose page has another name than their path.
NAMED = {ROOT / "README.md": "index.md", DOCS / "README.md": "all-pages.md", DOCS / "tour.ipynb": "tour.md"}
PICTURES = (".svg", ".png")
#: Languages of fenced blocks by suffix.
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".txt": "text"}
#: Code, which is skipped, or the target of a link.
CODE_OR_LINK = re.compile(r"^```.*?^```|`[^`\n]*`|(?<=\]\()([^)\s]+)(?=\))", re.M | re.S)
#: Files of pages that this hook writes, by the page's path on the site.
origins: dict[str, Path] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of docs/ that the navigation does not name to its section "Reference"."""
    named = set(_named_pages(config.nav))
    pages = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.glob("*.md")) if path not in NAMED]
    reference = next(section["Reference"] for section in config.nav or [] if "Reference" in section)
    reference += [page for page in pages if page not in named]
    reference += [{"Algorithms and environments": _reference_pages()}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write the pages that docs/ does not hold: those with a name of their own, and whatever a page links to."""
    files.remove(files.src_uris["README.md"])
    origins.clear()
    listed = [ROOT / page.removeprefix("repository/") for page in _named_pages(config.nav) if "repository/" in page]
    waiting = [*NAMED, *listed, *(DOCS / file.src_uri for file in files.documentation_pages())]
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.suffix in PICTURES and not path.is_relative_to(DOCS):
            files.append(File.generated(config, site_path(path), abs_src_path=str(path)))
        elif path in NAMED or not path.is_relative_to(DOCS):
            origins[site_path(path)] = path
            files.append(File.generated(config, site_path(path), content=content(path)))
        waiting += linked(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links between files of the repository into links between pages of the site."""
    uri = page.file.src_uri
    origin = origins.get(uri, DOCS / uri)

    def rewritten(match: re.Match[str]) -> str:
        target = match.group(1)
        path = target and _path(origin, target)
        if not path:
            return match.group()
        _, mark, anchor = target.partition("#")
        return os.path.relpath(site_path(path), Path(uri).parent) + mark + anchor

    # The tests read more than a language after the marks of some blocks; mkdocs takes a language only.
    return re.sub(r"^(```\w+) .*$", r"\1", CODE_OR_LINK.sub(rewritten, markdown), flags=re.M)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    r"""Write ``|`` for ``\|`` in the code of tables, as GitHub does."""
    return re.sub(r"<code>[^<]*</code>", lambda code: code.group().replace("\\|", "|"), html)


def site_path(path: Path) -> str:
    """The path on the site of the page of a file or folder."""
    if path in NAMED:
        return NAMED[path]
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    name = f"repository/{path.relative_to(ROOT).as_posix()}"
    if path.is_dir():
        return f"{name}/index.md"
    return name if path.suffix in (".md", *PICTURES) else f"{name}.md"


def content(path: Path) -> str:
    """The page of a file: Markdown as it is, the notebook with its outputs, a folder as a list, else its source."""
    if path.suffix == ".ipynb":
        return notebook(path)
    if path.suffix == ".md":
        return path.read_text()
    title = f"# {path.relative_to(ROOT).as_posix()}\n\n"
    if path.is_dir():
        return title + "\n".join(f"- [{file.name}]({file.name})" for file in _sources(path)) + "\n"
    return f"{title}````{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}````\n"


def linked(path: Path) -> list[Path]:
    """The files and folders of the repository that a file's page links to."""
    if path.suffix not in (".md", ".ipynb") and not path.is_dir():
        return []
    targets = [target for target in CODE_OR_LINK.findall(content(path)) if target]
    return [linked for target in targets if (linked := _path(path, target))]


def notebook(path: Path) -> str:
    """The notebook as Markdown, with the outputs that are stored in it."""
    parts = [f'<p><a href="{path.name}" download>Download this page as a notebook</a></p>']
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        parts += [_output(output) for output in cell.outputs]
    first, title, *others = parts
    return "\n\n".join([title, first, *others]) + "\n"


def _output(output: nbformat.NotebookNode) -> str:
    """One output of a cell: a picture, else a table, else text."""
    data = output.get("data", {"text/plain": output.get("text")})
    if "image/png" in data:
        return f'<p><img alt="Figure of the cell above" src="data:image/png;base64,{data["image/png"].strip()}"></p>'
    if "text/html" in data:
        html = re.sub(r"<style scoped>.*?</style>\s*", "", data["text/html"], flags=re.S)
        return html.replace('<table border="1" class="dataframe">', "<table>")  # the site's own style
    return f"```text\n{data['text/plain'].rstrip()}\n```"


def _path(page: Path, target: str) -> Path | None:
    """The file or folder that a link of a page leads to.

    None for an address, for a place on the page itself, and for a file that is missing, which mkdocs then reports.
    """
    name = target.partition("#")[0]
    if not name or re.match(r"[a-z]+:", name):
        return None
    base = page if page.is_dir() else page.parent
    path = (base / name).resolve()
    return path if path.exists() else None


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in LANGUAGES)


def _named_pages(nav: list | dict | str | None) -> list[str]:
    """Every page in the navigation."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav or []
    return [page for part in parts for page in _named_pages(part)]


def _reference_pages() -> list:
    """The navigation of docs/reference: the sections of its index, with their pages."""
    folder = "reference"
    index = (DOCS / folder / "README.md").read_text()
    sections: list = [f"{folder}/README.md"]
    for part in index.split("\n## ")[1:]:
        title, _, rest = part.partition("\n")
        links = re.findall(r"^- \[([^]]+)\]\(([^)]+)\)", rest, re.M)
        sections.append({title: [{name: f"{folder}/{page}"} for name, page in links]})
    named = set(_named_pages(sections))
    others = [f"{folder}/{path.name}" for path in sorted((DOCS / folder).glob("*.md"))]
    return [*sections, *(page for page in others if page not in named)]
