"""Names that come out of a results folder are data: to paths, the terminal, spreadsheets and pages."""

import csv
import io
import os
import re
from pathlib import Path

import pytest

from orchestrator import Results
from orchestrator.api import carry_out
from orchestrator.commands.spreadsheets import harmless
from orchestrator.errors import UserError, plain, uncoloured
from orchestrator.planning.sweeps import checked
from orchestrator.store import Store
from orchestrator.store.schema import table

NAME = "family/small"
#: A case and a claim of these names: markup of rich, codes of terminals, formulas, HTML and mathematics.
EVIL = [
    "[/red]",
    "\x1b[2J\x1b]0;title\x07",
    '=HYPERLINK("http://x",1)',
    "<script>alert(1)</script>",
    "$\\frac{$",
    "a\u202eb",
]
CONTENT = {
    "name": NAME,
    "description": "".join(EVIL),
    "env": {"name": "shared-subspace-mrp", "states": 6, "features": 4, "rank": 2},
    "cases": {name: {"algorithm": "joint-average-td"} for name in EVIL} | {"other": {"algorithm": "independent-td"}},
    "base": {"agents": 2, "rounds": 4},
    "seeds": "0..5",
    "claims": [{"name": name, "case": name, "metric": "theta_error_tail", "law": "order", "below": "other"}
               for name in EVIL],
}  # fmt: skip
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("foreign") / "r"
    carry_out(checked(CONTENT, "test"), folder, backend="inline", quiet=True, logged=True)
    rows = [
        {"sweep": name, "sweep_hash": "h", "case": "c", "cell_id": "0" * 16} for name in ("../../x", "/etc/x", *EVIL)
    ]
    for row in rows:
        Store.open(folder).append({"members": table("members", [row])})
    with (folder / "logs" / f"{NAME}.log").open("a") as log:
        log.write("\x1b[31mred\x1b[0m \x1b]0;title\x07 [/red]\n")
    return folder


