"""The exact words for the mistakes that people make most: what is wrong, and what to do instead."""

import json
import sys
from pathlib import Path

import pytest

from orchestrator.planning import preflight

RUN = ["run", "joint-average-td", "shared-subspace-mrp"]
REACH = "Check that it is HOST:PORT of a cluster that is up, and that its tunnel, if it needs one, is open."

#: Words of a command -> all that it says.
SAID = {
    "an unknown algorithm": (
        ["run", "joint-averag-td", "windy-cliff"],
        "Unknown algorithm 'joint-averag-td': did you mean 'joint-average-td' or 'joint-average-q'?",
    ),
    "an unknown environment": (
        ["run", "joint-average-td", "windy-clif"],
        "Unknown environment 'windy-clif': did you mean 'windy-cliff'?",
    ),
    "both the wrong way round": (
        ["run", "windy-cliff", "fedtd"],
        "'windy-cliff' is an environment, not an algorithm; the order is ALGORITHM ENV.",
    ),
    "an environment that does not fit": (
        ["run", "joint-average-q", "windy-cliff"],
        (
            "joint-average-q does not run on windy-cliff: it needs an environment of kind linear-mdp, such as "
            "shared-subspace-mdp."
        ),
    ),
    "an unknown sweep": (
        ["sweep", "quikstart"],
        "Unknown sweep 'quikstart': did you mean 'shared-representation/quickstart'?",
    ),
    "a sweep file that is not there": (["sweep", "mine.yaml"], "There is no sweep file mine.yaml."),
    "a plug-in that is not there": (
        ["run", "./mine.py:Mine", "windy-cliff"],
        "Cannot read {here}/mine.py: no such file. Paths start at the current folder, not at the sweep file.",
    ),
    "an unknown setting": (
        [*RUN, "alhpa=1"],
        "neither joint-average-td nor shared-subspace-mrp knows 'alhpa': did you mean 'alpha'?",
    ),
    "an unknown setting of the environment": (
        [*RUN, "env.rnak=1"],
        (
            "neither joint-average-td nor shared-subspace-mrp knows 'env.rnak': did you mean 'env.rank' or "
            "'env.instance' or 'env.heads'?"
        ),
    ),
    "a word for a number": ([*RUN, "alpha=fast"], "joint-average-td: alpha is 'fast'; it should be a number."),
    "a number out of range": ([*RUN, "alpha=-1"], "joint-average-td: alpha is -1; it should be greater than 0."),
    "a number that is not finite": (
        [*RUN, "alpha=inf"],
        "joint-average-td: alpha is inf; it should be a finite number.",
    ),
    "a number that is too long": (
        [*RUN, "env.instance=99999999999999999999"],
        "instance is 99999999999999999999; whole numbers go up to 2**63 - 1.",
    ),
    "a number that another one forbids": (
        [*RUN, "env.rank=9"],
        "shared-subspace-mrp: rank must be at most 8 (features, less one where a constant is kept), got 9.",
    ),
    "a number of agents that does not fit": (
        [*RUN, "--agents", "3"],
        (
            "shared-subspace-mrp: heads=balanced needs the number of distinct processes to be a multiple of rank (2), "
            "got 3. Use heads=gaussian or another number of agents."
        ),
    ),
    "a value that is not closed": (
        [*RUN, "alpha=[1"],
        "'[1' is not a value: use a number, a word, true, false, or a list such as [1, 0, 0].",
    ),
    "a value that would run code": (
        [*RUN, "alpha=!!python/name:os.system"],
        "'!!python/name:os.system' is not a value: use a number, a word, true, false, or a list such as [1, 0, 0].",
    ),
    "no setting": (
        [*RUN, "alpha"],
        "'alpha' is not a setting: write KEY=VALUE, or KEY=V1,V2,… to span values.",
    ),
    "a setting twice": (
        [*RUN, "alpha=1", "alpha=2"],
        "alpha is given twice; to span values write alpha=V1,V2,…",
    ),
    "seeds the wrong way round": (
        [*RUN, "--seeds", "7..0"],
        "seeds is '7..0'; it takes 0..7, a list such as 0,2,5, or one number; each 0 or more, and once.",
    ),
    "negative seeds": (
        [*RUN, "--seeds=-1"],
        "seeds is '-1'; it takes 0..7, a list such as 0,2,5, or one number; each 0 or more, and once.",
    ),
    "a seed that is too long": (
        [*RUN, "--seeds", "99999999999999999999"],
        "seeds is '99999999999999999999'; a sweep takes up to 1000000 of them, each below 2**63.",
    ),
    "too many seeds": (
        [*RUN, "--seeds", "0..99999999999"],
        "seeds is '0..99999999999'; a sweep takes up to 1000000 of them, each below 2**63.",
    ),
    "a name that leads elsewhere": (
        [*RUN, "--name", "a/../../evil"],
        "run: name is 'a/../../evil'; it takes words of letters, digits and ._- with / between them.",
    ),
    "negative rounds": ([*RUN, "--rounds", "-5"], "rounds is -5; it must be a whole number, 0 or more."),
    "no agents an actor": (
        [*RUN, "--agents-per-actor", "0"],
        "agents_per_actor is '0'; it takes auto or a whole number, 1 or more.",
    ),
    "no agents": ([*RUN, "--agents", "0"], "agents is 0; it must be a whole number, 1 or more."),
    "k > n": (
        ["run", "subsample-q", "mode-tracking", "--agents", "5", "k=9"],
        "k is 9; of 5 local agents the global one can see 1 to 5.",
    ),
    "too many processes": (
        [*RUN, "--agents", "100000"],
        (
            "agents_per_actor is 1: 100000 agents need 100000 processes, about 12500.0 GB, and 10.0 GB are free. "
            "It takes 1563 or more here, or auto, which needs no processes for agents."
        ),
    ),
    "too little memory": (
        [*RUN, "--agents", "100000", "--agents-per-actor", "auto", "env.states=1000"],
        (
            "agents is 100000: their environments and messages take about 1924.0 GB, and 10.0 GB are free. "
            "About 415 agents would fit."
        ),
    ),
    "an address where nothing answers": (
        [*RUN, "--address", "127.0.0.1:9"],
        f"address 127.0.0.1:9: nothing answers there (Connection refused). {REACH}",
    ),
    "a job server where nothing answers": (
        ["jobs", "--address", "http://127.0.0.1:9"],
        f"address http://127.0.0.1:9: nothing answers there (Connection refused). {REACH}",
    ),
    "nothing of that name": (
        ["describe", "joint-averag"],
        "Unknown name 'joint-averag': did you mean 'joint-average-q' or 'joint-average-td'?",
    ),
    "no results": (
        ["status"],
        "There are no results in results: run something first, or name the folder that has them (--results).",
    ),
    "results that are not there": (
        ["status", "--results", "/nowhere/at/all"],
        "There are no results in /nowhere/at/all: run something first, or name the folder that has them (--results).",
    ),
    "another folder": (
        ["status", "--results", "other"],
        (
            "other is not a results folder of marl-orchestrator: it has no store.json but holds notes. "
            "Name an empty or a new folder."
        ),
    ),
    "a sweep that was not run": (
        ["report", "mine/smal", "--results", "{results}"],
        "This results folder holds no sweep 'mine/smal': did you mean 'mine/small'?",
    ),
    "SQL that does not parse": (
        ["query", "SELEC 1", "--results", "{results}"],
        'The SQL does not parse: syntax error at or near "SELEC"\n\nLINE 1: SELEC 1\n        ^^^^^',
    ),
    "a column that is not there": (
        ["query", "SELECT agentz FROM runs", "--results", "{results}"],
        (
            'The query names a column "agentz" that is not there.\nCandidate bindings: "agents", "agent_steps", "env", '
            '"gain_step", "algorithm"'
        ),
    ),
    "a table that is not there": (
        ["query", "SELECT * FROM sumary", "--results", "{results}"],
        'The query names a table "sumary" that is not there.\nDid you mean "summary"?',
    ),
    "SQL that writes": (
        ["query", "DROP TABLE runs", "--results", "{results}"],
        (
            "A query is a single reading statement: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN. "
            "Nothing was executed."
        ),
    ),
    "parquet on the screen": (
        ["query", "SELECT 1", "--format", "parquet", "--results", "{results}"],
        "--format parquet needs --output FILE.",
    ),
    "an unknown choice": (
        [*RUN, "--backend", "spark"],
        "--backend is 'spark'; it takes ray, inline. See orchestrator run --help.",
    ),
    "an unknown option": (
        [*RUN, "--sedes", "0"],
        "orchestrator run has no option --sedes: did you mean --seeds? See orchestrator run --help.",
    ),
    "an unknown command": (
        ["reprot", "x"],
        "There is no command 'reprot': did you mean 'report' or 'export'? See orchestrator --help.",
    ),
    "a word too few": (
        ["fingerprint"],
        "orchestrator fingerprint needs SWEEP. See orchestrator fingerprint --help.",
    ),
    "YAML with a slip": (
        ["sweep", "slip.yaml"],
        "slip.yaml is not plain YAML: line 2, column 4: expected ',' or ']', but got ':'.",
    ),
    "a slip in a file's key": (
        ["sweep", "key.yaml"],
        "key.yaml has no parameter 'enw': did you mean 'env'?",
    ),
    "a log of nothing": (
        ["logs", "mine/smal", "--results", "{results}"],
        (
            "{results} holds no sweep and no cell 'mine/smal': did you mean 'mine/small'? "
            "For a job of a cluster give --address."
        ),
    ),
}


