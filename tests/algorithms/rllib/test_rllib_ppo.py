"""RLlib's PPO as a baseline: its numbers are exact returns, resumed runs go on, and nothing is imported too early."""

import importlib
import importlib.util
import os
import pickle
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from orchestrator import Results
from orchestrator.core.declared import assign
from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.plugins import registry
from orchestrator.running.checkpoint import pack, unpack
from orchestrator.running.drive import run_task
from orchestrator.running.rows import tables

pytestmark = pytest.mark.slow  # RLlib and torch take a minute to load, sample and learn

TINY = {"train_batch_size": 60, "minibatch_size": 30, "epochs": 2, "env__limit": 10, "rounds": 2}
SMALL = ("env.size=3", "env.limit=10", "train_batch_size=60", "minibatch_size=30", "epochs=2", "--rounds", "2")
ON = {
    "landmarks": {"agents": 3, "env__size": 3},
    "navigation": {"agents": 4, "env__size": 3},
    "blocker": {"agents": 3, "env__columns": 4, "env__rows": 3, "share_policy": True},
}


def of(env="landmarks", seeds=(0, 1), **settings):
    given = {name.replace("__", "."): value for name, value in (TINY | ON[env] | settings).items()}
    return Task(make_cell("rllib-ppo", env, given, {"every": 1, "per_decade": 100, "agents": True}), seeds)


def run(of_task) -> dict[int, Any]:
    return {replica.seed: replica for replica in run_task(of_task, InlineFleet()).replicas}


def started(of_task) -> Any:
    coordinator = of_task.coordinator(of_task.seeds[0])
    coordinator.start()
    return coordinator


def numbers(replica):
    return repr((replica.recorder.rows(), replica.traffic, {k: v.tolist() for k, v in replica.agents.items()}))


def weights(coordinator):
    return pack(coordinator.state())


@pytest.mark.parametrize("env", ON)
def test_runs_and_measures_exact_returns(env):
    replicas = run(of(env))
    for replica in replicas.values():
        assert (replica.status, replica.error) == ("done", "")
        last, problem = replica.recorder.rows()[-1], replica.coordinator.problem
        expected = problem.returns(replica.coordinator.trainer.tables())
        assert last["return"] == expected.mean()
        assert last["return_gap"] == problem.best_return - last["return"] >= 0
        np.testing.assert_array_equal(replica.agents["return"], expected)
        agents, rounds = ON[env]["agents"], 2
        assert rounds * TINY["train_batch_size"] <= replica.traffic.agent_steps
        # RLlib's runner takes a few steps more than it is asked for; every one is counted.
        assert replica.traffic.agent_steps <= 1.1 * rounds * TINY["train_batch_size"] * agents
        assert (replica.traffic.calls, replica.traffic.messages, replica.traffic.bytes_sent) == (2, 0, 0)
    assert weights(replicas[0].coordinator) != weights(replicas[1].coordinator)


def test_the_same_seed_gives_the_same_numbers_whatever_runs_beside_it():
    both, alone = run(of()), run(of(seeds=(1,)))
    assert numbers(both[1]) == numbers(alone[1])
    assert numbers(both[0]) != numbers(both[1])
    assert weights(both[1].coordinator) == weights(alone[1].coordinator)


def test_global_streams_are_left_as_they_were():
    importlib.import_module("algorithms.rllib.trainer")  # RLlib draws while it is imported
    before = pickle.dumps((random.getstate(), np.random.get_state()))  # noqa: NPY002
    run(of(seeds=(0,)))
    assert pickle.dumps((random.getstate(), np.random.get_state())) == before  # noqa: NPY002


def steps(coordinator, count):
    for _ in range(count):
        list(coordinator.round())
        assign(coordinator, "completed", coordinator.completed + 1)
    return coordinator


def test_a_packed_state_goes_on_as_if_nothing_had_happened():
    whole = steps(started(of()), 1)
    saved = pack(whole.state())
    other = steps(started(of(seeds=(1,))), 1)
    other.load(unpack(saved))
    assert weights(other) == saved
    resumed = started(of())
    resumed.load(unpack(saved))
    assign(resumed, "completed", 1)
    assert weights(steps(resumed, 1)) == weights(steps(whole, 1)) != saved


def test_inputs_are_what_an_agent_sees():
    from algorithms.rllib.trainer import encodings

    problem = of("landmarks").coordinator(0).problem
    own, shared = encodings(problem, False), encodings(problem, True)
    for i in range(3):
        assert own[i].shape == (27, 12)
        assert (own[i][:, 3 * i : 3 * i + 3] == 0).all()  # agent i does not see coordinate i
        assert (own[i].sum(axis=1) == 3).all()
        assert len(np.unique(own[i], axis=0)) == 27
        np.testing.assert_array_equal(shared[i], np.hstack([own[i], np.tile(np.eye(3)[i], (27, 1))]))
    x, y = own[3 - 1][27 - 1].reshape(4, 3)[[0, 3]]  # the last row of a table: every seen coordinate at its largest
    assert (x.tolist(), y.tolist()) == ([0, 0, 1], [0, 0, 1])


def test_the_face_pays_what_returns_promise():
    """Episodes played by the greedy policies through the encoded environment average to the exact return."""
    from algorithms.rllib.trainer import Encoded

    coordinator = started(of())
    problem, trainer = coordinator.problem, coordinator.trainer
    table, env = trainer.tables(), Encoded(problem, trainer.inputs)
    total, played = np.zeros(3), 400
    for k in range(played):
        env.begin = k
        seen, _ = env.reset()
        while seen:
            rows = {a: int((trainer.inputs[a] == code).all(axis=1).argmax()) for a, code in seen.items()}
            acts = {a: int(table[a, row].argmax()) for a, row in rows.items()}
            observed, rewards, ended, cut, _ = env.step(acts)
            for a, reward in rewards.items():
                total[a] += reward
            seen = {a: code for a, code in observed.items() if not (ended[a] or cut[a])}
    np.testing.assert_allclose(total / played, problem.returns(table), atol=4 * 0.6 / played**0.5)


