"""``orchestrator check``: it keeps quiet about algorithms that keep the contract, and says what others break."""

import re

import pytest

from tests.tools.engine import OWN_FILES as FILES

KEPT = ["interpreted", "running", "repeating", "placement", "leap", "snapshots", "measuring"]
#: What is changed in docs/extending.md's algorithm -> what is wrong then, and words of what is found.
BROKEN = [
    ('persistent = ("earned", "count")', 'persistent = ("earned",)', "snapshots", "Players.count is not in persistent"),
    ('persistent = ("estimate",)', "persistent = ()", "snapshots", "Pooled.estimate is not in persistent"),
    ("earned[i, arm] +=", "earned[i, arm + 7] +=", "interpreted", "pooled.py, line 17, in pull"),
    ("earned[i, arm] +=", "earnd[i, arm] +=", "running", "(kernels not compiled): NameError: name 'earnd' is not"),
    ("for _ in range(rounds):", "for _ in range(rounds + 1):", "leap", "other numbers"),
    ("np.zeros((2, *self.env.means.shape))", "np.full((2, *self.env.means.shape), 1.0 * self.n)", "placement", "other"),
    ("np.zeros((2, *self.env.means.shape))", "np.random.random((2, *self.env.means.shape))", "repeating", "other"),
    (
        'return {"mean_error":',
        'yield Call("play", shared={"estimate": self.estimate, "epsilon": 0.5})\n        return {"mean_error":',
        "measuring", "other numbers",
    ),
    ("agent_steps=1", "agent_steps=0", "", "note  running: 6 rounds of 3 agents"),
    ("self.pool((yield Call(", "self.pool((Call(", "running", "TypeError: 'Call' object is not subscriptable"),
    (
        'self.pool((yield Call("play", shared=sent, agent_steps=1)))', 'Call("play", shared=sent, agent_steps=1)',
        "running", "RuntimeError: round() made a Call of 'play' that it did not yield; write yield Call(...)",
    ),
    ('{"mean_error": float', '{"mean_error": np.random.normal() + float', "repeating", "Nothing else was tried"),
]  # fmt: skip


def findings(out: str) -> dict[str, str]:
    """What was looked at -> its state."""
    return {what: state for state, what in re.findall(r"^(ok|note|wrong) +(\w+)(?: \(.*?\))?: ", out, re.M)}


def checked(call, folder, monkeypatch, algorithm: str):
    for name, content in {**FILES, "pooled.py": algorithm}.items():
        (folder / name).write_text(content)
    monkeypatch.chdir(folder)
    code, out, err = call("check", "./pooled.py:Pooled", "./bandits.py:Bandits")
    assert err == ""
    assert not (folder / "results").exists()
    return code, out


def test_what_keeps_the_contract(call, tmp_path, monkeypatch):
    code, out = checked(call, tmp_path, monkeypatch, FILES["pooled.py"])
    assert (code, findings(out)) == (0, dict.fromkeys(KEPT, "ok"))
    assert out.endswith("\nThe algorithm is reproducible.\n")
    assert len(out.splitlines()) == len(KEPT) + 2  # what is well needs no explanation


@pytest.mark.parametrize(("old", "new", "what", "words"), BROKEN)
def test_what_breaks_it_is_named(call, tmp_path, monkeypatch, old, new, what, words):
    assert FILES["pooled.py"].count(old) == 1
    code, out = checked(call, tmp_path, monkeypatch, FILES["pooled.py"].replace(old, new))
    wrong = [name for name, state in findings(out).items() if state == "wrong"]
    assert words in out
    assert (what in wrong, code) == (bool(what), int(bool(what)))


def test_refusals(call):
    """What cannot be checked is told in a sentence."""
    code, _, err = call("check", "rllib-ppo", "landmarks")
    assert (code, err) == (2, "rllib-ppo is outside the placement promise: there is nothing to check.\n")
    code, _, err = call("check", "iql", "digital", "alpha=0.1,0.2")
    assert (code, err) == (2, "alpha is given several values; it takes one here.\n")


def test_what_is_wrong_is_all_that_is_wrong(call, tmp_path, monkeypatch):
    """A slip makes one thing wrong; what follows from it is not told as well."""
    for old, new in (
        ("earned[i, arm] +=", "earnd[i, arm] +="),
        ('{"mean_error": float', '{"mean_error": np.random.normal() + float'),
    ):
        _, out = checked(call, tmp_path, monkeypatch, FILES["pooled.py"].replace(old, new))
        assert list(findings(out).values()).count("wrong") == 1
    assert "index" not in checked(call, tmp_path, monkeypatch, FILES["pooled.py"].replace("self.rng)", "self.rgn)"))[1]


#: State that ends every round as it began: no difference is left at the end of a run, or at that of any round.
HIDDEN = '''
import numpy as np
from orchestrator.core import Block, Call, Coordinator, Environment, Parameters

class None_(Parameters):
    pass

class Here(Environment):
    name, kind, Parameters = "here", "here", None_

class Counters(Block):
    persistent = ("x",)

    def start(self):
        self.x, self.clock = self.zeros(), 0

    def step(self, now):
        self.x += (self.clock == 0) * (now > 0) if now < 3 else 0
        self.clock = min(self.clock + 1, 2) if now < 2 else 5
        return {"x": self.x}

class Hidden(Coordinator):
    """."""
    name, kinds, Parameters = "hidden", ("here",), None_
    metrics = {"x": "first x"}
    persistent = ("x",)

    def blocks(self):
        return {"agents": Counters}

    def start(self):
        self.x = 0.0

    def round(self):
        self.x = (yield Call("step", shared={"now": self.completed}, agent_steps=1))["x"][0]

    def measure(self):
        return {"x": self.x}
'''


def test_what_was_forgotten_is_named_although_the_end_is_the_same(call, tmp_path):
    (tmp_path / "hidden.py").write_text(HIDDEN)
    code, out, _ = call("check", f"{tmp_path}/hidden.py:Hidden", f"{tmp_path}/hidden.py:Here")
    assert code == 1
    assert "after going on from round 1: Counters.clock is not in persistent\n" in out


def test_one_agent_is_not_cut(call):
    _, out, _ = call("check", "iql", "digital", "--agents", "1", "--rounds", "2")
    assert "ok    placement: one agent cannot be cut into blocks" in out
    assert "2 rounds of 1 agent: " in out
