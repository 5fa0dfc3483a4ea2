"""Communication graphs: every name by hand at small sizes, and what all graphs have in common."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.graphs import Graph, check_graph_name, named_graph
from orchestrator.errors import UserError
from orchestrator.plugins import references, registry

SHAPES = ("complete", "ring", "line", "grid", "tree")


def edges(graph: Graph) -> set[str]:
    """The edges as words such as 0-1, the lower member first."""
    return {f"{i}-{j}" for i in range(graph.n) for j in graph.neighbours(i).tolist() if i < j}


def degrees(graph: Graph) -> list[int]:
    return [len(graph.neighbours(i)) for i in range(graph.n)]


def connected(graph: Graph) -> bool:
    """Whether every member is within n - 1 edges of every other."""
    return len(graph.within(graph.n)[1]) == graph.n**2


BY_HAND = [
    ("complete", 4, "0-1 0-2 0-3 1-2 1-3 2-3"),
    ("ring", 5, "0-1 1-2 2-3 3-4 0-4"),
    ("ring", 3, "0-1 1-2 0-2"),
    ("ring", 2, "0-1"),
    ("line", 4, "0-1 1-2 2-3"),
    ("grid", 4, "0-1 2-3 0-2 1-3"),
    ("grid", 5, "0-1 1-2 3-4 0-3 1-4"),  # rows 0 1 2 and 3 4
    ("grid", 7, "0-1 1-2 3-4 4-5 0-3 1-4 2-5 3-6"),  # rows 0 1 2, 3 4 5 and 6
    ("tree", 6, "0-1 0-2 1-3 1-4 2-5"),
    ("regular:0", 3, ""),
    ("regular:1", 4, "0-2 1-3"),
    ("regular:2", 5, "0-1 1-2 2-3 3-4 0-4"),
    ("regular:3", 6, "0-1 1-2 2-3 3-4 4-5 0-5 0-3 1-4 2-5"),
    ("regular:4", 6, "0-1 1-2 2-3 3-4 4-5 0-5 0-2 1-3 2-4 3-5 0-4 1-5"),
    ("regular:4", 5, "0-1 0-2 0-3 0-4 1-2 1-3 1-4 2-3 2-4 3-4"),
    ("0-1", 2, "0-1"),
    ("2-0 1 - 3; 3-1", 4, "0-2 1-3"),
    ("1-1 0-1", 3, "0-1"),
]


@pytest.mark.parametrize(("name", "n", "expected"), BY_HAND, ids=[f"{name}-{n}" for name, n, _ in BY_HAND])
def test_edges_by_hand(name, n, expected):
    assert edges(named_graph(name, n)) == set(expected.split())


@pytest.mark.parametrize("name", [*SHAPES, "regular:0"])
def test_one_member_has_nobody(name):
    assert degrees(named_graph(name, 1)) == [0]


@pytest.mark.parametrize("n", [2, 3, 5, 8, 9, 16])
@pytest.mark.parametrize("name", SHAPES)
def test_the_named_shapes_are_connected(name, n):
    assert connected(named_graph(name, n))


def test_degrees():
    assert degrees(named_graph("complete", 6)) == [5] * 6
    assert degrees(named_graph("ring", 6)) == [2] * 6
    assert degrees(named_graph("line", 5)) == [1, 2, 2, 2, 1]
    assert degrees(named_graph("grid", 9)) == [2, 3, 2, 3, 4, 3, 2, 3, 2]
    assert degrees(named_graph("tree", 7)) == [2, 3, 3, 1, 1, 1, 1]
    for degree in range(8):
        assert degrees(named_graph(f"regular:{degree}", 8)) == [degree] * 8
    for degree in (0, 2, 4, 6):
        assert degrees(named_graph(f"regular:{degree}", 7)) == [degree] * 7


def test_edges_alone_may_leave_members_apart():
    graph = named_graph("0-1 2-3", 5)
    assert not connected(graph)
    assert degrees(graph) == [1, 1, 1, 1, 0]
    indptr, indices = graph.within(9)
    reached = [indices[first:last].tolist() for first, last in itertools.pairwise(indptr)]
    assert reached == [[0, 1], [0, 1], [2, 3], [2, 3], [4]]


def test_laplacian_by_hand():
    expected = [[1, -1, 0, 0], [-1, 3, -1, -1], [0, -1, 2, -1], [0, -1, -1, 2]]
    np.testing.assert_array_equal(named_graph("0-1 1-2 1-3 2-3", 4).laplacian(), expected)


@given(st.integers(1, 9), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_neighbours_are_mutual_sorted_and_others(n, pairs):
    graph = Graph(n, [(i % n, j % n) for i, j in pairs])
    expected = {(i % n, j % n) for i, j in pairs if i % n != j % n}
    for i in range(n):
        near = graph.neighbours(i).tolist()
        assert near == sorted({b for a, b in expected if a == i} | {a for a, b in expected if b == i})
    laplacian = graph.laplacian()
    np.testing.assert_array_equal(laplacian.sum(axis=1), 0)
    np.testing.assert_array_equal(laplacian, laplacian.T)
    assert np.linalg.eigvalsh(laplacian).min() > -1e-12


def test_messages_of_an_exchange_are_the_directed_edges():
    for name in (*SHAPES, "regular:3", "0-1 2-3"):
        graph = named_graph(name, 8)
        assert graph.deliveries(1) == sum(degrees(graph)) == 2 * len(edges(graph))


@pytest.mark.parametrize(
    "name",
    ["star", "", "Ring", "ring ", "regular", "regular:", "regular:-2", "regular:2.5", "0-", "0-1,1-2", "0-1-2", "-1-2"],
)
def test_other_names_are_refused_with_those_there_are(name):
    for refuse in (check_graph_name, lambda name: named_graph(name, 4)):
        with pytest.raises(ValueError, match=r"it takes complete, ring, line, grid, tree, regular:K .* edges such as"):
            refuse(name)


@pytest.mark.parametrize(
    ("name", "n", "sentence"),
    [
        ("regular:4", 4, "graph is regular:4; 4 members can have degrees below 4."),
        ("regular:3", 5, "graph is regular:3; 5 members can have degrees below 5, even ones only."),
        ("0-1 1-4", 4, "graph: edge (1, 4) names an unknown member; members are 0..3."),
    ],
)
def test_what_does_not_fit_the_members_is_told(name, n, sentence):
    assert check_graph_name(name) == name  # it reads well: only the members are too few
    with pytest.raises(UserError) as told:
        named_graph(name, n)
    assert str(told.value) == sentence


def test_a_seeded_random_graph_is_the_same_everywhere():
    """The pairs in order, one draw each: 53 bits of PCG64 seeded by SeedSequence. Bits of these never change."""
    graph = named_graph("erdos-renyi:p=0.3:seed=1", 6)
    draws = iter(np.random.PCG64(np.random.SeedSequence(1)).random_raw(15))
    pairs = itertools.combinations(range(6), 2)
    assert edges(graph) == {f"{i}-{j}" for i, j in pairs if (int(next(draws)) >> 11) / 2**53 < 0.3}
    assert edges(graph) == {"0-3", "2-3"}  # members 1, 4 and 5 are alone
    assert edges(named_graph("erdos-renyi:p=0.3:seed=2", 6)) != edges(graph)
    assert edges(named_graph("erdos-renyi:p=0:seed=1", 5)) == set()
    assert len(edges(named_graph("erdos-renyi:p=1:seed=1", 5))) == 10
    assert edges(named_graph("erdos-renyi:p=1:seed=1", 1)) == set()


def test_a_seeded_random_graph_has_one_name():
    assert check_graph_name("erdos-renyi:seed=1:p=0.30") == "erdos-renyi:p=0.3:seed=1"


@pytest.mark.parametrize(
    "name", ["erdos-renyi:p=2:seed=1", "erdos-renyi:p=0.3", "erdos-renyi:p=0.3:seed=-1", "erdos-renyi:p=0.3:seed=1.5",
             "erdos-renyi:p=true:seed=1", "erdos-renyi:p=0.3:seed=1:k=2", "erdos-renyi:p=0.3:p=0.3:seed=1",
             "erdos-renyi:p=nan:seed=0"],
)  # fmt: skip
def test_a_seeded_random_graph_takes_a_probability_and_a_seed(name):
    with pytest.raises(ValueError, match=r"erdos-renyi takes p=P:seed=S|given twice"):
        check_graph_name(name)


def test_a_plug_in_graph_has_arguments(tmp_path, monkeypatch):
    """They are keyword arguments of the class, part of the identity, and pinned as they are written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "class Ring:\n    version = 1\n    def __init__(self, k=1, closed=True): self.k, self.closed = k, closed\n"
        "    def edges(self, n): return [(i, (i + self.k) % n) for i in range(n if self.closed else n - self.k)]\n"
    )
    name = check_graph_name("./own.py:Ring:k=2:closed=false")
    pin = references.parts(references.pinned("./own.py:Ring"))[2]
    assert name == f"{tmp_path}/own.py:Ring@{pin}:closed=false:k=2"
    assert check_graph_name(name) == name
    assert edges(named_graph(name, 5)) == {"0-2", "1-3", "2-4"}
    assert references.placeless(f"graph {name}") == f"graph Ring@{pin}:closed=false:k=2"
    assert references.within(f"a {name} b") == [name]
    assert references.located("./own.py:Ring:k=2") == f"{tmp_path}/own.py:Ring:k=2"
    with pytest.raises(ValueError, match="Ring does not take these arguments: got an unexpected keyword argument 'j'"):
        check_graph_name("./own.py:Ring:j=2")
    with pytest.raises(UserError, match="graph Ring: edges"):
        named_graph("./own.py:Ring:k=two", 5)


def test_only_graphs_have_arguments():
    with pytest.raises(UserError, match="only graphs have arguments after their name; write settings as KEY=VALUE"):
        registry.algorithm("./own.py:Mine:alpha=2")
