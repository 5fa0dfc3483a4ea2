"""What a cell is, what its id depends on, and what a sweep file may say."""

import math
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, create_model

from orchestrator.commands import options
from orchestrator.core.calls import Traffic
from orchestrator.core.parameters import Parameters
from orchestrator.errors import UserError
from orchestrator.planning import plain_yaml, preflight
from orchestrator.planning.batches import batches, effort, missing, units
from orchestrator.planning.cells import Record, make_cell, reserved_columns, validated
from orchestrator.planning.plain_yaml import parse_value
from orchestrator.planning.plan import Plan, plan
from orchestrator.planning.preflight import Node
from orchestrator.planning.seeds import parse_seeds
from orchestrator.planning.sweeps import adhoc, checked, load, overridden, read_packing
from orchestrator.planning.tasks import Task
from orchestrator.plugins import registry
from orchestrator.running.recorder import Recorder, record_rounds
from orchestrator.store.schema import TABLES
from tests.tools.engine import ROOT, WORKED, numbers, run, task

JOINT, MRP = "joint-average-td", "shared-subspace-mrp"


def cell(algorithm=JOINT, environment=MRP, record=None, **settings):
    return make_cell(algorithm, environment, {key.replace("__", "."): value for key, value in settings.items()}, record)


# The id.


def test_the_id_leaves_defaults_out():
    base = cell(agents=4)
    assert re.fullmatch("[0-9a-f]{16}", base.id)
    same = [
        cell(agents=4, alpha=0.1, beta=0.1, local_steps=1, env__states=20, env__gamma=0.8, rounds=1000),
        cell(agents=4.0, rounds=1e3),
        cell(agents=4, record={"every": "auto", "per_decade": 8, "agents": False}),
        cell(agents=4, record={"every": 1}),  # what auto comes to for 1000 rounds
    ]
    assert {other.id for other in same} == {base.id}


def test_the_id_depends_on_all_that_makes_numbers():
    cells = [
        cell(agents=4),
        cell(agents=6),
        cell(agents=4, alpha=0.2),
        cell(agents=4, rounds=999),
        cell(agents=4, env__states=21),
        cell(agents=4, env__instance=1),
        cell(agents=4, env__instance="seed"),
        cell(agents=4, record={"every": 2}),
        cell(agents=4, record={"per_decade": 9}),
        cell(agents=4, record={"agents": True}),
        cell("pfedtd-rep", agents=4),
    ]
    assert len({c.id for c in cells}) == len(cells)


def test_the_id_is_what_it_was(monkeypatch):
    """Pinned: another hash would make every stored replicate look missing. Change it only with a new store format.

    A new version of an algorithm or environment is meant to change it: here they have their first.
    """
    for found in (registry.algorithm(JOINT), registry.environment(MRP)):
        monkeypatch.setattr(found, "version", 1)
    assert cell(agents=4, alpha=0.2, env__states=10, rounds=500).id == "b47df61cb6399a72"


@pytest.mark.parametrize("which", [JOINT, MRP])
def test_a_new_version_is_another_cell(which, monkeypatch):
    before = cell(agents=4).id
    found = registry.algorithm(which) if which == JOINT else registry.environment(which)
    monkeypatch.setattr(found, "version", found.version + 1)
    assert cell(agents=4).id != before


def test_a_new_parameter_with_a_default_renames_nothing():
    """Tried on a registered class with a further field: the id stays, and so does every stored replicate."""
    found = registry.algorithm(JOINT)
    before, wider = found.Parameters, create_model("Wider", __base__=found.Parameters, novelty=(int, Field(3)))
    expected = cell(agents=4).id
    try:
        found.Parameters = wider
        assert cell(agents=4).id == expected
        assert cell(agents=4, novelty=4).id != expected
    finally:
        found.Parameters = before


