"""Where an error was, whatever the folders above are called."""

from pathlib import Path

import pytest

from orchestrator.errors import ENGINE, error_place

TRACE = 'Traceback:\n  File "{}", line 20, in pull\nValueError: no\n'


@pytest.mark.parametrize(
    "path", ["/home/me/orchestrator/mine.py", "/home/me/lab/mine.py", "/home/me/python-code/mine.py"]
)
def test_a_file_of_ones_own_is_named_in_any_folder(path):
    assert error_place(TRACE.format(path)) == " (mine.py, line 20, in pull)"


@pytest.mark.parametrize(
    "path", [ENGINE / "running" / "drive.py", "/usr/lib/python3.11/json/decoder.py", "/v/lib/site-packages/numpy/a.py"]
)
def test_the_engine_and_libraries_are_not_named(path):
    assert error_place(TRACE.format(path)) == ""


def test_the_last_file_of_ones_own_counts():
    trace = TRACE.format("/lab/outer.py") + TRACE.format("/lab/inner.py") + TRACE.format(ENGINE / "fleet" / "host.py")
    assert error_place(trace) == " (inner.py, line 20, in pull)"
    assert Path(ENGINE).name == "orchestrator"
