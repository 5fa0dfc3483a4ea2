"""Utilities and graphs of the user's own: what they are part of, and how mistakes in them are told."""

import pytest

from orchestrator.core.graphs import named_graph
from orchestrator.errors import UserError
from orchestrator.planning.cells import make_cell
from orchestrator.planning.sweeps import checked
from orchestrator.planning.tasks import Task
from orchestrator.plugins import references, registry

SOURCE = """
class Same:
    version = 1
    def value(self, x): return float((x**2).sum())
    def gradient(self, x): return 2 * x

class Half(Same):
    def gradient(self, x): return x

class Short(Same):
    def value(self, x): return x[7]

class Ring:
    version = 1
    def edges(self, n): return [(i, (i + 1) % n) for i in range(n)]

class Stranger(Ring):
    def edges(self, n): return [(0, n)]

class Alone(Ring):
    def edges(self, n): return [3]

class Slip(Ring):
    def edges(self, n): return [] / n

number = 7
"""
SPG, VOTERS = "shadow-policy-gradient", "voter-network"


@pytest.fixture
def there(tmp_path, monkeypatch):
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "own.py").write_text(SOURCE)
    monkeypatch.chdir(folder)
    return folder


def cell(utilities="./own.py:Same", graph="./own.py:Ring"):
    return make_cell(SPG, VOTERS, {"agents": 4, "rounds": 1, "utilities": utilities, "env.graph": graph})


def test_ids_and_columns_follow_the_contents_not_the_place(there):
    first = cell()
    (there / "copy.py").write_text(SOURCE)
    assert cell("./copy.py:Same", f"{there}/copy.py:Ring").id == first.id
    assert cell("entropy ./own.py:Same").id != first.id
    assert first.id != cell(graph="ring").id
    shown = first.columns()
    hash_ = references.pinned("own.py:Same").rpartition("@")[2]
    assert (shown["utilities"], shown["env_graph"]) == (f"Same@{hash_}", f"Ring@{hash_}")
    assert cell("linear ./own.py:Same entropy").columns()["utilities"] == f"linear Same@{hash_} entropy"
    (there / "own.py").write_text(SOURCE + "\n")
    assert cell().id != first.id
    with pytest.raises(UserError, match=r"own\.py was edited after this sweep was planned"):
        references.sources_of(there / "own.py", hash_)  # what a process that starts now would read


def test_a_sweep_ships_pins_and_claims_them(there):
    content = {
        "name": "s",
        "env": {"name": VOTERS, "graph": "./own.py:Ring"},
        "cases": {"a": {"algorithm": SPG}},
        "base": {"agents": 4, "rounds": 1},
        "grid": {"utilities": ["entropy ./own.py:Same", "linear"]},
        "claims": [
            {"name": "c", "case": "a", "metric": "utility_tail", "law": "value", "expect": 0, "within": 1,
             "where": {"utilities": "entropy ./own.py:Same"}}
        ],
    }  # fmt: skip
    sweep = checked(content, "s")
    pin = references.pinned("own.py:Same").rpartition("@")[2]
    assert sweep.plugins == {f"{there}/own.py:Ring@{pin}", f"{there}/own.py:Same@{pin}"}
    assert sweep.checked_claims[0].where == {"utilities": sweep.cells[0][1].columns()["utilities"]}
    pinned = sweep.pinned()
    assert pinned.env["graph"] == f"{there}/own.py:Ring@{pin}"
    assert pinned.grid["utilities"] == [f"entropy {there}/own.py:Same@{pin}", "linear"]
    again = checked(pinned.model_dump(mode="json"), "s")
    assert [c.id for _, c in again.cells] == [c.id for _, c in sweep.cells]
    assert again.checked_claims == sweep.checked_claims
    assert sweep.located().grid["utilities"][0] == f"entropy {there}/own.py:Same"


