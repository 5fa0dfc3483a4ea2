"""Plain words and docstrings as markdown."""

import re
from collections.abc import Iterable, Sequence


def markdown(text: str) -> str:
    """A docstring as markdown: indented equations and words in double backticks are kept as they are."""
    return "\n".join(line if line.startswith("    ") else escaped(line) for line in text.splitlines())


def escaped(text: str) -> str:
    """Text in which markdown finds no markup; words in double backticks become code."""
    parts = re.split(r"(``[^`]+``|`[^`]+`)", text)
    return "".join(f"`{part.strip('`')}`" if part.startswith("`") else _escape_markdown(part) for part in parts)


def table_cell(text: str) -> str:
    """A docstring for a cell of a table, which is one line: paragraphs are joined, and lists become HTML lists."""
    parts = re.split(r"((?:^- .*(?:\n +.*)*(?:\n|$))+)", text, flags=re.MULTILINE)
    return " ".join(_html_list(part) if part.startswith("- ") else _one_line(part) for part in parts if part.strip())


def _html_list(text: str) -> str:
    items = re.split(r"^- ", text, flags=re.MULTILINE)[1:]
    return f"<ul>{''.join(f'<li>{_one_line(item)}</li>' for item in items)}</ul>"


def _one_line(text: str) -> str:
    return escaped(" ".join(text.split()))


def _escape_markdown(text: str) -> str:
    text = re.sub(r"\*\*(\w[^*]*)\*\*", "\0\\1\0", text)  # bold is meant
    text = re.sub(r"([*\[\]~$<]|(?<!\w)_|_(?!\w))", r"\\\1", text.replace("\\", "\\\\"))
    return text.replace("\0", "**")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; the cells are markdown."""
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
