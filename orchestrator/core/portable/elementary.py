"""exp, log, pow and their like from fixed IEEE operations: the same bits on every processor and with every C library.

The C library's own functions differ from release to release and from processor to processor: glibc has two machine
codes of ``exp``, ``log`` and ``pow``, one with fused multiplications, and numpy has others. Those here only add,
subtract, multiply, divide and read the bits of numbers, in the order written. They are off by at most one unit in the
last place (tests/core/portable/test_elementary.py). ``sqrt`` is not here: IEEE defines its every bit.

Sources: fdlibm (Sun Microsystems, 1993) for the reductions and coefficients of ``exp``, ``log``, ``log1p`` and
``power``, written anew; Cephes (Moshier, 1989) for ``tanh`` near 0.

Arguments are numbers; ``elementwise`` takes arrays. Results are as in C, and nothing raises or warns: ``log(0)`` is
-inf, ``power(-1, 0.5)`` is nan.
"""

import math
from collections.abc import Callable

import numpy as np

from orchestrator.core.compiling import inlined, kernel

#: ln 2 in two parts: the first times a whole number below 2^20 is exact.
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
INVERSE_LN2 = 1.44269504088896338700e00
#: Added and subtracted again, it rounds a number below 2^51 to the nearest integer.
ROUNDER = 6755399441055744.0
SMALLEST_NORMAL, TWO_54 = 2.2250738585072014e-308, 18014398509481984.0
#: The bits of sqrt(1/2); what keeps the upper half of a number's bits; place and offset of an exponent.
ROOT_HALF, UPPER, PLACE, OFFSET = 0x3FE6A09E667F3BCD, -4294967296, 52, 1023


@inlined
def growth(r: float) -> float:
    """exp(r) - 1 - r for |r| <= ln(2) / 2: r c / (2 - c), where c = r - r^2 P(r^2)."""
    t = r * r
    p = -1.65339022054652515390e-06 + t * 4.13813679705723846039e-08
    p = 1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03 + t * (6.61375632143793436117e-05 + t * p))
    c = r - t * p
    return r * c / (2.0 - c)


@inlined
def exponential(x: float, rest: float) -> tuple[int, float, float]:
    """(k, y, z) with exp(x + rest) = 2^k (y + z): y near 1, z less than its last place; |x| < 750, ``rest`` tiny."""
    whole = (x * INVERSE_LN2 + ROUNDER) - ROUNDER
    high, low = x - whole * LN2_HIGH, whole * LN2_LOW - rest
    more = growth(high - low) - low
    first = 1.0 + high
    more += high - (first - 1.0)
    y = first + more
    return int(whole), y, more - (y - first)


@inlined
def scaled(y: float, k: int) -> float:
    """2^k y for |k| < 2000 and y near 1, rounded once where it is subnormal."""
    half = k >> 1
    first = np.int64((half + OFFSET) << PLACE).view(np.float64)
    second = np.int64((k - half + OFFSET) << PLACE).view(np.float64)
    return y * float(first) * float(second)


@inlined
def upper(x: float) -> float:
    """x with the lower 32 bits zero: products of two such numbers are exact."""
    return float(np.int64(np.float64(x).view(np.int64) & UPPER).view(np.float64))


@kernel
def exp(x: float) -> float:
    """e^x."""
    x = float(x)
    if not -746.0 < x < 710.0:
        return x if x != x else (math.inf if x > 0.0 else 0.0)
    k, y, _ = exponential(x, 0.0)
    return scaled(y, k)


@kernel
def expm1(x: float) -> float:
    """e^x - 1, accurate near 0."""
    x = float(x)
    if abs(x) < 1e-17 or not x < 710.0:
        return x
    if x < -50.0:
        return -1.0
    k, y, z = exponential(x, 0.0)
    if k == 0:
        return x + growth(x)
    if k > 60:
        return scaled(y, k)
    y, z = scaled(y, k), scaled(z, k)
    off = y - 1.0
    z += (y - off) - 1.0 if y > 1.0 else y - (off + 1.0)
    return off + z


@inlined
def logarithm(f: float, k: float, rest: float) -> float:
    """k ln 2 + ln(1 + f) + rest for sqrt(1/2) <= 1 + f < sqrt(2).

    With s = f / (2 + f): ln(1 + f) = 2 s + s R(s^2) = f - (f^2 / 2 - s (f^2 / 2 + R)).
    """
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    even = 1.818357216161805012e-01 + w * 1.479819860511658591e-01
    even = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * even))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + (odd + even)) + (k * LN2_LOW + rest))) - f)


@kernel
def log(x: float) -> float:
    """The natural logarithm."""
    x, k = float(x), 0.0
    if not 0.0 < x < math.inf:
        return -math.inf if x == 0.0 else (math.nan if x < 0.0 else x)
    if x < SMALLEST_NORMAL:
        x, k = x * TWO_54, -54.0
    bits = np.float64(x).view(np.int64)
    shift = (bits - ROOT_HALF) >> PLACE
    return logarithm(float(np.int64(bits - (shift << PLACE)).view(np.float64)) - 1.0, k + shift, 0.0)


@kernel
def log1p(x: float) -> float:
    """ln(1 + x), accurate near 0."""
    x = float(x)
    if not -1.0 < x < math.inf:
        return -math.inf if x == -1.0 else (math.nan if x < -1.0 else x)
    if abs(x) < 1e-17:
        return x
    u = 1.0 + x
    bits = np.float64(u).view(np.int64)
    shift = (bits - ROOT_HALF) >> PLACE
    if shift == 0:
        return logarithm(x, 0.0, 0.0)
    lost = (x - (u - 1.0) if x < 1.0 else 1.0 - (u - x)) / u  # by the rounding of 1 + x
    return logarithm(float(np.int64(bits - (shift << PLACE)).view(np.float64)) - 1.0, float(shift), lost)