def test_a_plugin_s_id_follows_its_contents_not_its_path(tmp_path, monkeypatch):
    source = Path(WORKED["drift"][0].rpartition(":")[0]).read_text()
    (tmp_path / "a.py").write_text(source)
    (tmp_path / "b.py").write_text(source)

    def of(name: str):
        return make_cell(f"{name}:Drift", f"{name}:Line", {"rounds": 5})

    monkeypatch.chdir(tmp_path)
    first = of("./a.py")
    assert Path(first.algorithm.rpartition(":")[0]).is_absolute()
    assert of(str(tmp_path / "b.py")).id == first.id
    before = numbers(run(Task(first, (0,))))
    (tmp_path / "a.py").write_text(source.replace("x[i, 0] += pull", "x[i, 0] += 2 * pull"))
    edited = of("./a.py")
    assert edited.id != first.id
    assert numbers(run(Task(edited, (0,)))) != before, "the edited file's old code ran"


def test_seeds_placement_and_claims_are_no_part_of_the_id():
    content = sweep_of()
    base = checked(content, "s")
    claim = {"name": "c", "case": "joint", "metric": "theta_error_tail", "law": "value", "expect": 0, "within": 1}
    others = [{"seeds": "3..9"}, {"placement": {"agents_per_actor": 1}}, {"claims": [claim]}, {"name": "other"}]
    for change in others:
        assert checked(content | change, "s").cells == base.cells
    assert {c.id for _, c in checked(content | {"record": {"every": 7}}, "s").cells}.isdisjoint(
        c.id for _, c in base.cells
    )


def test_reserved_names_are_the_tables_columns():
    """A parameter may not be called like a column that ``runs``, ``metrics`` or ``members`` have already."""
    columns = {column for table in ("runs", "metrics", "members") for column in TABLES[table].columns}
    assert columns - {"written"} <= reserved_columns()


# Sweep files.


