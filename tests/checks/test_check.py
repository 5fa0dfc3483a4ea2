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
    ("earned[i, arm] +=", "earnd[i, arm] +=", "interpreted", "NameError: name 'earnd' is not defined"),
    ("for _ in range(rounds):", "for _ in range(rounds + 1):", "leap", "other numbers"),
    ("np.zeros((2, *self.env.means.shape))", "np.full((2, *self.env.means.shape), 1.0 * self.n)", "placement", "other"),
    ("np.zeros((2, *self.env.means.shape))", "np.random.random((2, *self.env.means.shape))", "repeating", "other"),
    (
        'return {"mean_error":',
        'yield Call("play", shared={"estimate": self.estimate, "epsilon": 0.5})\n        return {"mean_error":',
        "measuring", "other numbers",
    ),
    ("agent_steps=1", "agent_steps=0", "", "note  running: 6 rounds of 3 agents"),
    ("self.pool((yield Call(", "self.pool((Call(", "interpreted", "TypeError: 'Call' object is not subscriptable"),
]  # fmt: skip


def findings(out: str) -> dict[str, str]:
    """What was looked at -> its state."""
    return {what: state for state, what in re.findall(r"^(ok|note|wrong) +(\w+): ", out, re.M)}


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