def test_the_own_ring_is_the_ring(there):
    assert named_graph("./own.py:Ring", 5).indices.tolist() == named_graph("ring", 5).indices.tolist()


MISTAKES = [
    ({"utilities": "./none.py:Same"}, "Cannot read"),
    ({"utilities": "./own.py:Sam"}, "own.py has no 'Sam': did you mean 'Same'"),
    ({"utilities": "./own.py:Ring"}, "own.py:Ring is not a utility: it lacks value, gradient."),
    ({"utilities": "./own.py:number"}, "own.py:number is not a class. A utility is a class with version, value(x) and"),
    ({"utilities": "./own.py:Half"}, "utility Half: the gradient at entry (0, 0) is 0.25; differences give 0.5."),
    ({"utilities": "./own.py:Short"}, "utility Short: for occupancies of shape (2, 2) IndexError"),
    ({"utilities": "entropyy"}, "utilities is 'entropyy'; it takes names with spaces between"),
    ({"graph": "./own.py:Same"}, "own.py:Same is not a graph: it lacks edges. A graph is a class with"),
    ({"graph": "./own.py:Stranger"}, "edge (0, 4) names an unknown member; members are 0..3."),
    ({"graph": "./own.py:Alone"}, "graph Alone: edges(4) must give pairs of members 0..3"),
    ({"graph": "./own.py:Slip"}, "graph Slip: edges(4) must give pairs of members 0..3"),
    ({"graph": "rng"}, "env.graph is 'rng'; it takes complete, ring"),
]


@pytest.mark.parametrize(("given", "sentence"), MISTAKES, ids=[sentence[:40] for _, sentence in MISTAKES])
def test_mistakes_are_told(there, given, sentence):
    with pytest.raises(UserError) as refusal:
        _ = Task(cell(**given), (0,)).outlook
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_own_constraint_is_checked_as_well(there):
    own = make_cell("shadow-primal-dual", VOTERS, {"agents": 4, "constraint": "./own.py:Half"})
    with pytest.raises(UserError, match="utility Half: the gradient at entry"):
        _ = Task(own, (0,)).outlook


def test_what_an_algorithm_left_to_write_is_named(there):
    (there / "bare.py").write_text(
        "from orchestrator.core import Coordinator\nclass Bare(Coordinator):\n    name = 'b'\n"
    )
    with pytest.raises(
        UserError, match=r"bare\.py:Bare is not an algorithm: it lacks Parameters, kinds, metrics, blocks, round"
    ):
        registry.algorithm("./bare.py:Bare")
    with pytest.raises(UserError, match=r"name the class in it as well: \./bare\.py:Name"):
        registry.algorithm("./bare.py")
    assert registry.find("./own.py:Ring")[0] == "graph"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("entropy linear", ["entropy", "linear"]),
        ("entropy ./a b/own.py:Same linear", ["entropy", "./a b/own.py:Same", "linear"]),
        ("own.py:Same ./b.py:C", ["own.py:Same", "./b.py:C"]),
        ("/x y/a.py:B@0123456789abcdef c", ["/x y/a.py:B@0123456789abcdef", "c"]),
        ("", []),
    ],
)
def test_references_among_words(text, words):
    assert references.words(text) == words


def test_an_environment_without_the_base_class_is_told_to_use_it(there):
    (there / "bare.py").write_text("class Bare:\n    name, kind, version = 'b', 'k', 1\n")
    with pytest.raises(UserError) as error:
        registry.environment("./bare.py:Bare")
    assert str(error.value) == (
        "bare.py:Bare is not an environment: it lacks Parameters, faces, block, memory, warnings, portrait."
        " An environment is a subclass of orchestrator.core.Environment with name, kind and Parameters"
        " (docs/extending.md)."
    )
    with pytest.raises(UserError, match=r"bare\.py:Bare is not an algorithm, environment, utility, graph or wrapper\."):
        registry.find("./bare.py:Bare")