def sweep_of(**changes):
    content = {
        "name": "s",
        "env": {"name": MRP, "states": 10},
        "cases": {"joint": {"algorithm": JOINT}, "alone": {"algorithm": "independent-td"}},
        "base": {"rounds": 10, "beta": 0.2},
        "grid": {"agents": [2, 4], "alpha": [0.1, 0.2]},
        "seeds": "0..1",
    }
    return content | changes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("-1.", -1.0), ("+2", 2), ("010", 10), ("0", 0), ("-7", -7),
        ("inf", math.inf), ("-inf", -math.inf), (".inf", math.inf), ("on", "on"), ("off", "off"), ("yes", "yes"),
        ("no", "no"), ("y", "y"), ("true", True), ("False", False), ("null", None), ("~", None), ("0x10", "0x10"),
        ("1_000", "1_000"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("auto", "auto"), ("'3'", "3"),
        ("nan", "nan"), ("e5", "e5"), ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_yaml_scalars(text, value):
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


LISTS = {
    "2,4,8": [2, 4, 8],
    "[64,64]": [[64, 64]],
    "[64,64],[32]": [[64, 64], [32]],
    '{"a": [1, 2], "b": 1e-3}': [{"a": [1, 2], "b": 1e-3}],
    "[\"a,b\", 'c]'],d": [["a,b", "c]"], "d"],
    "[]": [[]],
    "1-2 0-1": ["1-2 0-1"],
}


@pytest.mark.parametrize(("text", "expected"), LISTS.items(), ids=list(LISTS))
def test_values_of_the_command_line(text, expected):
    assert options.values(text) == expected


@pytest.mark.parametrize("text", ["[1", "{a", "[1]]", "*a", "!!python/name:os.system"])
def test_broken_values_of_the_command_line(text):
    with pytest.raises(UserError, match="is not a value: use a number, a word, true, false, or a list"):
        options.values(text)


def test_yaml_merge_keys(tmp_path):
    """What several mappings share is written once; a mapping's own keys count more."""
    (tmp_path / "s.yaml").write_text(
        "base: &shared {alpha: 0.1, rounds: 5}\n"
        "more: {<<: *shared, alpha: 0.2}\n"
        "both: {<<: [{a: 1}, {a: 2, b: 3}], c: 4}\n"
    )
    assert plain_yaml.read(tmp_path / "s.yaml") == {
        "base": {"alpha": 0.1, "rounds": 5},
        "more": {"alpha": 0.2, "rounds": 5},
        "both": {"a": 1, "b": 3, "c": 4},
    }
    (tmp_path / "s.yaml").write_text("more: {<<: {a: 1}, b: 2, b: 3}\n")
    with pytest.raises(UserError, match="'b' appears twice"):
        plain_yaml.read(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text("more: {<<: 3}\n")
    with pytest.raises(UserError, match="is not plain YAML"):
        plain_yaml.read(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    "attack",
    [
        "!!python/object/apply:os.system ['touch {}']",
        "!!python/object/new:os.system ['touch {}']",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{}']",
    ],
)
def test_a_yaml_file_cannot_execute_code(tmp_path, attack):
    trace = tmp_path / "trace"
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\nbase: " + attack.format(trace) + "\n")
    said = r"bad\.yaml is not plain YAML: line 2, column 7: could not determine a constructor"
    with pytest.raises(UserError, match=said):
        load(str(path))
    assert not trace.exists()


@pytest.mark.parametrize("text", ["1: 2", "cases: {a: {grid: {1: [2]}}}", "x: !!int abc", "x: !!timestamp 2001-99-99"])
def test_yaml_that_is_no_plain_data_is_a_sentence(tmp_path, text):
    (tmp_path / "odd.yaml").write_text(f"name: odd\n{text}\n")
    with pytest.raises(UserError, match=r"^odd\.yaml is not plain YAML: "):
        load(str(tmp_path / "odd.yaml"))


def test_cells_of_a_sweep():
    """Cases take what they know: ``beta`` does not reach the one that has no map. The grid is a product, zip is not."""
    cells = checked(sweep_of(), "s").cells
    assert [(case, c.agents, c.parameters["alpha"]) for case, c in cells] == [
        (case, n, alpha) for case in ("joint", "alone") for n in (2, 4) for alpha in (0.1, 0.2)
    ]
    assert all(c.parameters["beta"] == 0.2 for case, c in cells if case == "joint")
    assert all("beta" not in c.parameters for case, c in cells if case == "alone")
    zipped = checked(sweep_of(grid={"agents": [2]}, zip={"alpha": [0.1, 0.2], "env.states": [10, 12]}), "s").cells
    assert [(c.parameters["alpha"], c.environment_parameters["states"]) for case, c in zipped if case == "joint"] == [
        (0.1, 10),
        (0.2, 12),
    ]


def test_overrides_set_and_span():
    base = checked(sweep_of(), "s")
    assert {c.agents for _, c in overridden(base, {"agents": [8]}).cells} == {8}
    assert {c.agents for _, c in overridden(base, {"agents": [2, 8, 16]}, "0..2").cells} == {2, 8, 16}
    assert overridden(base, {}, "4").seeds == (4,)


def test_a_cell_that_two_grid_points_name_is_there_once():
    assert len(checked(sweep_of(grid={"agents": [2, 2, 2.0]}), "s").cells) == 2


SUBSPACE = "subspace_error_tail"
claim_of = {"name": "c", "case": "joint", "metric": "theta_error_tail", "law": "value", "expect": 0, "within": 1}

#: What is wrong with a sweep file -> the sentence says.
WRONG = [
    ({"cases": {"a": {"algorithm": "joint-averge-td"}}}, "'joint-averge-td': did you mean 'joint-average-td'"),
    ({"cases": {"a": {"algorithm": 5}}}, "case 'a' names no algorithm"),
    ({"cases": {"a": {"algorithm": JOINT, "env": 5}}}, "cases.a.env is 5; it takes key: value"),
    ({"cases": {"a": {"algorithm": JOINT, "grid": {"alpha": 5}}}}, "cases.a.grid.alpha is 5; it takes a list"),
    ({"cases": {"a": {"algorithm": JOINT, "alpa": 5}}}, "joint-average-td has no parameter 'alpa'"),
    ({"cases": {"a": 5}}, "cases.a is 5"),
    ({"env": {"name": 5}}, "env names no environment"),
    ({"base": {"rounds": math.inf}}, "rounds is inf; it must be a whole number, 0 or more"),
    ({"grid": {"agents": [math.nan]}}, "agents is nan; it must be a whole number, 1 or more"),
    ({"cases": {"a": {}}}, "case 'a' names no algorithm"),
    ({"cases": {}}, "cases is {}"),
    ({"env": {"name": "shared-subspce-mrp"}}, "'shared-subspce-mrp': did you mean 'shared-subspace-mrp'"),
    ({"env": {"states": 4}}, "env names no environment"),
    ({"env": {"name": MRP, "stats": 5}}, "has no parameter 'env.stats': did you mean 'env.states'"),
    ({"env": {"name": MRP, "rank": 9}}, "rank must be at most 8"),
    ({"env": {"name": MRP, "states": "many"}}, "env.states is 'many'; it should be a whole number"),
    ({"env": {"name": "shared-subspace-mdp"}}, "an environment of kind linear-mrp, such as shared-subspace-mrp"),
    ({"base": {"alpa": 0.1}}, "no case knows 'alpa': did you mean 'alpha'"),
    ({"grid": {"alpha": [-1]}}, "alpha is -1; it should be greater than 0"),
    ({"base": {"rounds": 1.5}}, "rounds is 1.5; it must be a whole number, 0 or more"),
    ({"base": {"schedule": "powr"}}, "schedule is 'powr'; it should be 'constant' or 'power'"),
    ({"grid": {"agents": [0]}}, "agents is 0; it must be a whole number, 1 or more"),
    ({"grid": {"agents": [3]}}, "to be a multiple of rank (2), got 3"),
    ({"grid": {"agents": []}}, "grid.agents is []; it takes a list of one or more values"),
    ({"grid": {"agents": 4}}, "grid.agents is 4; it takes a list"),
    ({"grid": [1]}, "grid is [1]; it takes key: [values]"),
    ({"zip": {"agents": [2, 4]}, "grid": {"agents": [2]}}, "'agents' is in grid and in zip. Use one of them."),
    ({"base": {"beta": True}}, "beta is true; it takes a number"),
    ({"name": "a b"}, "name is 'a b'; it takes words of letters, digits and ._- with / between them."),
    ({"zip": {"alpha": [0.1, 0.2], "beta": [0.1]}}, "the lists in zip differ in length: {'alpha': 2, 'beta': 1}"),
    ({"seeds": "-1..3"}, "seeds is '-1..3'; it takes 0..7, a list such as 0,2,5, or one number; each 0 or more"),
    ({"seeds": [-1]}, "seeds is [-1]"),
    ({"seeds": []}, "seeds is []"),
    ({"record": {"evry": 1}}, "record has no parameter 'record.evry': did you mean 'record.every'"),
    ({"record": {"every": 0}}, "record.every is 0"),
    ({"placement": {"agents_per_actor": 0}}, "agents_per_actor is 0; it takes auto or a whole number, 1 or more"),
    ({"placement": {"agents_per_actor": "all"}}, "placement.agents_per_actor is 'all'; it should be a whole number"),
    ({"name": "a b"}, "name is 'a b'"),
    ({"clams": []}, "has no parameter 'clams': did you mean 'claims'"),
    ({"claims": [claim_of | {"case": "jont"}]}, "claim 'c' names the unknown case 'jont': did you mean 'joint'"),
    ({"claims": [claim_of | {"metric": "theta_eror_tail"}]}, "of case 'joint': did you mean 'theta_error_tail'"),
    ({"claims": [claim_of | {"case": "alone", "metric": SUBSPACE}]}, "'subspace_error_tail' of case 'alone'"),
    ({"claims": [claim_of | {"where": {"alpa": 1}}]}, "unknown key 'alpa': did you mean 'alpha'"),
    ({"claims": [claim_of, claim_of]}, "two claims have the same name"),
]  # fmt: skip


def plan_of(change: dict) -> Plan:
    sweep = checked(sweep_of(**change), "s")
    sweep.check()
    return plan(sweep, None, "inline", None)


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=[sentence[:40] for _, sentence in WRONG])
def test_mistakes_in_a_sweep_are_told(change, sentence):
    """Everything that can be told before the first round is told by planning: checks, cells, claims, packing."""
    with pytest.raises(UserError) as told:
        plan_of(change)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


class Corner(Parameters):
    x: int


class Shape(Parameters):
    bounds: dict[str, list[int] | int] = {}
    corner: Corner | list[Corner] | None = None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"bounds": {"int": "z"}},
            "shape: bounds.int is 'z'; it should be a valid list or it should be a whole number.",
        ),
        (
            {"bounds": {"k": ["q"]}},
            "shape: bounds.k.0 is 'q'; it should be a whole number. bounds.k is ['q']; it should",
        ),
        (
            {"corner": {"x": "q"}},
            "shape: corner.x is 'q'; it should be a whole number. corner is {'x': 'q'}; it should",
        ),
        ({"corner": [{}]}, "corner.0.x is missing."),
    ],
)
def test_a_mistake_in_a_union_is_told_by_the_path_of_the_input(values, sentence):
    """Pydantic also names the member of the union that it tried, which is not a field."""
    with pytest.raises(UserError) as told:
        validated(Shape, values, "shape")
    assert sentence in str(told.value)


