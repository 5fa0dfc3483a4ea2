"""Whatever an author's own code does, its replicate fails or the plan is refused: no traceback, no exit code 0."""

import pytest

from orchestrator import Results
from orchestrator.errors import UserError
from orchestrator.execution import execute
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.plan import plan
from orchestrator.planning.sweeps import adhoc
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task
from tests.tools.coordinators.hooks import ARGUMENTS, ENDS
from tests.tools.engine import COORDINATORS

HOOKS = COORDINATORS / "hooks.py"
NAMES = f"{HOOKS}:Hooks", f"{HOOKS}:Quiet"
#: Hooks of a seed's own, and what they answer that is no answer.
OF_SEED = (
    "block start", "block state", "member", "cautions", "warnings", "groups", "blocks", "start", "state", "round",
    "measure", "measure_agents",
)  # fmt: skip


def outcome(where: str, how: str = "exit", hosts: int = 1):
    spans = {"agents": [2], "rounds": [3], "where": [where], "how": [how]}
    sweep = adhoc(*NAMES, spans, "0..2", None, "auto", {"agents": True})
    ((_, cell),) = sweep.cells
    return run_task(Task(cell, (0, 1, 2)), InlineFleet(hosts))


def states(ended) -> list[str]:
    return [replica.status for replica in ended.replicas]


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("where", OF_SEED)
def test_a_seed_whose_hook_ends_has_failed_and_the_others_go_on(where, how):
    ended = outcome(where, how)
    assert states(ended) == ["done", "failed", "done"]
    assert ended.replicas[1].error.startswith(ENDS[how])
    ended.replicas[1].error.encode()  # it can be stored


@pytest.mark.parametrize("hosts", [1, 2])
@pytest.mark.parametrize("what", ARGUMENTS)
def test_arguments_of_a_call_that_make_no_sense_fail_their_seed(what, hosts):
    ended = outcome(what, hosts=hosts)
    assert states(ended) == ["done", "failed", "done"]
    assert ended.replicas[1].error.startswith(ARGUMENTS[what][1])


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no blocks", "TypeError: blocks() gives the group 'agents' a type; it takes a subclass of Block"),
        ("other groups", "ValueError: groups() is {'agents': 3} for this seed and {'agents': 2} for another"),
        ("done", "ValueError: The truth value of an array"),
        ("no state", "TypeError: state() returned 5; it takes a dict of names and values"),
        ("no name", "TypeError: state() names a value 5; it takes a word"),
        ("a stream", "TypeError: the state 'x' holds a tuple_iterator; a state is made of arrays"),
    ],
)
def test_answers_that_are_none_fail_their_seed(what, said):
    ended = outcome(what)
    assert states(ended) == ["done", "failed", "done"]
    assert ended.replicas[1].error.startswith(said)


def planned(where: str, how: str = "exit", **more):
    spans = {"agents": [2], "rounds": [3], "where": [where], "how": [how], **{k: [v] for k, v in more.items()}}
    sweep = adhoc(*NAMES, spans, "0..2", None, "auto")
    return plan(sweep, None, "inline", None)


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize(
    "where", ["metrics_for", "calls_per_round", "planned warnings"],
)  # fmt: skip
def test_a_hook_that_ends_while_planning_refuses_the_plan(where, how):
    with pytest.raises(UserError, match=r"hooks|quiet"):
        planned(where, how)


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize(
    "where", ["environment", "identity", "memory", "environment warnings", "portrait", "no picture"]
)
def test_a_hook_of_the_environment_that_ends_refuses_the_plan(where, how):
    with pytest.raises(UserError, match="quiet"):
        planned("", **{"env.where": where, "env.how": how})


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("no metrics", "hooks: metrics_for() failed: TypeError: it takes a tuple of names of metrics"),
        ("no sentences", "TypeError: warnings() holds 5; it takes sentences"),
        ("no calls", "TypeError: calls_per_round() is nan; it takes a finite number, 0 or more"),
        ("many", "groups() gives 'agents' 1000000000 members; a group has 1 to 10000000"),
        ("none", "groups() gives 'agents' 0 members"),
        ("half", "TypeError: groups() gives 'agents' the size 1.5; it takes a whole number"),
        ("word", "TypeError: groups() gives 'agents' the size 'two'; it takes a whole number"),
        ("a list", "TypeError: groups() returned a list; it takes a dict of names and sizes"),
    ],
)
def test_answers_that_are_none_refuse_the_plan(where, said):
    with pytest.raises(UserError) as error:
        planned(where)
    assert said in str(error.value)


