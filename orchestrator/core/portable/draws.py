"""Normal and Dirichlet draws from numpy generators, the same bits on every processor.

Generators make uniform numbers and integers exactly. Their normal, gamma and exponential draws call the C library's
``exp``, ``log`` and ``pow``, and so differ in rare bits. Here the same methods are computed by ``elementary``: numbers
as numpy's, up to rounding, and a generator is left where numpy's draw would leave it.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from orchestrator.core.compiling import inlined, kernel
from orchestrator.core.portable.elementary import elementwise, exp, log, log1p, power

#: Where the tail of the ziggurat begins, and the area of each of its 256 layers: normal, exponential.
NORMAL_END, NORMAL_AREA = 3.6541528853610087963519472518, 0.0049286732339746549
EXPONENTIAL_END, EXPONENTIAL_AREA = 7.6971174701310497140446280481, 0.0039496598225815572
LAYERS = 256
WORD = 2**64 - 1
#: Below this shape gammas are drawn as logarithms: they may be too small for a number.
TINY_SHAPE = 0.1


class Ziggurat(NamedTuple):
    """Widths of the layers per unit of a drawn integer, integers below which a draw lies inside, densities at edges."""

    width: np.ndarray  #: float64 [256]
    inside: np.ndarray  #: uint64 [256]
    density: np.ndarray  #: float64 [256]


def normals(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Standard normal draws float64 [*shape], in place of ``generator.normal(size=shape)``."""
    out = np.empty(shape)
    with_state(generator, fill_normals, out.reshape(-1), _normal_layers())
    return out


def dirichlets(generator: np.random.Generator, concentration: float, parts: int, *shape: int) -> np.ndarray:
    """Draws from Dirichlet(concentration, …, concentration) over so many parts, float64 [*shape, parts].

    In place of ``generator.dirichlet(np.full(parts, concentration), size=shape)``: gamma draws divided by their sum.
    Below ``TINY_SHAPE``, where numpy draws otherwise, a gamma draw is one of shape + 1 times u^(1 / shape), kept as
    its logarithm.
    """
    out = np.empty((*shape, parts))
    if concentration < TINY_SHAPE:
        _gammas(generator, concentration + 1.0, out)
        out[:] = elementwise(log, out) + elementwise(log1p, -generator.random(out.shape)) / concentration
        out[:] = elementwise(exp, out - out.max(axis=-1, keepdims=True))
    else:
        _gammas(generator, float(concentration), out)
    total = np.zeros(shape)
    for part in range(parts):
        total += out[..., part]
    return out / total[..., None]


def _gammas(generator: np.random.Generator, shape: float, out: np.ndarray) -> None:
    """Fill an array with gamma draws of this ``shape`` and scale 1."""
    if shape == 1.0:
        with_state(generator, fill_exponentials, out.reshape(-1), _exponential_layers())
    elif shape < 1.0:
        with_state(generator, fill_gammas_below_1, out.reshape(-1), shape, _exponential_layers())
    else:
        with_state(generator, fill_gammas_above_1, out.reshape(-1), shape, _normal_layers())


def with_state(generator: np.random.Generator, draw: Any, out: np.ndarray, *more: object) -> None:
    """``draw(out, state, *more)`` with the state of the generator, a PCG64, which goes on from where ``draw`` ended."""
    bits: Any = generator.bit_generator
    whole = bits.state
    if whole["bit_generator"] != "PCG64":
        raise TypeError(f"draws need a PCG64 generator, not {whole['bit_generator']}")
    numbers = whole["state"]
    state = np.array(
        [part >> shift & WORD for part in (numbers["state"], numbers["inc"]) for shift in (64, 0)], np.uint64
    )
    draw(out, state, *more)
    numbers["state"] = int(state[0]) << 64 | int(state[1])
    bits.state = whole


@functools.cache
def _normal_layers() -> Ziggurat:
    def density(x: float) -> float:
        return exp(-0.5 * x * x)

    def inverse(y: float) -> float:
        return math.sqrt(-2.0 * log(y))

    return _layers(NORMAL_END, NORMAL_AREA, float(1 << 52), density, inverse)


@functools.cache
def _exponential_layers() -> Ziggurat:
    def density(x: float) -> float:
        return exp(-x)

    def inverse(y: float) -> float:
        return -log(y)

    return _layers(EXPONENTIAL_END, EXPONENTIAL_AREA, float(1 << 53), density, inverse)


def _layers(
    end: float, area: float, units: float, density: Callable[[float], float], inverse: Callable[[float], float]
) -> Ziggurat:
    """The tables of Marsaglia and Tsang (2000), from the outermost layer inwards; layer 0 holds the tail."""
    last = LAYERS - 1
    width, inside, edge = np.empty(LAYERS), np.zeros(LAYERS, np.uint64), np.empty(LAYERS)
    x, y = end, density(end)
    width[last], edge[last] = x / units, y
    width[0], edge[0], inside[0] = area / y / units, 1.0, int(x * y / area * units)
    for i in range(last - 1, 0, -1):
        before, x = x, inverse(area / x + y)
        y = density(x)
        inside[i + 1], width[i], edge[i] = int(x / before * units), x / units, y
    return Ziggurat(width, inside, edge)