def test_it_learns():
    settings = {"agents": 2, "env__size": 3, "env__limit": 20, "train_batch_size": 400, "lr": 2e-3, "rounds": 12}
    replica = run(of(seeds=(0,), **settings))[0]
    rows = replica.recorder.rows()
    assert rows[-1]["return"] > rows[0]["return"] + 0.2


def test_its_rows_say_that_it_is_outside_the_promise():
    assert not registry.algorithm("rllib-ppo").reproducible
    assert registry.algorithm("iql").reproducible
    small = of(seeds=(0,), rounds=0)
    note = tables(small, run_task(small, InlineFleet()), "x")["runs"].to_pylist()[0]["note"]
    assert "rllib-ppo is outside the placement promise" in note


def test_refusals(monkeypatch):
    needed = (
        r"it needs an environment of kind observed-mdp or team-grid with rllib\(\), such as blocker, landmarks, navi"
    )
    for name in ("digital", "gym:FrozenLake-v1"):
        with pytest.raises(UserError, match=rf"^rllib-ppo does not run on {name}: {needed}gation\.$"):
            make_cell("rllib-ppo", name, {"agents": 2})
    short = {"agents": 2, "train_batch_size": 20, "minibatch_size": 20}
    with pytest.raises(UserError, match="train_batch_size is 20; it must hold an episode of 50 steps"):
        _ = Task(make_cell("rllib-ppo", "landmarks", short), (0,)).outlook
    fits = r"minibatch_size is 128; it must be at most train_batch_size, which is 60\b"
    with pytest.raises(UserError, match=fits):
        make_cell("rllib-ppo", "landmarks", {"agents": 2, "train_batch_size": 60})
    for wrong in ({"lr": 0}, {"clip": 0}, {"hidden": [0]}, {"lambda_": 1.5}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            make_cell("rllib-ppo", "landmarks", {"agents": 2, **wrong})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"torch.*pip install 'marl-orchestrator\[deep\]'"):
        _ = Task(make_cell("rllib-ppo", "landmarks", {"agents": 2}), (0,)).outlook


@pytest.mark.parametrize("words", [["list"], ["describe", "rllib-ppo"]])
def test_its_name_imports_neither_torch_nor_rllib(words):
    code = f"""
import sys
from orchestrator import cli
sys.argv = ["orchestrator", *{words}]
try:
    cli.main()
finally:
    assert not {{"torch", "ray.rllib"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "rllib-ppo" in done.stdout


@pytest.mark.usefixtures("local_ray")
def test_an_iteration_is_what_rllib_trains():
    """The same weights, seeds and episodes through ``PPO.train()`` end in the same weights."""
    from ray.tune.registry import register_env

    from algorithms.rllib.trainer import quiet, seeded, settings

    coordinator = started(of(env__limit=15))
    ours, parameters, problem = coordinator.trainer, coordinator.parameters, coordinator.problem
    with quiet(), seeded(np.random.default_rng(0)):
        config: Any = settings(parameters, problem, ours.inputs, 3)
        register_env("the-same", config.env)  # an Algorithm wants a name
        theirs: Any = config.environment("the-same").build_algo()
    theirs.set_state({"learner_group": {"learner": ours.learner.get_state(components=["rl_module"])}})
    generator = np.random.default_rng(5)
    with quiet(), seeded(generator):
        for copy in theirs.env_runner.env.envs:
            copy.unwrapped.begin = int(generator.integers(2**63))
        theirs.env_runner_group.sync_weights(from_worker_or_learner_group=theirs.learner_group)
        theirs.train()
    ours.iteration(np.random.default_rng(5))
    expected = theirs.learner_group.get_state()["learner"]["rl_module"]
    weights_of = ours.state()["weights"]
    theirs.stop()
    assert set(weights_of) == set(expected)
    for module, arrays in weights_of.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, expected[module][name], err_msg=f"{module} {name}")


def test_the_numbers_do_not_depend_on_the_hashes_of_a_process(tmp_path):
    """RLlib keeps agents in sets; it drew in the order of these, which was another one in each process."""
    program = "import sys; from orchestrator import cli; cli.main()"
    words = ["run", "rllib-ppo", "landmarks", "agents=3", *SMALL, "--backend", "inline", "--results"]
    seen = set()
    for seed in "12":
        results = str(tmp_path / seed)
        done = subprocess.run(
            [sys.executable, "-c", program, *words, results],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        seen.add(repr(Results(results).sql("select seed, return_final, agent_steps from runs order by seed")))
    assert len(seen) == 1


def test_on_ray_it_gives_the_numbers_that_it_gives_here(tmp_path, call):
    for backend in ("inline", "ray"):
        words = [*SMALL, "--seeds", "0..1", "--backend", backend, "--results", str(tmp_path / backend)]
        code, _, err = call("run", "rllib-ppo", "landmarks", "agents=2", *words)
        assert code == 0, err
    asked = "select seed, return_final, agent_steps, note from runs order by seed"
    here, there = (
        call("query", asked, "--results", str(tmp_path / b), "--format", "csv")[1] for b in ("inline", "ray")
    )
    assert here == there
    assert "outside the placement promise" in there
