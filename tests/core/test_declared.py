"""What a class of an author declares is checked when the class is made; the engine's attributes are its own."""

import pytest

from orchestrator.core import Block, Coordinator, Environment, Parameters
from orchestrator.core.declared import assign, built
from orchestrator.errors import UserError


class Mute(str):
    """A word that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


NAMED = {"name": "gossip-td"}
DECLARED = [
    (Coordinator, {"kinds": "linear-chain"}, "gossip-td: kinds is 'linear-chain'; write ('linear-chain',)."),
    (Coordinator, {"needs": "evaluate"}, "gossip-td: needs is 'evaluate'; write ('evaluate',)."),
    (Coordinator, {"scores": "return"}, "gossip-td: scores is 'return'; write ('return',)."),
    (Coordinator, {"scores": {"a": "b"}}, "gossip-td: scores is {'a': 'b'}; it takes a tuple of names, such as "),
    (Coordinator, {"kinds": ("a", 1)}, "gossip-td: kinds holds 1; it takes a tuple of names, such as ('a', 'b')."),
    (Coordinator, {"libraries": (5,)}, "gossip-td: libraries holds 5; it takes a tuple of names, such as ('a', 'b')."),
    (Environment, {"libraries": "torch"}, "gossip-td: libraries is 'torch'; write ('torch',)."),
    (Coordinator, {"kinds": ()}, "gossip-td: kinds is empty; name the kinds of environment it runs on, such as "),
    (Coordinator, {"metrics": ("gap",)}, "gossip-td: metrics is ('gap',); it takes name: what it is, such as {'error'"),
    (Coordinator, {"metrics": "gap"}, "gossip-td: metrics is 'gap'; it takes name: what it is, such as {'error'"),
    (Coordinator, {"labels": {"gap": 1}}, "gossip-td: labels is {'gap': 1}; it takes name: what it is, such as "),
    (Coordinator, {"name": "gossip td!"}, "name of Own is 'gossip td!'; it takes letters, digits and ._- without"),
    (Environment, {"name": ("chain",)}, "name of Own is ('chain',); it takes letters, digits and ._- without spaces."),
    (Coordinator, {"name": Mute("own")}, "name of Own is 'own'; it takes letters, digits and ._- without spaces."),
    (Environment, {"kind": Mute("chain")}, "gossip-td: kind is 'chain'; it takes one word, such as 'linear-mrp'."),
    (Coordinator, {"version": 0.5}, "gossip-td: version is 0.5; it takes a whole number, 1 or more."),
    (Environment, {"version": True}, "gossip-td: version is True; it takes a whole number, 1 or more."),
    (Environment, {"kind": ("a",)}, "gossip-td: kind is ('a',); it takes one word, such as 'linear-mrp'."),
    (Coordinator, {"reproducible": "no"}, "gossip-td: reproducible is 'no'; it takes True or False."),
    (Environment, {"fewest_agents": None}, "gossip-td: fewest_agents is None; it takes a whole number, 1 or more."),
    (Environment, {"faces": 5}, "gossip-td: faces is 5; it takes kind: class of an environment, with"),
    (Environment, {"faces": {"a": 5}}, "gossip-td: faces is {'a': 5}; it takes kind: class of an environment, with"),
    (Environment, {"faces": {"a": Environment}}, "gossip-td: faces is {'a': <class 'orchestrator.core.environment.E"),
    (Coordinator, {"rounds": 5}, "rounds of Own is set by the engine; give the attribute another name."),
    (Block, {"env": lambda self: 1}, "env of Own is set by the engine; give the attribute another name."),
    (Block, {"persistent": "theta"}, "persistent of Own is the string 'theta'; write ('theta',)."),
    (Block, {"persistent": ("state",)}, "persistent of Own names 'state', which is a method of the class; give the "),
    (Block, {"persistent": ("rng",)}, "persistent of Own names 'rng', which the engine keeps; leave it out."),
]


@pytest.mark.parametrize(("base", "own", "sentence"), DECLARED, ids=[sentence[:45] for *_, sentence in DECLARED])
def test_a_declaration_that_makes_no_sense_is_refused_when_the_class_is_made(base, own, sentence):
    named = {} if base is Block else NAMED
    with pytest.raises(UserError) as refusal:
        type("Own", (base,), named | own)
    assert str(refusal.value).startswith(sentence)


def test_a_block_may_call_its_own_attributes_as_it_likes():
    own = type("Own", (Block,), {"name": 3, "kind": ("a",), "metrics": "gap", "version": 0.5})
    assert vars(own)["name"] == 3


class Nothing(Parameters):
    """No parameters."""


class Plain(Environment):
    name, kind, Parameters = "plain", "plain", Nothing


class Idle(Coordinator):
    name, kinds, Parameters, metrics = "idle", ("plain",), Nothing, {}

    def blocks(self):
        return {}

    def round(self):
        return None

    def measure(self):
        return {}


@pytest.mark.parametrize("name", ["parameters", "problem", "agents", "rounds", "seed", "completed"])
def test_the_attributes_of_the_engine_are_not_overwritten(name):
    coordinator = Idle(Nothing(), Plain(Nothing(), 2, 0), 2, 10, 0)
    with pytest.raises(AttributeError, match=f"{name} of Idle is set by the engine; give the attribute another name"):
        setattr(coordinator, name, 5)
    assign(coordinator, name, 5)
    assert getattr(coordinator, name) == 5
    coordinator.done = True  # this one is the algorithm's


@pytest.mark.parametrize("name", ["env", "members", "n", "rng", "seed", "problem", "parameters", "group"])
def test_nor_those_of_a_block(name):
    block = Block("agents", range(3), Nothing(), Plain(Nothing(), 3, 0), 0)
    with pytest.raises(AttributeError, match=f"{name} of Block is set by the engine"):
        setattr(block, name, 5)
    block.load({"rng": block.rng + 1})


@pytest.mark.parametrize("body", [lambda self, *_: None, lambda self, *_: self.parameters])
def test_an_init_that_forgets_that_of_its_base_is_named(body):
    cases = [
        (Plain, (Nothing(), 2, 0), "parameters, agents, instance"),
        (Idle, (Nothing(), Plain(Nothing(), 2, 0), 2, 10, 0), "parameters, problem, agents, rounds, seed"),
        (Block, ("agents", range(2), Nothing(), None, 0), "group, members, parameters, problem, seed"),
    ]
    for base, arguments, takes in cases:
        own = type("Own", (base,), {"__init__": body})
        with pytest.raises(UserError) as refusal:
            built(own, *arguments)
        assert str(refusal.value) == f"Own.__init__ has to call super().__init__({takes})."


def test_an_error_of_its_own_stays_what_it_is():
    own = type("Own", (Plain,), {"__init__": lambda self, *_: self.missing})
    with pytest.raises(AttributeError, match="'Own' object has no attribute 'missing'"):
        built(own, Nothing(), 2, 0)