@pytest.fixture(scope="module", name="results")
def _results(tmp_path_factory) -> Path:
    """A results folder with the start of a sweep."""
    from orchestrator import run

    place = tmp_path_factory.mktemp("said") / "results"
    run("joint-average-td", "shared-subspace-mrp", agents=2, rounds=0, seeds=0, backend="inline", results=place,
        name="mine/small")  # fmt: skip
    return place


@pytest.mark.parametrize("mistake", SAID)
def test_these_very_words(call, results, tmp_path, monkeypatch, mistake):
    """On stderr, exit code 2, nothing on stdout, nothing made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "free_memory", lambda: 10e9)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("")
    (tmp_path / "slip.yaml").write_text("name: [a\nenv: {name: digital}\n")
    (tmp_path / "key.yaml").write_text("name: a\nenw: {name: digital}\ncases: {a: {algorithm: iql}}\n")
    before = sorted(tmp_path.rglob("*"))
    words, said = SAID[mistake]
    code, out, err = call(*(word.format(results=results) for word in words))
    assert err == said.format(here=tmp_path, results=results) + "\n"
    assert (code, out) == (2, "")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_extra_names_the_command_that_installs_it(call, monkeypatch):
    """Ray's job client comes with an extra, torch with another."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setitem(sys.modules, "ray.job_submission", None)
        code, _, err = call("jobs", "--address", f"http://127.0.0.1:{server.getsockname()[1]}")
    assert (code, err) == (2, "Jobs need Ray's job client: pip install 'marl-orchestrator[cluster]'.\n")