@pytest.mark.parametrize("where", ["steps_per_round", "no steps", "resources", "no resources"])
def test_what_is_asked_to_balance_work_is_refused_in_a_sentence(where):
    task = planned(where).tasks[0]
    from orchestrator.planning.batches import batches, effort, units

    balance = (lambda: effort(task, None)) if "steps" in where else (lambda: batches(units([task], 1, (0,)), 2))
    with pytest.raises(UserError, match="hooks: "):
        balance()


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", 1j, "\ud800", [["deep", {3}]]])
def test_parameters_that_are_not_plain_data_are_refused(value):
    said = r"hooks: value holds .*; a parameter is made of numbers, words|holds a character that no text can have"
    with pytest.raises(UserError, match=said):
        planned("", value=value)


def test_a_default_that_does_not_fit_its_own_type_is_refused():
    with pytest.raises(UserError, match=r"^misfit: speed is 1\.0; it should be a valid tuple\.$"):
        adhoc(f"{HOOKS}:Misfit", NAMES[1], {"agents": [2]}, 0, None, "auto")
    adhoc(f"{HOOKS}:Misfit", NAMES[1], {"agents": [2], "speed": [[1, 2]]}, 0, None, "auto")
    with pytest.raises(UserError, match=r"^imaginary: speed holds a complex; a parameter is made of numbers, words"):
        adhoc(f"{HOOKS}:Imaginary", NAMES[1], {"agents": [2]}, 0, None, "auto")


def test_so_many_agents_are_refused():
    with pytest.raises(UserError, match="agents is 1000000000; it takes up to 10000000"):
        adhoc(*NAMES, {"agents": [10**9]}, 0, None, "auto")


def test_the_command_exits_with_1_and_stores_the_failure(call, tmp_path):
    where = ["--backend", "inline", "--results", str(tmp_path / "r"), "--name", "t"]
    code, _, err = call("run", *NAMES, "where=round", "--rounds", "3", "--seeds", "0..2", *where)
    assert code == 1
    assert "1 replicate failed" in err
    assert "Traceback" not in err
    assert Results(tmp_path / "r").status_rows("t")[0]["failed"] == 1


def test_a_file_that_ends_the_program_when_imported_is_refused(call, tmp_path):
    (tmp_path / "own.py").write_text("import sys\nsys.exit(0)\n")
    code, _, err = call("run", f"{tmp_path}/own.py:A", "windy-cliff", "--results", str(tmp_path / "r"))
    assert (code, "cannot be imported: SystemExit: 0." in err) == (2, True)


def test_an_error_that_no_seed_is_to_blame_for_fails_its_cell_alone(tmp_path, monkeypatch):
    """For instance numbers that no column can hold: the next cell runs."""
    from orchestrator.progress.lines import Progress
    from orchestrator.progress.tally import Tally
    from orchestrator.running import inline
    from orchestrator.store import Store

    real = inline.tables

    def tables(task, *rest):
        if task.cell.agents == 2:
            raise OverflowError("too large")
        return real(task, *rest)

    monkeypatch.setattr(inline, "tables", tables)
    sweep = adhoc(*NAMES, {"agents": [2, 3], "rounds": [2]}, 0, "t", "auto")
    of = plan(sweep, None, "inline", None)
    store = Store.open(tmp_path / "r", create=True)
    cells = {task.cell.id: task.seeds for task in of.tasks}
    tally = Tally({"a": list(cells)}, cells, dict.fromkeys(cells, 1.0))
    with Progress("t", tally, 0, 2, True) as progress:
        execute(of, store, "inline", None, progress)
    rows = Results(tmp_path / "r").sql("SELECT agents, status, error FROM runs ORDER BY agents").to_dict("records")
    assert [row["status"] for row in rows] == ["failed", "done"]
    assert rows[0]["error"].startswith("OverflowError: too large")


MOVE = "os.chdir('/')"
#: Where a plug-in's code moves to another folder -> the rest of its file.
MOVED = {
    "import": f"{MOVE}\nOwn = hooks.Hooks\n",
    "planning": f"class Own(hooks.Hooks):\n    def cautions(self):\n        {MOVE}\n        return []\n",
    "metrics": f"""
class Own(hooks.Hooks):
    @classmethod
    def metrics_for(cls, *given):
        {MOVE}
        return ("nothing",)
""",
    "running": f"class Own(hooks.Hooks):\n    def measure(self):\n        {MOVE}\n        return {{'nothing': 0.0}}\n",
}


@pytest.mark.parametrize("where", MOVED)
def test_code_that_moves_to_another_folder_moves_no_results(call, tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(f"import os\nfrom tests.tools.coordinators import hooks\n{MOVED[where]}")
    own = ("--rounds", "2", "--seeds", "0", "--backend", "inline", "--name", "t")
    code, _, err = call("run", "./own.py:Own", NAMES[1], *own)
    assert code == 0, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.py", "results"]
    assert (tmp_path / "results" / "logs" / "t.log").exists()