def test_mistakes_in_names_of_sweeps_and_files(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"Unknown sweep 'shared-representation/nothing'"):
        load("shared-representation/nothing")
    with pytest.raises(UserError, match=r"There is no sweep file nowhere\.yaml"):
        load("nowhere.yaml")
    for content, sentence in (("- 1", "is not a sweep"), ("{", "is not plain YAML"), ("name: s", "cases is missing")):
        (tmp_path / "s.yaml").write_text(content)
        with pytest.raises(UserError, match=sentence):
            load(str(tmp_path / "s.yaml"))
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is not plain YAML"):
        load(str(tmp_path / "s.yaml"))


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("./none.py:A", "Cannot read"),
        ("./broken.py:A", "cannot be imported: ZeroDivisionError"),
        ("./empty.py:A", "empty.py has no 'A': known: none"),
    ],
)
def test_mistakes_in_plugin_files(tmp_path, monkeypatch, reference, sentence):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "empty.py").write_text("\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=sentence):
        registry.algorithm(reference)


def test_a_folder_of_the_user_s_that_shadows_ours_is_named(tmp_path):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").touch()
    program = "from orchestrator.plugins import registry; registry.environment('windy-cliff')"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert f"Python finds {tmp_path / 'envs'} where this program's package 'envs' should be" in done.stderr


@pytest.mark.parametrize(
    ("given", "seeds"),
    [("0..3", (0, 1, 2, 3)), ("5", (5,)), (7, (7,)), ("0, 2,5", (0, 2, 5)), ([3, 1], (3, 1)), (" 4 .. 4 ", (4,))],
)
def test_seeds(given, seeds):
    assert parse_seeds(given) == seeds


@pytest.mark.parametrize("given", ["3..1", "a", "", -1, 1.5, True, [0, 0], [True], "0,-2", None, {}, "1...3"])
def test_seeds_refused(given):
    with pytest.raises(UserError, match=r"it takes 0\.\.7, a list such as"):
        parse_seeds(given)


@pytest.mark.parametrize("given", [0, -1, 1.5, True, "0", "none", None, "-3"])
def test_packings_refused(given):
    with pytest.raises(UserError, match="it takes auto or a whole number, 1 or more"):
        read_packing(given)


def test_packings():
    assert [read_packing(given) for given in ("auto", 1, "16")] == ["auto", 1, 16]


def test_adhoc_is_a_sweep_of_one_case():
    found = adhoc(JOINT, MRP, {"agents": [2, 4], "rounds": [7]}, "0..1", None, 1)
    assert found.name == f"run/{JOINT}"
    assert [(case, c.agents, c.rounds) for case, c in found.cells] == [(JOINT, 2, 7), (JOINT, 4, 7)]


# Before anything starts.


def test_preflight_by_hand():
    """32 agents one by one: 32 processes of 125 MB, 1000 rounds x 1 call x 1.2 ms x 32."""
    of = Task(cell(agents=32, rounds=1000), (0, 1))
    found = preflight.check_fits(of, 1, memory=8e9)
    assert (found.actors, found.memory, found.calls) == (32, pytest.approx(4e9), pytest.approx(38.4))
    assert preflight.check_fits(of, 5, memory=1.1e9).actors == 7
    assert preflight.check_fits(of, None, memory=1e9).actors == 0
    with pytest.raises(
        UserError,
        match=r"agents is 32: their environments and messages take .* Not even one would fit",
    ):
        preflight.check_fits(of, None, memory=1e4)


@pytest.mark.parametrize("per_actor", [None, 1, 3, 50])
@pytest.mark.parametrize("gigabytes", [0.1, 0.5, 2.0, 64.0])
@pytest.mark.parametrize("strategy", ["pack", "spread"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_is_admitted_finds_room_on_empty_nodes(per_actor, gigabytes, strategy, count):
    """Otherwise its trial would wait for ever."""
    from orchestrator.cluster.trial import bundles

    nodes = [Node(str(k), "", {"CPU": 4, "memory": (gigabytes + k) * 1e9}) for k in range(count)]
    for agents in (2, 4, 16, 64, 256):
        given = {"agents": [agents], "rounds": [7], "env.states": [200]}
        definition = adhoc(JOINT, MRP, given, "0..3", None, per_actor or "auto")
        try:
            planned = plan(definition.placed(strategy, None), None, "ray", None, nodes=nodes)
        except UserError:
            continue
        batch = units(planned.tasks, planned.agents_per_actor, range(4))
        found = bundles(batch, planned.sweep.placement, nodes, planned.environments).bundles
        assert 1 <= len(found) <= max(1, count)
        assert sum(bundle.get("CPU", 0) for bundle in found) == 1
        assert all(bundle.get("memory", 0) <= 0.8 * gigabytes * 1e9 for bundle in found)


@pytest.mark.parametrize("agents", [30, 32, 1000])
@pytest.mark.parametrize("gigabytes", [0.3, 1.0, 3.0])
def test_preflight_names_a_packing_that_fits(agents, gigabytes):
    of = Task(cell(agents=agents), (0,))
    with pytest.raises(UserError, match=f"agents_per_actor is 1: {agents} agents need {agents} processes") as told:
        preflight.check_fits(of, 1, gigabytes * 1e9)
    named = re.search(r"It takes (\d+) or more here, or auto", str(told.value))
    assert named
    preflight.check_fits(of, int(named[1]), gigabytes * 1e9)
    with pytest.raises(UserError):
        preflight.check_fits(of, int(named[1]) - 1, gigabytes * 1e9)


def test_planning_refuses_what_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "free_memory", lambda: 1e9)
    definition = adhoc(JOINT, MRP, {"agents": [64], "rounds": [7]}, "0", None, 1)
    with pytest.raises(UserError, match=r"64 agents need 64 processes, about 8\.0 GB, and 1\.0 GB are free"):
        plan(definition, None, "ray", None)
    assert plan(definition, None, "inline", None).total == 1
    assert plan(definition, None, "ray", "auto").total == 1
    with pytest.raises(UserError, match="backend is 'cluster'; it takes ray or inline"):
        plan(definition, None, "cluster", None)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("needs", "sentence"),
    [
        (
            {"cpu": 1, "gpu": 1},
            "1 CPU and 1 GPU, and the cluster has only nodes with 2 CPU and 0.5 GPU; 8 CPU and 0 GPU.",
        ),
        ({"cpu": 4, "gpu": 0.5}, "4 CPU and 0.5 GPU, and the cluster has only nodes with 2 CPU and 0.5 GPU; 8 CPU and"),
        ({"cpu": 16}, "16 CPU, and the cluster has only nodes with 2 CPU; 8 CPU."),
        ({"cpu": 2, "gpu": 0.5}, None),
    ],
)
def test_planning_refuses_resources_that_no_node_has(monkeypatch, needs, sentence):
    """Ray would keep the trial waiting for ever."""
    monkeypatch.setattr(registry.algorithm(JOINT), "resources", classmethod(lambda cls, parameters: needs))
    sizes = [
        {"CPU": 8.0, "memory": 4e9},
        {"CPU": 2.0, "GPU": 0.5, "memory": 4e9},
        {"CPU": 2.0, "GPU": 0.5, "memory": 8e9},
    ]
    nodes = [Node(str(k), "", size) for k, size in enumerate(sizes)]
    definition = adhoc(JOINT, MRP, {"agents": [4], "rounds": [7]}, "0", None, "auto")
    assert plan(definition, None, "ray", None, nodes=[]).total == 1  # no worker yet: nobody knows what it will have
    assert plan(definition, None, "inline", None, nodes=nodes).total == 1
    if sentence is None:
        assert plan(definition, None, "ray", None, nodes=nodes).total == 1
    else:
        with pytest.raises(UserError, match=re.escape(f"{JOINT} needs a node with {sentence}")):
            plan(definition, None, "ray", None, nodes=nodes)


# What is missing, and how it is cut.


def test_missing_replicates():
    a, b = cell(agents=2), cell(agents=4)
    held = {(a.id, 0): "done", (a.id, 1): "failed", (b.id, 2): "diverged"}

    def left(**options):
        return [(t.cell.agents, t.seeds) for t in missing([a, b, a], (0, 1, 2), held, **options)]

    assert left() == [(2, (2,)), (4, (0, 1))]
    assert left(retry_failed=True) == [(2, (1, 2)), (4, (0, 1))]


@pytest.mark.parametrize("per_actor", [None, 1])
@pytest.mark.parametrize("slots", [1, 2, 7])
def test_batches_hold_every_replicate_once(per_actor, slots):
    tasks = [Task(cell(agents=n, rounds=rounds), tuple(range(5))) for n in (2, 8) for rounds in (0, 10, 10**5)]
    cut = batches(units(tasks, per_actor, range(5)), slots)
    found = [(unit.task.cell.id, seed) for batch in cut for unit in batch for seed in unit.task.seeds]
    assert sorted(found) == sorted((t.cell.id, seed) for t in tasks for seed in t.seeds)
    assert all(cut)


@pytest.mark.parametrize("per_actor", [None, 1])
def test_what_is_left_is_cut_as_the_whole_was(per_actor):
    """A checkpoint is named after a unit's seeds, so units must not depend on what is finished already."""
    whole = Task(cell(agents=2, rounds=10**6), tuple(range(8)))
    assert 20 < effort(whole, None) < 30
    first = [unit.task.seeds for unit in units([whole], per_actor, range(8))]
    left = Task(whole.cell, tuple(seed for seed in range(8) if seed not in first[0]))
    assert [unit.task.seeds for unit in units([left], per_actor, range(8)) if left.seeds] == first[1:]
    assert len(first) == (3 if per_actor is None else 1)


# What is recorded when.


def test_recorded_rounds_by_hand():
    assert record_rounds(100, 2) == [0, 1, 3, 10, 32, 100]
    assert record_rounds(0, 8) == [0]
    assert record_rounds(1, 8) == [0, 1]
    assert record_rounds(50, 1) == [0, 1, 10, 50]


def test_windows_tail_and_final_by_hand():
    """Measured every round up to 10 with the value t * t: windows between rows, tail over rounds 5..10."""
    recorder = Recorder(Record(every=1, per_decade=2, agents=False), 10)
    for t in range(11):
        assert recorder.due(t)
        assert recorder.add(t, Traffic(agent_steps=3 * t, bytes_sent=8 * t), {"m": float(t * t)}) == ""
    found = {row["round"]: (row["window"], row["m"], row["m_window"], row["agent_steps"]) for row in recorder.rows()}
    assert found == {
        0: (1, 0.0, 0.0, 0),
        1: (1, 1.0, 1.0, 3),
        3: (2, 9.0, 6.5, 9),
        10: (7, 100.0, (16 + 25 + 36 + 49 + 64 + 81 + 100) / 7, 30),
    }
    assert recorder.summary() == {"m_final": 100.0, "m_tail": (25 + 36 + 49 + 64 + 81 + 100) / 6}


def test_a_metric_that_is_not_defined_yet_is_null():
    """The return of an episode, before the first one has ended: None, or a NaN as long as it was never a number."""
    recorder = Recorder(Record(every=1, per_decade=100, agents=False), 4)
    for t, (a, b) in enumerate([(math.nan, None), (math.nan, 1.0), (3.0, None), (None, 2.0), (5.0, 4.0)]):
        assert recorder.add(t, Traffic(), {"a": a, "b": b}) == ""
    copy = Recorder(Record(every=1, per_decade=100, agents=False), 4)
    copy.load(recorder.state())
    for one in (recorder, copy):
        assert [(row["a"], row["b"]) for row in one.rows()] == [(None, None), (None, 1), (3, None), (None, 2), (5, 4)]
        assert one.summary() == {"a_final": 5.0, "b_final": 4.0, "a_tail": 4.0, "b_tail": 3.0}
        assert one.add(5, Traffic(), {"a": math.nan, "b": 1.0}) == "a"  # it was a number: now it diverged
        assert one.add(6, Traffic(), {"a": None, "b": math.inf}) == "b"


def test_means_are_over_the_records_at_which_a_metric_is_defined():
    recorder = Recorder(Record(every=1, per_decade=1, agents=False), 10)
    for t in range(11):
        recorder.add(t, Traffic(), {"m": float(t) if t % 2 else None})
    assert [(row["round"], row["m"], row["m_window"]) for row in recorder.rows()] == [
        (0, None, None),
        (1, 1, 1),
        (10, None, 6),
    ]


@pytest.mark.parametrize(("rounds", "every"), [(100, 7), (1000, 1000), (37, 1), (5, 9)])
def test_next_due_is_the_first_due(rounds, every):
    recorder = Recorder(Record(every=every, per_decade=3, agents=False), rounds)
    for t in range(rounds):
        assert recorder.next_due(t) == next(s for s in range(t + 1, rounds + 1) if recorder.due(s) or s == rounds)


def test_a_task_travels_as_plain_data():
    """A cell reaches another process without classes that only this one has loaded (plug-ins)."""
    of = task("market", (0, 3), agents=3, rounds=4)
    expected = numbers(run(of))  # its models and problems are built by now
    program = (
        f"import os, pickle, sys; of = pickle.load(sys.stdin.buffer); os.chdir({str(ROOT)!r}); "
        "from tests.tools.engine import numbers, run; print(numbers(run(of)))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(of), capture_output=True, cwd="/")
    assert done.stdout.decode().strip() == str(expected), done.stderr.decode()
