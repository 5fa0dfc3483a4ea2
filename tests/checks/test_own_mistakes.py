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
PLAY = 'self.pool((yield Call("play", shared=sent, agent_steps=1)))'
#: What is changed in pooled.py -> the first line of a failed replicate's error.
FAILED = [
    ('Call("play"', 'Call("ply"', "AttributeError: a call names 'ply', which Players lacks: did you mean 'play'? (poo"),
    ('{"estimate": self', '{"estimat": self', "TypeError: the call of 'play' sends 'estimat'; Players.play takes esti"),
    (
        '("estimate",)',
        '("estimat",)',
        "AttributeError: persistent of Pooled names 'estimat', which start() does not ",
    ),
    ("self.estimate = np.zeros", "self.rounds = 5; self.estimate = np.zeros", "AttributeError: rounds of Pooled is "),
    (
        PLAY,
        "import orchestrator.core as core; yield core.Exchange('play', 'play', graph='ring')",
        "TypeError: Exchange: graph is a str; pass a Graph, such as named_graph('ring', n) (pooled.py, line 51, in ",
    ),
    (PLAY, PLAY[17:-2], "RuntimeError: round() made a Call of 'play' that it did not yield; write yield Call(...)"),
    (
        'return {"mean_error"',
        'Call("play"); return {"mean_error"',
        "RuntimeError: measure() made a Call of 'play' that it did not yield; write yield Call(...)",
    ),
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


def test_an_init_without_that_of_its_base(tried):
    code, _, err = tried("bandits.py", "super().__init__(parameters, agents, instance)", "self.instance = 0")
    assert (code, err) == (2, "Bandits.__init__ has to call super().__init__(parameters, agents, instance).\n")


def test_a_block_that_cannot_start_is_not_blamed_on_the_first_call(tried):
    err = tried("pooled.py", 'persistent = ("earned", "count")', 'persistent = ("earnd", "count")')[2]
    assert "persistent of Players names 'earnd', which start() does not set: did you mean 'earned'?\n" in err


def test_an_environment_without_arrays(tried):
    said = "failed: AttributeError: 'NoneType' object has no attribute 'means'. self.env is None: bandits "
    assert f"{said}defines no block(members) (pooled.py, " in tried("bandits.py", "def block(", "def blok(")[2]
    assert f"{said}returns None from block(members) (pooled.py, " in tried("bandits.py", "return Machines(", "(")[2]


def test_what_a_class_declares_is_refused_when_its_file_is_loaded(tried):
    new = '1, ("bandit")'
    told = "pooled.py: pooled-bandits: kinds is 'bandit'; write ('bandit',).\n"
    assert tried("pooled.py", '1, ("bandit",)', new) == (2, "", told)


def test_names_of_columns(tried, call):
    told = "pooled-bandits: the metric 'error' has the name of a column (docs/tables.md); choose another name.\n"
    assert tried("pooled.py", 'metrics = {"mean_error"', 'metrics = {"error"') == (2, "", told)
    assert call("describe", "./pooled.py:Pooled") == (2, "", told)


def test_seeds_that_fail_alike_are_one_line(call, tmp_path, monkeypatch):
    for file, content in FILES.items():
        (tmp_path / file).write_text(content.replace('Call("play"', 'Call("ply"'))
    monkeypatch.chdir(tmp_path)
    _, _, err = call("run", "./pooled.py:Pooled", "./bandits.py:Bandits", "--agents", "1", "--backend", "inline")
    assert "(pooled-bandits, 1 agent), 8 seeds (0, 1, 2, 3, 4, 5, 6, 7): failed: AttributeError: a call names" in err
    assert err.count("a call names") == 1
    assert "8 replicates failed. They are run again only with --retry-failed.\n" in err


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
