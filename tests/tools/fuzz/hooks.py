"""Plug-in files: an algorithm and an environment, a few of whose hooks raise, leave, or give something odd."""

import re
from pathlib import Path
from random import Random

#: Agents in this process, without Ray.
INLINE = ("--backend", "inline")
#: A file that works. A mark such as ``# measure`` stands where the body of a hook may be replaced.
WORKS = '''"""Own."""
import sys, warnings, os, collections, dataclasses, datetime, decimal, fractions, types
import numpy as np
from typing import Any, Literal, NamedTuple, Optional
from pydantic import Field, BaseModel
from orchestrator.core import (
    Block, Call, Coordinator, Environment, Exchange, Instance, Parameters, named_graph, ordered_mean, ordered_sum
)

class Odd:
    """An object that answers nothing."""
    def _no(self, *_, **__): raise RuntimeError("no\\x1b[31m words\\n\\ud800")
    __str__ = __repr__ = __eq__ = __len__ = __iter__ = __float__ = __bool__ = __array__ = __hash__ = _no
    __getattr__ = __getitem__ = __reduce__ = __reduce_ex__ = __int__ = __index__ = __contains__ = __format__ = _no

class Silent(Exception):
    def __str__(self): raise KeyError("no")

class Text(str):
    def __str__(self): return 5
    def __eq__(self, other): raise RuntimeError("eq")
    __hash__ = str.__hash__

class Number(float):
    def __float__(self): raise RuntimeError("float")
    def __repr__(self): raise RuntimeError("repr")

class PlaceParameters(Parameters):
    instance: Instance = Field(0, description="seed")
    width: PLACE_TYPE = PLACE_DEFAULT

class Place(Environment):
    """A place."""
    name, kind, Parameters = PLACE_NAME, "place", PlaceParameters
    version = PLACE_VERSION
    faces = PLACE_FACES
    fewest_agents = PLACE_FEWEST
    libraries = LIBRARIES
    def __init__(self, parameters, agents, instance):
        super().__init__(parameters, agents, instance)
        pass  # place init
    @classmethod
    def identity(cls, parameters):
        return ""  # identity
    @property
    def memory(self):
        return 0.0  # place memory
    def warnings(self):
        return ()  # place warnings
    def portrait(self):
        return None  # portrait
    def block(self, members):
        return np.arange(len(members))  # block

class OwnParameters(Parameters):
    speed: OWN_TYPE = OWN_DEFAULT

class Crowd(Block):
    persistent = PERSISTENT
    def start(self):
        self.x = self.zeros()
        pass  # block start
    def state(self):
        return super().state()  # block state
    def step(self, **sent):
        self.x = self.x + 1
        return {"x": self.x}  # step
    def look(self):
        return {"x": self.x}  # look

class Own(Coordinator):
    """A mean."""
    name, kinds, Parameters = OWN_NAME, ("place",), OwnParameters
    version = OWN_VERSION
    metrics = METRICS
    labels = LABELS
    scores = SCORES
    libraries = LIBRARIES
    persistent = OWN_PERSISTENT
    seconds_per_round = OWN_SECONDS
    reproducible = OWN_REPRODUCIBLE
    needs = OWN_NEEDS
    def __init__(self, parameters, problem, agents, rounds, seed):
        super().__init__(parameters, problem, agents, rounds, seed)
        pass  # init
    @property
    def memory(self):
        return 0.0  # memory
    @property
    def fusible(self):
        return True  # fusible
    def calls_per_round(self):
        return 1.0  # calls
    @classmethod
    def steps_per_round(cls, parameters):
        return 1.0  # steps
    @classmethod
    def resources(cls, parameters):
        return {"cpu": 1.0}  # resources
    def warnings(self):
        return ()  # warnings
    def cautions(self):
        return super().cautions()  # cautions
    @classmethod
    def metrics_for(cls, parameters, environment, agents):
        return tuple(cls.metrics)  # metrics for
    def groups(self):
        return {"agents": self.agents}  # groups
    def blocks(self):
        return {"agents": Crowd}  # blocks
    def start(self):
        self.mean = 0.0
        pass  # start
    def state(self):
        return super().state()  # state
    def round(self):
        reply = yield CALL
        self.mean = float(np.sum(reply["x"])) if isinstance(reply, dict) and "x" in reply else 0.0
        pass  # round
    def measure(self):
        return {"loss": self.mean, "gap": 1.0}  # measure
    def measure_agents(self):
        return {"gap": np.arange(float(self.agents))}  # measure agents
LEAP
'''
#: Name in the file -> what stands there in one that works, and odder things.
CONSTANTS = {
    "OWN_SECONDS": ("3e-6", "-1", "float('nan')", "'a'", "None", "Odd()", "1e308", "10**400"),
    "OWN_REPRODUCIBLE": ("True", "False", "Odd()", "np.zeros(2)", "None", "'no'"),
    "OWN_NEEDS": ("()", "('portrait',)", "('nothing',)", "5", "(5,)", "('',)", "Odd()"),
    "PLACE_FACES": ("{}", "5", "{'place': 5}", "{'place': Environment}", "{5: 5}", "Odd()", "None"),
    "PLACE_FEWEST": ("1", "3", "'a'", "None", "float('nan')", "Odd()", "-1"),
    "PLACE_NAME": ('"place"', '""', "5", "None", '"a" * 5000', '"é/../x"', '"iql"', "Odd()", '"\\ud800"', "Text('p')"),
    "PLACE_VERSION": ("1", "0", "-1", "2**70", '"1"', "None", "1.5", "Odd()", "True", "float('nan')"),
    "PLACE_TYPE": ("int", "Any", "Literal[1, 'a', None]", "list[list[float]]", "dict[str, Any]", "Odd", "np.ndarray"),
    "PLACE_DEFAULT": (
        "1", "None", "Field(1, ge=2)", "Field(1, description='\\x1b[31m')", "'a'", "{1, 2}", "Odd()", "2**70",
        "Field(default_factory=lambda: 1/0)", "Field(...)", "np.zeros(3)", "float('nan')", "lambda: 1", "Number(1)",
    ),
    "PERSISTENT": (
        '("x",)', "()", "('y',)", "5", "'x'", "('x', 'x')", "(5,)", "('rng',)", "Odd()", "('step',)", "['x']",
    ),
    "OWN_NAME": ('"own"', '""', "5", "'fedtd'", "'a/b'", "'a b\\n'", "Odd()", "'é' * 200", "b'x'"),
    "OWN_VERSION": ("1", "0", "'x'", "2**70", "Odd()", "np.int64(1)"),
    "OWN_TYPE": ("float", "Any", "Optional[int]", "complex", "type", "'Missing'", "tuple[int, ...]", "datetime.date"),
    "OWN_DEFAULT": ("1.0", "Odd()", "float('inf')", "1j", "b'x'", "[[[1]]]", "'\\ud800'", "decimal.Decimal(1)", "int"),
    "METRICS": (
        '{"loss": "e", "gap": "g"}', "{}", "5", "None", '("loss", "gap")', '{"loss": 5}', '{5: "a"}', "Odd()",
        '{"rounds": "r", "loss": "e", "gap": "g"}', '{"a b": "", "loss": "", "gap": ""}', '{"": "x"}', "[]",
        '{"error_tail": "t", "loss": "e", "gap": "g"}', '{"e" * 3000: "x"}', '{"\\ud800": "x"}', '{"gap": Odd()}',
        '{"é": "x", "loss": "\\x1b[31m", "gap": "$$ <b> $x_"}', '{"Error": "x", "loss": "e", "gap": "g"}',
    ),
    "LABELS": ("{}", '{"loss": "$\\\\frac{"}', "5", '{"gap": 5}', '{"other": "x"}', "Odd()", '{"loss": "\\x00<b>"}'),
    "SCORES": ("()", '("loss",)', "5", '"loss"', '("other",)', "(5,)", "Odd()", "{'loss'}"),
    "LIBRARIES": ("()", '("numpy",)', '("nothing_at_all",)', "5", "(5,)", '"numpy"', "Odd()", '("",)', '("..",)'),
    "OWN_PERSISTENT": ('("mean",)', "()", "('other',)", "5", "('parameters',)", "('stream',)", "Odd()", "(None,)"),
    "CALL": (
        'Call("step")', 'Call("step", shared={"a": Odd()})', 'Call("other")', 'Call("")', "Call(5)", "5", "None", "()",
        'Call("step", agent_steps=-1)', 'Call("step", agent_steps=10**30)', 'Call("step", agent_steps=float("nan"))',
        '(Call("step"), Call("look"))', '[Call("step")]', '(Call("step"), 5)', 'Call("step", on="others")', "Odd()",
        'Call("step", scattered={"a": np.zeros(1)})', 'Call("step", scattered={"a": "text"})', 'Call("__init__")',
        'Call("step", shared={"a": np.array([Odd()], dtype=object)})', 'Call("step", shared={"self": 1})',
        'Call("step", shared={"a": np.zeros(2, "M8[s]")})', 'Exchange("look", "step", named_graph("ring", 3))',
        'Exchange("look", "step", 5)', 'Exchange("look", "step", named_graph("ring", self.agents), hops=-1)',
        'Exchange("look", "step", named_graph("ring", self.agents), addressed=("x",))', 'Call("step", sensed=("q",))',
        'Exchange("look", "step", named_graph("ring", self.agents), hops=10**30)', 'Call("step", agent_steps="a")',
        'Call("step", shared={"a": sys.modules})', 'Call("step", shared={"a": (i for i in ())})', 'Call("env")',
        'Call("step", shared={"a": float("nan")}, sensed=5)', 'Call("step", agent_steps=Odd())', 'Call("x")',
    ),
    "LEAP": ("", "    def leap(self, blocks, rounds):\n        ODD", "    leap = 5"),
}  # fmt: skip
#: What a hook does instead.
BODIES = (
    "raise ValueError('odd')", "raise Silent", "sys.exit()", "sys.exit('bye')", "sys.exit(Odd())",
    "raise SystemExit(3)", "raise MemoryError", "raise RecursionError", "raise StopIteration", "raise GeneratorExit",
    "raise OSError(28, 'x')", "raise BaseException", "raise ExceptionGroup('g', [ValueError('a\\nb')])",
    "raise UnicodeError('\\ud800')", "raise BrokenPipeError", "raise ImportError('torch')", "raise AssertionError",
    "raise ValueError(Odd())", "raise ValueError('\\x1b[2J' * 3000)", "return self.nothing",
    "return self.__class__.round(self)", "1 / 0", "return None", "return 5", "return -1", "return 0", "return 1.5",
    "return 'text'", "return b'x'", "return True", "return 2**70", "return -1e308", "return 1e308",
    "return float('nan')", "return float('inf')", "return Odd()", "return []", "return [5]", "return ['a']",
    "return ('a', 'b')", "return {}", "return {5: 5}", "return {'x': 5}", "return Text('agents')", "return Number(1)",
    "return {'x': Odd()}", "return {'loss': Odd()}", "return object", "return {'agents': -1}",
    "return {'agents': 3, 'others': 2}", "return {'agents': 2.0}", "return {'': 1}", "yield 5",
    "return {'agents': True}", "return {'agents': np.int64(2)}", "return {'agents': Odd()}", "return {'a' * 300: 2}",
    "return {'agents': Crowd, 'others': Crowd}", "return {'agents': Crowd()}", "return {'agents': dict}", "yield",
    "return {'loss': float('nan'), 'gap': 1}", "return {'loss': 1e308, 'gap': -1e308}", "return {'loss': 1j}",
    "return {'loss': None, 'gap': 'a'}", "return {'loss': np.zeros(3), 'gap': 0}", "return {'loss': 2**70, 'gap': 1}",
    "return {'loss': True, 'gap': np.float32(1)}", "return {'loss': 1.0}", "return {'loss': 1, 'gap': 1, 'more': 1}",
    "return {'loss': Number(1), 'gap': decimal.Decimal(1)}", "return {'loss': np.datetime64('now'), 'gap': 1}",
    "return {'gap': np.zeros(0)}", "return {'gap': np.zeros((2, 2))}", "return {'gap': np.full(2, np.inf)}", "yield ()",
    "return {'gap': np.array(['a', 'b'])}", "return {'gap': [1.0, 2.0]}", "return {'gap': np.zeros(2, complex)}",
    "return {'x': np.zeros(self.n, 'f2')}", "return {'x': np.zeros(self.n + 1)}", "return {'x': np.zeros((self.n, 0))}",
    "return {'x': np.array(['a'] * self.n)}", "return {'x': np.full(self.n, np.nan)}", "return {'x': [1] * self.n}",
    "return {'x': np.array([Odd()] * self.n)}", "return {'x': np.zeros(self.n, 'M8[s]')}", "return {'x': None}",
    "return {'x': np.zeros(self.n)[::-1]}", "return {'x': np.zeros(self.n, '>f8')}",
    "return {'x': np.ma.zeros(self.n)}", "return (i for i in range(3))", "return {'cpu': -1}",
    "return {'cpu': 'a', 'gpu': None}", "return {'cpu': 1e9}", "warnings.warn('odd')", "print('odd')",
    "print('\\ud800')", "sys.stdout.close()", "sys.stderr.close()", "del self.x", "os.close(1)", "self.agents = 10**9",
    "self.parameters = None", "self.seed = 'a'", "self.done = Odd()", "yield Odd()", "self.completed = -5",
    "self.x = None", "self.x = np.zeros((3, 3, 3))", "self.mean = Odd()", "self.rounds = 0",
    "return ['a\\x1b[31m\\u202eb', '']", "return ['a' * 100000]", "return [Text('a')]", "return np.zeros((3, 3))",
    "sys.setrecursionlimit(50)", "np.seterr(all='raise')", "self.mean = float('nan')", "self.x[:] = np.inf", "raise 5",
    "np.random.seed(0)", "os.chdir('/')", "sys.argv.clear()", "raise KeyboardInterrupt", "self.rng[:] = 0",
    "import own",
)  # fmt: skip
#: What else a file may be.
FILES = (
    "", "raise SystemExit", "import nothing_at_all", "x = ", "\x00", "Own = 5", "from own import Own",
    "class Own: pass",
)  # fmt: skip


