"""What an algorithm can say, each checked by hand on a worked coordinator (tests/coordinators)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.graphs import Graph
from orchestrator.core.rounds import Call, Exchange
from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from tests.tools.engine import numbers, rows, run, say, task

HOSTS = [1, 2, 3, 5]


@pytest.mark.parametrize("hosts", HOSTS)
def test_groups_and_concurrent_calls_by_hand(hosts):
    """Two porters with 1 and 2 boxes, five shelves with 0, 10, .. 40; see ``Inventory``."""
    outcome = run(task("shelves", (0,), {"agents": True}, agents=2, rounds=2), hosts)
    found = rows(outcome, 0)
    # Round 1: porters get each other's boxes and 2 * 0.5; shelf j gets its own stock again, less j.
    # porters 1+2+1, 2+1+1; shelves 0, 19, 38, 57, 76; seen = 100 + 76.
    assert [found[1][name] for name in ("porters", "shelves", "last")] == [8.0, 190.0, 76.0 + 176.0]
    # Round 2: porters 4+4+1 twice; shelves 0, 37, 74, 111, 148; seen = 190 + 148.
    assert [found[2][name] for name in ("porters", "shelves", "last")] == [18.0, 370.0, 148.0 + 338.0]
    assert outcome.replicas[0].agents["boxes"].tolist() == [9.0, 9.0]


def test_traffic_of_calls_by_hand():
    """A round of ``Inventory`` with 2 porters and 5 shelves, message by message."""
    traffic = run(task("shelves", agents=2, rounds=3)).replicas[0].traffic
    # Four calls: reports (2 and 5 replies of 8 bytes); receive (to 2: 8 bytes shared and 8 scattered, no reply);
    # move (to 5: 16 bytes scattered, from 5: 8 bytes).
    assert traffic.calls == 3 * 4
    assert traffic.messages == 3 * (2 + 5 + 2 + 5 + 5)
    assert traffic.bytes_sent == 3 * (2 * 8 + 5 * 8 + 2 * (8 + 8) + 5 * 16 + 5 * 8)
    assert traffic.agent_steps == 3 * 2 * 3


@pytest.mark.parametrize("hosts", HOSTS)
@pytest.mark.parametrize(
    ("shape", "kappa", "after"),
    [
        ("line", 0, [1, 2, 3, 4, 5]),
        ("line", 1, [1.5, 2, 3, 4, 4.5]),
        ("line", 2, [2, 2.5, 3, 3.5, 4]),
        ("line", 9, [3, 3, 3, 3, 3]),
        ("ring", 1, [8 / 3, 2, 3, 4, 10 / 3]),
        ("tree", 1, [2, 3, 2, 3, 3.5]),
    ],
)
def test_neighbourhood_means_by_hand(shape, kappa, after, hosts):
    """x = 1..5. The tree is 0-1, 0-2, 1-3, 1-4."""
    of = task("gossip", (0,), {"agents": True}, agents=5, rounds=1, shape=shape, kappa=kappa)
    assert run(of, hosts).replicas[0].agents["x"].tolist() == after


@pytest.mark.parametrize(
    ("shape", "kappa", "edges"),
    [
        ("line", 1, 8),  # 1 + 2 + 2 + 2 + 1
        ("line", 2, 14),  # 2 + 3 + 4 + 3 + 2
        ("ring", 1, 10),
        ("ring", 2, 20),
        ("ring", 7, 20),  # everybody reached: five rows along four edges each
        ("tree", 1, 8),  # degrees 2 + 3 + 1 + 1 + 1
        ("tree", 2, 16),  # 0 and 1 reach all four others, 2 reaches 0 and 1, 3 and 4 reach each other, 1 and 0
        ("tree", 3, 20),
        ("line", 0, 0),
    ],
)
def test_exchange_is_charged_edge_by_edge(shape, kappa, edges):
    traffic = run(task("gossip", agents=5, rounds=2, shape=shape, kappa=kappa)).replicas[0].traffic
    assert (traffic.calls, traffic.messages, traffic.bytes_sent) == (2, 2 * edges, 2 * edges * 8)
    assert traffic.agent_steps == 2 * 5


def test_what_is_sensed_is_charged_to_nobody():
    """Sent, scattered or replied, an array counts unless it is named; sending nothing else is no message."""
    of, amount = task("shelves", agents=2), np.zeros(2)
    sent = {"shared": {"bonus": amount[:1]}, "scattered": {"amount": amount}}

    def cost(call):
        (_,), replica = say(of, InlineFleet(1), call)
        assert not replica.error
        return replica.traffic.calls, replica.traffic.messages, replica.traffic.bytes_sent

    assert cost(Call("receive", **sent)) == (1, 2, 2 * (8 + 8))
    assert cost(Call("receive", **sent, sensed=("bonus",))) == (1, 2, 2 * 8)
    assert cost(Call("receive", **sent, sensed=("amount",))) == (1, 2, 2 * 8)
    assert cost(Call("receive", **sent, sensed=("bonus", "amount"))) == (1, 0, 0)
    of = task("gossip", agents=3)
    assert cost(Call("say")) == (1, 3, 3 * 8)
    assert cost(Call("say", sensed=("y",))) == (1, 3, 3 * 8)
    assert cost(Call("say", sensed=("x",))) == (1, 0, 0)


def test_rows_of_neighbours_are_charged_whatever_is_sensed():
    """``peek`` also replies; a line of three has four directed edges of 8 bytes."""
    of, line = task("gossip", agents=3), Graph(3, [(0, 1), (1, 2)])
    (reply,), replica = say(of, InlineFleet(1), Exchange("say", "peek", line))
    replied = sum(array.nbytes for array in reply.values())
    assert replied > 0
    assert (replica.traffic.messages, replica.traffic.bytes_sent) == (4 + 3, 4 * 8 + replied)
    (_,), replica = say(of, InlineFleet(1), Exchange("say", "peek", line, sensed=("x", *reply)))
    assert (replica.traffic.messages, replica.traffic.bytes_sent) == (4, 4 * 8)


@given(
    n=st.integers(1, 9),
    edges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=14),
    kappa=st.integers(0, 4),
    hosts=st.integers(1, 9),
    poisoned=st.sets(st.integers(0, 8)),
)
@settings(max_examples=60, deadline=None)
def test_no_row_beyond_kappa_reaches_a_block(n, edges, kappa, hosts, poisoned):
    """Members of the poisoned set send NaN: a block holds exactly the rows within reach of its members, no other."""
    graph = Graph(n, [(i % n, j % n) for i, j in edges])
    distance = _distances(graph)
    poisoned = {p % n for p in poisoned}
    fleet, of = InlineFleet(hosts), task("gossip", agents=n)
    fleet.load(of, None)
    for host in fleet.hosts:
        for block in host.blocks.values():
            for member in poisoned & set(block.members):
                block.x[member - block.members.start] = np.nan  # pyright: ignore[reportAttributeAccessIssue]
    (reply,), replica = say(of, fleet, Exchange("say", "peek", graph, kappa), fresh=False)
    assert not replica.error
    for block in (block for host in fleet.hosts for block in host.blocks.values()):
        reach = {j for i in block.members for j in range(n) if distance[i, j] <= kappa}
        for i in block.members:
            assert reply["held"][i] == len(reach)
            assert reply["poisoned"][i] == len(reach & poisoned)
            mine = [j for j in range(n) if distance[i, j] <= kappa]
            assert np.isnan(reply["sum"][i]) == bool(poisoned & set(mine))
            if not poisoned & set(mine):
                assert reply["sum"][i] == sum(j + 1 for j in mine)


@given(
    n=st.integers(1, 9),
    edges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=14),
    kappa=st.integers(0, 4),
    hosts=st.integers(1, 9),
)
@settings(max_examples=40, deadline=None)
def test_letters_reach_their_member_alone(n, edges, kappa, hosts):
    """Each member gets one letter from everyone within reach, charged for every edge of the way."""
    graph = Graph(n, [(i % n, j % n) for i, j in edges])
    distance = _distances(graph)
    near = [[j for j in range(n) if distance[i, j] <= kappa] for i in range(n)]
    exchange = Exchange("write", "open", graph, kappa, addressed=("letters",), sensed=("got",))
    (reply,), replica = say(task("gossip", agents=n), InlineFleet(hosts), exchange)
    assert not replica.error
    for i in range(n):
        expected = [100 * j + near[j].index(i) for j in near[i]]
        np.testing.assert_array_equal(reply["got"][i, : len(expected)], expected)
        assert np.isnan(reply["got"][i, len(expected) :]).all()
    way = int(distance[distance <= kappa].sum())
    words = sum(len(row) - 1 for row in near)
    assert (replica.traffic.messages, replica.traffic.bytes_sent) == (way, 8 * (way + words))


def _distances(graph: Graph) -> np.ndarray:
    """All distances by Floyd and Warshall, inf where there is no path."""
    n = graph.n
    d = np.where(np.eye(n) > 0, 0.0, np.inf)
    for i in range(n):
        d[i, graph.neighbours(i)] = np.minimum(d[i, graph.neighbours(i)], 1)
    for k in range(n):
        d = np.minimum(d, d[:, k : k + 1] + d[k])
    return d


def test_a_graph_refuses_strangers_and_negative_radii():
    with pytest.raises(UserError, match=r"edge \(0, 3\).*members are 0\.\.2"):
        Graph(3, [(0, 3)])
    with pytest.raises(UserError, match="hops is -1"):
        Graph(3, []).within(-1)


def test_phases_and_stopping_by_hand():
    """One agent, x = seed + 1, doubles to 100 or more and then pays 1 twice: 128 - 2 after 7 + 2 rounds for seed 0."""
    of = task("doubling", (0, 1, 6, 200), {"every": 4, "per_decade": 1}, agents=1, rounds=20)
    outcome = run(of)
    ended = {r.seed: (r.status, r.coordinator.completed, r.traffic.calls) for r in outcome.replicas}
    assert ended == {0: ("done", 9, 9), 1: ("done", 8, 8), 6: ("done", 6, 6), 200: ("done", 3, 3)}
    # Recorded rounds: 0, 1, 10 and 20, as far as a seed comes, and where it stops.
    assert {r: row["sum"] for r, row in rows(outcome, 0).items()} == {0: 1.0, 1: 2.0, 9: 126.0}
    assert {r: row["sum"] for r, row in rows(outcome, 6).items()} == {0: 7.0, 1: 14.0, 6: 110.0}
    assert {r: row["sum"] for r, row in rows(outcome, 200).items()} == {0: 201.0, 1: 402.0, 3: 400.0}


def test_a_seed_may_stop_as_it_starts_nothing():
    """Done in the very round that ends the first phase, when there is nothing to pay."""
    outcome = run(task("doubling", (0, 200), agents=1, rounds=5, payments=0))
    assert {r.seed: r.coordinator.completed for r in outcome.replicas} == {0: 5, 200: 1}


@pytest.mark.parametrize("fuse", [True, False])
def test_measure_draws_without_touching_the_state(fuse):
    """``Drift`` looks through noise: a look costs nothing and changes no step, however often it is taken."""
    every = run(task("drift", (0,), {"every": 1, "per_decade": 2}, agents=3, rounds=60), fuse=fuse)
    rare = run(task("drift", (0,), {"every": 60, "per_decade": 2}, agents=3, rounds=60), fuse=fuse)
    often, seldom = rows(every, 0), rows(rare, 0)
    assert often.keys() == seldom.keys() == {0, 1, 3, 10, 32, 60}
    for t, row in often.items():
        for key in ("centre", "looked", "dice", "bytes_sent", "agent_steps"):
            assert row[key] == seldom[t][key]
    assert len({row["dice"] for row in often.values()}) == len(often)


def test_leap_is_taken_and_costs_what_rounds_cost():
    """With everyone in one inline block, all but the first round are fused; two hosts cannot fuse."""
    of = task("drift", (0, 1), agents=4, rounds=50)
    counted = []
    for fuse, hosts in ((True, 1), (False, 1), (True, 2)):
        fleet = _Counting(hosts)
        outcome = run_on(of, fleet, fuse)
        counted.append((fleet.walks, numbers(outcome)))
    assert [walks for walks, _ in counted] == [2 * 1, 2 * 50, 2 * 50]
    assert counted[0][1] == counted[1][1] == counted[2][1]


class _Counting(InlineFleet):
    """Counts how often members are asked to walk."""

    walks = 0

    def call(self, requests):
        self.walks += sum(request.method == "walk" for request in requests)
        return super().call(requests)


def run_on(of, fleet, fuse):
    from orchestrator.running.drive import run_task

    return run_task(of, fleet, fuse=fuse)


def test_what_is_sent_and_replied_is_read_only():
    (reply,), _ = say(task("gossip", agents=3), InlineFleet(2), Call("say"))
    with pytest.raises(ValueError, match="read-only"):
        reply["x"][0] = 7.0
    fleet = InlineFleet(1)
    amount = np.zeros(2)
    replies, replica = say(
        task("shelves", agents=2), fleet, Call("receive", shared={"bonus": amount[:1]}, scattered={"amount": amount})
    )
    assert replies == [None]
    assert not replica.error
    amount[:] = 9.0  # the members' boxes are copies of what was sent, not views
    assert fleet.states()[0, "agents"]["boxes"].tolist() == [1.0, 2.0]


def test_a_reply_does_not_change_with_the_next_step():
    (before, _, after), _ = say(
        task("drift", agents=2),
        InlineFleet(1),
        Call("where"),
        Call("walk", shared={"centre": np.zeros(1), "pull": 0.5}),
        Call("where"),
    )
    assert (before["x"] != after["x"]).all()


@pytest.mark.parametrize("hosts", HOSTS)
def test_rounds_and_measurements_may_be_plain_functions(hosts):
    """x <- x / 2 + 1; rounds 3 and 6 also call. Two seeds speak side by side, one row per round."""
    of = task("lonely", (0, 4), {"every": 1, "agents": True}, agents=2, rounds=6)
    outcome = run(of, hosts)
    assert [replica.status for replica in outcome.replicas] == ["done", "done"]
    assert [row["x"] for row in rows(outcome, 0).values()][:4] == [0.0, 1.0, 1.5, 1.75]
    assert [row["x"] for row in rows(outcome, 4).values()][:4] == [4.0, 3.0, 2.5, 2.25]
    assert outcome.replicas[0].agents["place"].tolist() == [0.0, 1.0]
    traffic = outcome.replicas[1].traffic
    assert (traffic.calls, traffic.messages, traffic.bytes_sent, traffic.agent_steps) == (2, 0, 0, 2 * 2)


def test_a_bare_yield_is_no_call():
    replies, replica = say(task("gossip", agents=3), InlineFleet(1), None)
    assert replies == []
    assert "a coordinator yields Call, Exchange or a tuple of them, not NoneType" in replica.error


@pytest.mark.parametrize("hosts", [1, 3])
def test_seeds_share_an_environments_arrays_and_leave_the_environment_alone(hosts, monkeypatch):
    of = task("gossip", (0, 1), agents=3, rounds=2)
    places, built = type(of.coordinator(0).problem), []
    block = places.block
    monkeypatch.setattr(places, "block", lambda self, members: built.append(members) or block(self, members))
    outcome = run(of, hosts)
    assert built == {1: [range(3)], 3: [range(1), range(1, 2), range(2, 3)]}[hosts]
    assert set(vars(outcome.replicas[0].coordinator.problem)) <= {"parameters", "agents", "instance"}
