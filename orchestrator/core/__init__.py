"""What an algorithm or an environment is written in; the only room of the engine that authors import."""

from orchestrator.core.blocks import Block, Persistent
from orchestrator.core.calls import Call, Conversation, Exchange, Reply
from orchestrator.core.compiling import inlined, kernel
from orchestrator.core.environment import Environment, Instance
from orchestrator.core.graphs import GRAPH_NAMES, Graph, check_graph_name, named_graph
from orchestrator.core.kernels import (
    draw_alias,
    draw_integer,
    fill_integers,
    fill_normal,
    fill_uniform,
    mean_rows,
    next_uint64,
    normal,
    ordered_mean,
    ordered_sum,
    orthonormal,
    sum_rows,
    uniform,
)
from orchestrator.core.parameters import Parameters
from orchestrator.core.portable.algebra import leading_singular, product, symmetric_eigen
from orchestrator.core.portable.draws import dirichlets, normals
from orchestrator.core.portable.elementary import elementwise, exp, expm1, log, log1p, power, tanh
from orchestrator.core.portable.error_function import erf
from orchestrator.core.rounds import Coordinator, Fusible
from orchestrator.core.streams import generator, member_streams
from orchestrator.plugins.packages import identity_of as package_identity
from orchestrator.plugins.references import title as plugin_title
from orchestrator.plugins.references import words as plugin_words
from orchestrator.plugins.registry import names as plugin_names
from orchestrator.plugins.registry import pluggable, settled
from orchestrator.plugins.registry import utility as utility_class

__all__ = [
    "GRAPH_NAMES",
    "Block",
    "Call",
    "Conversation",
    "Coordinator",
    "Environment",
    "Exchange",
    "Fusible",
    "Graph",
    "Instance",
    "Parameters",
    "Persistent",
    "Reply",
    "check_graph_name",
    "dirichlets",
    "draw_alias",
    "draw_integer",
    "elementwise",
    "erf",
    "exp",
    "expm1",
    "fill_integers",
    "fill_normal",
    "fill_uniform",
    "generator",
    "inlined",
    "kernel",
    "leading_singular",
    "log",
    "log1p",
    "mean_rows",
    "member_streams",
    "named_graph",
    "next_uint64",
    "normal",
    "normals",
    "ordered_mean",
    "ordered_sum",
    "orthonormal",
    "package_identity",
    "pluggable",
    "plugin_names",
    "plugin_title",
    "plugin_words",
    "power",
    "product",
    "settled",
    "sum_rows",
    "symmetric_eigen",
    "tanh",
    "uniform",
    "utility_class",
]