@kernel
def next_bits(state: np.ndarray) -> np.uint64:
    """The next 64 bits of PCG64 (O'Neill 2014), as numpy has it; ``state`` uint64 [4] are state and increment."""
    low32, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    times_high, times_low = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)
    high, low = state[0], state[1]
    a, b, c, d = low >> half, low & low32, times_low >> half, times_low & low32
    middle = b * c + ((b * d) >> half)
    carry = a * d + (middle & low32)
    product = low * times_low
    above = a * c + (middle >> half) + (carry >> half) + high * times_low + low * times_high
    low = product + state[3]
    high = above + state[2] + np.uint64(low < product)
    state[0], state[1] = high, low
    mixed, turn = high ^ low, high >> np.uint64(58)
    return (mixed >> turn) | (mixed << ((np.uint64(64) - turn) & np.uint64(63)))


@inlined
def next_uniform(state: np.ndarray) -> float:
    """A uniform draw in [0, 1) with 53 bits."""
    return np.float64(next_bits(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def fill_normals(out: np.ndarray, state: np.ndarray, layers: Ziggurat) -> None:
    """Fill ``out`` [n] with standard normal draws by the ziggurat method."""
    k = 0
    while k < out.shape[0]:
        bits = next_bits(state)
        i, unit = bits & np.uint64(255), (bits >> np.uint64(9)) & np.uint64(0xFFFFFFFFFFFFF)
        x = float(unit) * float(layers.width[i])
        inside = unit < layers.inside[i]
        if not inside and i == 0:  # the tail; its sign is another bit of the draw
            far, near = 1.0, 0.0
            while near + near <= far * far:
                far = -log1p(-next_uniform(state)) / NORMAL_END
                near = -log1p(-next_uniform(state))
            x = NORMAL_END + far
            out[k] = -x if (unit >> np.uint64(8)) & np.uint64(1) else x
            k += 1
            continue
        if not inside:
            below = float(layers.density[i])
            height = (float(layers.density[i - np.uint64(1)]) - below) * next_uniform(state) + below
            inside = height < exp(-0.5 * x * x)
        if inside:
            out[k] = -x if (bits >> np.uint64(8)) & np.uint64(1) else x
            k += 1


@kernel
def fill_exponentials(out: np.ndarray, state: np.ndarray, layers: Ziggurat) -> None:
    """Fill ``out`` [n] with standard exponential draws by the ziggurat method."""
    k = 0
    while k < out.shape[0]:
        bits = next_bits(state) >> np.uint64(3)
        i, unit = bits & np.uint64(255), bits >> np.uint64(8)
        out[k] = float(unit) * float(layers.width[i])
        if unit < layers.inside[i]:
            k += 1
        elif i == 0:  # the tail
            out[k] = EXPONENTIAL_END - log1p(-next_uniform(state))
            k += 1
        else:
            below = float(layers.density[i])
            height = (float(layers.density[i - np.uint64(1)]) - below) * next_uniform(state) + below
            k += height < exp(-out[k])


@kernel
def fill_gammas_below_1(out: np.ndarray, state: np.ndarray, shape: float, exponential: Ziggurat) -> None:
    """Fill ``out`` [n] with gamma draws of a ``shape`` below 1 and scale 1 (Ahrens and Dieter 1974)."""
    k, drawn = 0, np.empty(1)
    while k < out.shape[0]:
        base = next_uniform(state)
        fill_exponentials(drawn, state, exponential)
        bound = drawn[0]
        if base > 1.0 - shape:
            y = -log((1.0 - base) / shape)
            base, bound = 1.0 - shape + shape * y, bound + y
        out[k] = power(base, 1.0 / shape)
        if out[k] <= bound:
            k += 1


@kernel
def fill_gammas_above_1(out: np.ndarray, state: np.ndarray, shape: float, normal: Ziggurat) -> None:
    """Fill ``out`` [n] with gamma draws of a ``shape`` above 1 and scale 1 (Marsaglia and Tsang 2000)."""
    b = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * b)
    k, drawn = 0, np.empty(1)
    while k < out.shape[0]:
        fill_normals(drawn, state, normal)
        x = drawn[0]
        v = 1.0 + c * x
        if v > 0.0:
            v, u = v * v * v, next_uniform(state)
            if u < 1.0 - 0.0331 * (x * x) * (x * x) or log(u) < 0.5 * x * x + b * (1.0 - v + log(v)):
                out[k] = b * v
                k += 1