def prepare(dice: Random, place: Path, _: Path) -> list[tuple[str, ...]]:
    """Write the file, then check it, or run it and read what it left."""
    (place / "own.py").write_text(_written(dice), errors="surrogatepass")
    names = ("./own.py:Own", "./own.py:Place")
    kind = dice.random()
    if kind < 0.15:
        return [("check", *names, "--agents", "2", "--rounds", "3"), ("describe", "./own.py:Own")]
    if kind < 0.2:
        return [("describe", dice.choice(names))]
    packing = ("--agents-per-actor", dice.choice(("auto", "auto", "1")))
    run = ("run", *names, "--agents", "2", "--rounds", dice.choice("123"), "--seeds", "0..1", *packing, *INLINE)
    run += ("--name", "mine")
    after = [
        ("status",), ("query", "FROM summary"), ("query", "FROM agents"), ("query", "FROM curves"), run, ("compact",),
        ("query", "FROM runs", "--format", "json"), ("report", "mine"), ("export", "mine"), ("logs", "mine"),
        ("export", "mine", "--format", "tensorboard"), ("verify",), ("fingerprint", "mine"),
        (*run, "--retry-failed"), (*run[:-1], "other", "--seeds", "0..3"),
    ]  # fmt: skip
    return [run, *dice.sample(after, dice.choice((0, 0, 1, 2)))]


def works() -> str:
    """The file in which nothing is odd."""
    return _filled({name: values[0] for name, values in CONSTANTS.items()}, WORKS)


def _filled(constants: dict[str, str], text: str) -> str:
    return re.sub("|".join(rf"\b{name}\b" for name in constants), lambda at: constants[at[0]], text)


def _written(dice: Random) -> str:
    if dice.random() < 0.02:
        return dice.choice(FILES)
    text, marks = WORKS, sorted(set(re.findall(r"  # (.+)$", WORKS, re.M)))
    odd = dice.sample([*marks, *CONSTANTS, *marks], dice.choice((1, 1, 2, 3)))
    for mark in marks:
        if mark in odd:
            text = re.sub(rf"^( +)\S.*  # {mark}$", lambda at: at[1] + dice.choice(BODIES), text, flags=re.M)
    constants = {name: dice.choice(of[1:]) if name in odd else of[0] for name, of in CONSTANTS.items()}
    return _filled(constants, text).replace("ODD", dice.choice(BODIES))