OUT = "../../x"
COMMANDS = [
    ["status"], ["claims"], ["claims", NAME], ["claims", NAME, "--format", "csv"], ["logs", NAME],
    ["query", "FROM summary"], ["query", "SELECT 1 AS \"[/red]\", 2 AS \"=1+1\x1b\""], ["status", OUT],
    ["status", EVIL[1]], ["logs", OUT], ["fingerprint", OUT], ["report", OUT], ["export", OUT], ["plot", OUT, "1"],
    ["query", "SELECT \"case\", sweep FROM members", "--format", "csv"],
    ["query", "SELECT \"case\" FROM members WHERE sweep = 'x\x1b"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: "-".join(words)[:30])
def test_a_terminal_gets_no_codes_and_nothing_is_written_outside(folder, call, words):
    outside = sorted(folder.parent.parent.rglob("*"))
    code, out, err = call(*words, "--results", str(folder))
    assert code in (0, 2)
    assert not CONTROL.search(out + err)
    assert {path for path in folder.parent.parent.rglob("*") if folder not in path.parents} <= set(outside)
    if "../../x" in words:
        assert code == 2


def test_markup_is_text(folder, call):
    _, out, _ = call("claims", NAME, "--results", str(folder))
    assert all(plain(name) in out for name in EVIL)
    _, out, _ = call("status", NAME, "--results", str(folder))
    assert "[/red]" in out


def test_the_live_display_takes_names_as_they_are():
    from orchestrator.progress.display import Display
    from orchestrator.progress.tally import Tally

    stream = io.StringIO()
    tally = Tally({name: [f"c{k}"] for k, name in enumerate(EVIL)}, {"c0": (0,)}, {"c0": 1.0})
    display = Display("[/red]\x1b[2J", tally, 0, 1, stream)
    display._console.print(display.drawn())
    assert "[/red]" in stream.getvalue()
    assert not CONTROL.search(stream.getvalue())


def test_formulas_in_csv_are_texts_unless_raw(folder, call, tmp_path):
    sql = 'SELECT DISTINCT "case" AS "=name", -1.5 AS number, \'-2.5\' AS digits FROM summary ORDER BY 1'

    def cells(*more: str) -> list[list[str]]:
        _, out, _ = call("query", sql, "--format", "csv", *more, "--results", str(folder))
        return list(csv.reader(io.StringIO(out)))

    formula = EVIL[2]
    head, *rows = cells()
    assert head == ["'=name", "number", "digits"]
    assert f"'{formula}" in [row[0] for row in rows]
    assert all(row[1:] == ["-1.5", "-2.5"] for row in rows)
    head, *rows = cells("--raw")
    assert head[0] == "=name"
    assert {formula, EVIL[1]} <= {row[0] for row in rows}
    for raw in (False, True):
        place = tmp_path / str(raw)
        assert (
            call("export", NAME, "--table", "tidy", "--output", str(place), *["--raw"] * raw, "--results", str(folder))[
                0
            ]
            == 0
        )
        found = {row[1] for row in csv.reader((place / "tidy.csv").open(newline=""))}
        assert (formula in found, f"'{formula}" in found) == (raw, not raw)


def test_a_page_shows_names_as_text(folder, call, tmp_path):
    assert call("report", NAME, "--output", str(tmp_path), "--results", str(folder))[0] == 0
    html = (tmp_path / "index.html").read_text()
    assert html.count("<script>alert(1)") == 0
    assert "&lt;script&gt;alert(1)" in html
    assert call("report", "--all", "--output", str(tmp_path), "--results", str(folder))[0] == 0
    assert "<script>alert(1)" not in (tmp_path / "index.html").read_text()
    assert not (tmp_path.parent / "x").exists()


def test_a_linked_folder_is_not_followed(folder, call, tmp_path):
    import shutil

    copy, elsewhere = tmp_path / "r", tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    elsewhere.mkdir()
    for name in ("logs", "reports", "exports", "figures", "sweeps", "checkpoints"):
        if (copy / name).exists():
            shutil.copytree(copy / name, elsewhere / name)
            shutil.rmtree(copy / name)
        else:
            (elsewhere / name).mkdir()
        if name != "sweeps":
            os.symlink(elsewhere / name, copy / name)
    shutil.copytree(elsewhere / "sweeps", copy / "sweeps")
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    for words in (["logs", NAME], ["report", NAME], ["report", "--all"], ["export", NAME], ["plot", NAME, "1"]):
        code, _, err = call(*words, "--results", str(copy))
        assert code == 2
        assert "leads out of" in err
    with pytest.raises(UserError, match="leads out of"):
        Store.open(copy).checkpoints.write("cell", b"x")
    with pytest.raises(UserError, match="leads out of"):
        carry_out(checked(CONTENT | {"seeds": "0..6"}, "test"), copy, backend="inline", quiet=True, logged=True)
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before
    shutil.rmtree(copy / "sweeps")
    os.symlink(elsewhere / "sweeps", copy / "sweeps")
    with pytest.raises(UserError, match="leads out of"):
        Results(copy).stored(NAME)


def test_a_definition_that_gives_itself_another_name_is_damaged(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "r")
    file = tmp_path / "r" / "sweeps" / f"{NAME}.json"
    file.write_text(file.read_text().replace(f'"name": "{NAME}"', '"name": "../../x"'))
    with pytest.raises(UserError, match="is damaged"):
        Results(tmp_path / "r").report(NAME)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1", "'=1"), ("+x", "'+x"), ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"), ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("-2.5", "-2.5"), ("+inf", "+inf"), ("a=1", "a=1"), ("", ""),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_takes_for_a_formula(text, shown):
    assert harmless(text) == shown


def test_plain_text_keeps_what_people_write():
    assert plain("größer ≤ 1\n\tzeile — 東京 🙂") == "größer ≤ 1\n\tzeile — 東京 🙂"
    assert plain("\x1b[2J\r\x9b\u202e") == "\\x1b[2J\\r\\x9b\\u202e"
    assert uncoloured("\x1b[1;31mred\x1b[0m") == "red"
