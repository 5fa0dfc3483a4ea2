"""The example in the docstring of ``Coordinator``: as a file it runs, and gives the numbers printed there."""

import doctest
import inspect
import textwrap

from orchestrator.core import Coordinator


def test_the_example_runs(tmp_path, monkeypatch):
    text = inspect.cleandoc(Coordinator.__doc__ or "")
    source = text.partition("them::\n")[2].partition("\nIt runs from")[0]
    (tmp_path / "toy.py").write_text(textwrap.dedent(source))
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTestParser().get_doctest(text, {}, "Coordinator", None, None)
    assert len(example.examples) == 5
    failures, _ = doctest.DocTestRunner().run(example)
    assert failures == 0