UNDECIDABLE = [
    ({"law": "order", "below": "alone"}, "case joint has 3 cells here"),
    (
        {"law": "power", "versus": "agents", "expect": -1, "within": 0.1},
        "only 3 values of agents in the window; at least 4 are needed",
    ),
    ({"law": "order", "below": "alone", "where": {"agents": 3}}, "no cell of case joint has agents=3"),
    ({"law": "value", "versus": "schedule", "expect": 0, "within": 1, "where": {"agents": 2}}, "not a finite number"),
    ({"law": "power", "versus": "round", "expect": -1, "within": 0.1, "metric": "theta_error_window"}, "has 3 cells"),
]


@pytest.mark.parametrize(("claim", "reason"), UNDECIDABLE)
def test_a_claim_that_no_data_can_decide_is_told_before_anything_runs(call, tmp_path, claim, reason):
    content = {
        "name": "small",
        "env": {"name": "shared-subspace-mrp", "states": 5, "features": 3},
        "cases": {"joint": {"algorithm": "joint-average-td"}, "alone": {"algorithm": "independent-td"}},
        "base": {"rounds": 20},
        "grid": {"agents": [2, 4, 8]},
        "claims": [
            {"name": "told", "case": "joint", "metric": "theta_error_tail"} | claim,
            {"name": "fine", "case": "joint", "metric": "theta_error_tail", "law": "value", "versus": "agents"}
            | {"at_most": 1e3},
        ],
    }
    (tmp_path / "small.yaml").write_text(json.dumps(content))
    code, out, err = call("sweep", str(tmp_path / "small.yaml"), "--dry-run", "--results", str(tmp_path / "r"))
    assert code == 0, err
    assert "48 of 48 replicates to run." in out
    (warning,) = err.splitlines()
    assert warning.startswith("claim 'told' cannot be decided: ")
    assert reason in warning
