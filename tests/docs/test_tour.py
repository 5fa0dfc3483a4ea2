"""docs/tour.ipynb gives, in a fresh kernel, the very outputs that are committed with it."""

from pathlib import Path
from typing import Any

import pytest

from tests.tools.tour import TOUR, executed

pytest.importorskip("nbclient", reason="the tour is executed by nbclient: pip install -e '.[dev]'")
pytest.importorskip("ipykernel", reason="the tour needs a Jupyter kernel: pip install -e '.[dev]'")


def told(cell: Any) -> list[Any]:
    """What a cell's outputs say: texts as they are, of a picture that it is there."""
    found = []
    for output in cell.outputs:
        if output.output_type == "stream":
            found.append(output.text)
        elif "image/png" in output.data:
            found.append("a picture")
        else:
            found.append(output.data["text/plain"])
    return found


def test_the_tour_gives_what_it_shows(tmp_path, monkeypatch):
    """Numbers, verdicts and all; ``make tour`` writes them anew."""
    import nbformat

    monkeypatch.setenv("PYTHONPATH", str(TOUR.parents[1]))
    shown = [cell for cell in nbformat.read(TOUR, as_version=4).cells if cell.cell_type == "code"]
    given = [cell for cell in executed(tmp_path).cells if cell.cell_type == "code"]
    assert [told(cell) for cell in given] == [told(cell) for cell in shown]
    said = [line for cell in given for line in told(cell)]
    assert "a picture" in said
    assert said[-1] == "True"
    assert sum("supported" in line for line in said) == 1
    assert sum(len(line) for line in said) < 5000


def test_the_tour_is_small_and_names_no_machine():
    text = TOUR.read_text()
    assert len(text) < 100_000
    assert str(Path.home()) not in text
    assert "/tmp/" not in text
    assert "Traceback" not in text
