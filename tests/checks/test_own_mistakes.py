"""Mistakes in a file of one's own: told in a sentence that says what and where, from docs/extending.md's files."""

import re

import pytest

from tests.tools.engine import OWN_FILES as FILES

#: What is changed in bandits.py -> why it cannot be built: exit code 2, before anything runs.
REFUSED = [
    (
        "agents, instance):",
        "agents, instance):\n        agents / 0",
        "ZeroDivisionError: division by zero (bandits.py, line 30, in __init__)",
    ),
    (
        "(self, parameters, agents, instance)",
        "(self, parameters)",
        "TypeError: Bandits.__init__() takes 2 positional arguments but 4 were given",
    ),
]
#: What is changed in pooled.py -> the first line of a failed replicate's error.
FAILED = [
    ("agent_steps=1", 'agent_steps="1"', "TypeError: agent_steps is '1'; it takes a whole number, transitions of"),
    ('{"agents": Players}', '{"players": Players}', "ValueError: blocks() names the group 'players'; the groups are"),
    (
        "float(((self.estimate - self.problem.common) ** 2).mean())",
        "self.estimate",
        "TypeError: measure() gave 'mean_error' the shape (5,); it takes one number",
    ),
    ("uniform(rng, i) <", "unifrm(rng, i) <", "TypingError: NameError: name 'unifrm' is not defined"),
]


@pytest.fixture(name="tried")
def _tried(call, tmp_path, monkeypatch):
    def tried(name: str, old: str, new: str) -> tuple[int, str, str]:
        for file, content in FILES.items():
            (tmp_path / file).write_text(content)
        assert FILES[name].count(old) == 1
        (tmp_path / name).write_text(FILES[name].replace(old, new))
        monkeypatch.chdir(tmp_path)
        words = ["./pooled.py:Pooled", "./bandits.py:Bandits", "--rounds", "3", "--seeds", "0", "--backend", "inline"]
        return call("run", *words)

    return tried


@pytest.mark.parametrize(("old", "new", "said"), REFUSED)
def test_what_cannot_be_built_is_refused(tried, tmp_path, old, new, said):
    told = f"pooled-bandits on bandits cannot be built: {said}.\n"
    assert tried("bandits.py", old, new) == (2, "", told)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(("old", "new", "said"), FAILED)
def test_what_fails_says_why_in_its_first_line(tried, old, new, said):
    code, _, err = tried("pooled.py", old, new)
    assert code == 1
    assert f"failed: {said}" in err


def test_a_table_of_chances_that_is_none(call, tmp_path):
    where = ["--backend", "inline", "--results", str(tmp_path / "r")]
    code, _, err = call("run", "iql", "gym:FrozenLake-v1", "env.success_rate=1.9", *where)
    assert code == 2
    assert re.match(
        r"gym:FrozenLake-v1: the chances of state 0 under action 0 are .*; they must be 0 or more and add", err
    )
    assert not (tmp_path / "r").exists()