@inlined
def log2_parts(x: float) -> tuple[float, float]:
    """log2(x) of a positive finite x in two parts, to 2^-67 or so; the lower 32 bits of the first are zero.

    x = 2^k m, m around 1 or 1.5, and log2(m) from s = (m - b) / (m + b) with b = 1 or 1.5.
    """
    k = 0.0
    if x < SMALLEST_NORMAL:
        x, k = x * TWO_54, -54.0
    bits = np.float64(x).view(np.int64)
    k += (bits >> PLACE) - OFFSET
    m = float(np.int64((bits & 0xFFFFFFFFFFFFF) | (OFFSET << PLACE)).view(np.float64))
    # Chosen without jumps, which a processor cannot foresee.
    large = m >= 1.7320508075688772
    middle = (m >= 1.2247448713915890) & (not large)
    m, k = m * (0.5 if large else 1.0), k + (1.0 if large else 0.0)
    b = 1.5 if middle else 1.0
    b_high, b_low = (5.84962487220764160156e-01 if middle else 0.0), (1.35003920212974897128e-08 if middle else 0.0)
    u, v = m - b, 1.0 / (m + b)
    s = u * v
    s_high, d_high = upper(s), upper(m + b)
    s_low = v * ((u - s_high * d_high) - s_high * (m - (d_high - b)))
    t = s * s
    r = 2.30660745775561754067e-01 + t * 2.06975017800338417784e-01
    r = 3.33333329818377432918e-01 + t * (2.72728123808534006489e-01 + t * r)
    r = t * t * (5.99999999999994648725e-01 + t * (4.28571428578550184252e-01 + t * r)) + s_low * (s_high + s)
    t = s_high * s_high
    c_high = upper(3.0 + t + r)
    c_low = r - ((c_high - 3.0) - t)
    u, v = s_high * c_high, s_low * c_high + c_low * s
    p_high = upper(u + v)
    p_low = v - (p_high - u)
    z_high = 9.61796700954437255859e-01 * p_high  # 2 / (3 ln 2)
    z_low = -7.02846165095275826516e-09 * p_high + p_low * 9.61796693925975554329e-01 + b_low
    high = upper(((z_high + z_low) + b_high) + k)
    return high, z_low - (((high - k) - b_high) - z_high)


@inlined
def whole_power(y: float) -> int:
    """0 if y is no whole number, 1 if it is odd, 2 if it is even."""
    if abs(y) >= 9007199254740992.0:
        return 2
    if math.floor(y) != y:
        return 0
    return 2 if math.floor(0.5 * y) == 0.5 * y else 1


@kernel
def power(x: float, y: float) -> float:
    """x^y; a negative x has powers of whole numbers only."""
    x, y = float(x), float(y)
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x or y != y:
        return math.nan
    size = abs(x)
    if abs(y) == math.inf and size == 1.0:
        return 1.0
    sign = 1.0
    if x < 0.0 or (x == 0.0 and math.copysign(1.0, x) < 0.0):
        whole = whole_power(y)
        if whole == 0 and 0.0 < size < math.inf:
            return math.nan
        sign = -1.0 if whole == 1 else 1.0
    if size == 0.0 or size == math.inf or abs(y) == math.inf:
        return sign * (math.inf if (size > 1.0) == (y > 0.0) else 0.0)
    high, low = log2_parts(size)
    if not -1080.0 < y * high < 1025.0:
        return sign * (math.inf if y * high > 0.0 else 0.0)
    y_high = upper(y)
    first, rest = y_high * high, (y - y_high) * high + y * low
    whole = (first + ROUNDER) - ROUNDER
    first -= whole
    total = upper(first + rest)
    rest -= total - first
    # 2^(total + rest) = exp((total + rest) ln 2)
    part = total * 6.93147182464599609375e-01
    rest = rest * 6.93147180559945286227e-01 + total * -1.90465429995776804525e-09
    k, result, _ = exponential(part, rest)
    return sign * scaled(result, int(whole) + k)


@kernel
def tanh(x: float) -> float:
    """The hyperbolic tangent: x + x^3 P(x^2) / Q(x^2) near 0, else 1 - 2 / (exp(2 x) + 1)."""
    x = float(x)
    size = abs(x)
    if size < 1e-9 or x != x:
        return x
    if size < 0.625:
        t = x * x
        p = (-9.64399179425052238628e-01 * t - 9.92877231001918586564e01) * t - 1.61468768441708447952e03
        q = ((t + 1.12811678491632931402e02) * t + 2.23548839060100448583e03) * t + 4.84406305325125486048e03
        return x + x * t * p / q
    if size > 22.0:
        return math.copysign(1.0, x)
    k, y, z = exponential(2.0 * size, 0.0)
    y, z = scaled(y, k), scaled(z, k)
    below = y + 1.0
    z += 1.0 - (below - y)
    first = upper(2.0 / below)  # times the upper half of what is below it is exact
    below_high = upper(below)
    rest = ((2.0 - first * below_high) - first * ((below - below_high) + z)) / below
    result = 1.0 - first
    return math.copysign(result + (((1.0 - result) - first) - rest), x)


def elementwise(function: Callable[..., float], array: np.ndarray, *more: float) -> np.ndarray:
    """``function(entry, *more)`` of every entry of an array, float64 of its shape. For set-ups; kernels call directly.

    >>> elementwise(power, np.array([1.0, 4.0]), 0.5).tolist()
    [1.0, 2.0]
    """
    values = [function(entry, *more) for entry in np.asarray(array, np.float64).reshape(-1).tolist()]
    return np.array(values, np.float64).reshape(np.shape(array))
