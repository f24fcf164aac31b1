#!/usr/bin/env python3
"""Prints the reference values of `src/math/tests.rs` (needs mpmath).

    python3 xtask/generators/elementary.py > tests/data/elementary.csv

One row is `name,inputs…,results…`. An input is the bit pattern of an f64. A result is `hi:lo`, the bit
pattern of the nearest f64 and what is missing from it, in units of the spacing of f64 there (towards
the exact value: below a power of two, the smaller one). An optional argument replaces the number of
random points per function, for a denser measurement.
"""
import math
import random
import struct
import sys

from mpmath import mp, mpf, atan, atanh, cos, exp, expm1, log, log1p, sin

# atan τ − τ/(1 + τ²) at τ = 1e−100 cancels 660 bits.
mp.prec = 1000
RANDOM = int(sys.argv[1]) if len(sys.argv) > 1 else 110
DIGITS = 6
rng = random.Random(20260131)


def bits(x):
    return struct.pack(">d", x).hex()


def rounded(value):
    """The nearest f64; float(mpf) rounds twice for subnormal results."""
    if value == 0:
        return 0.0
    man, e = mp.frexp(abs(value))
    grid = mp.ldexp(1, max(int(e), -1021) - 53)
    steps = abs(value) / grid
    low = mp.floor(steps)
    rest = steps - low
    if rest > 0.5 or (rest == 0.5 and int(low) % 2):
        low += 1
    return math.copysign(float(low * grid), value)


def result(value, digits):
    hi = rounded(value)
    rest = value - mpf(hi)
    outward = rest * (1 if hi >= 0 else -1) >= 0
    spacing = math.ulp(abs(hi)) if outward or hi == 0 else abs(hi) - math.nextafter(abs(hi), 0.0)
    return f"{bits(hi)}:{mp.nstr(rest / mpf(spacing), digits)}"


def rows(name, points, function, digits=DIGITS):
    seen = set()
    for point in HARD[name] + points:
        point = point if isinstance(point, tuple) else (point,)
        key = tuple(bits(float(x)) for x in point)
        if key in seen:
            continue
        seen.add(key)
        values = function(*(mpf(float(x)) for x in point))
        values = values if isinstance(values, tuple) else (values,)
        print(",".join([name, *key, *(result(v, digits) for v in values)]))


def around(x, steps=2):
    """x and its neighbours."""
    x = float(x)
    out = [x]
    low = high = x
    for _ in range(steps):
        low, high = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
        out += [low, high]
    return out


def inside(points, low, high):
    return [x for x in points if low <= x <= high]


def uniform(low, high, n=RANDOM):
    return [rng.uniform(low, high) for _ in range(n)]


def scaled(low, high, n=RANDOM):
    """Log-uniform."""
    return [2.0 ** rng.uniform(math.log2(low), math.log2(high)) for _ in range(n)]


def signed(points):
    return [s * x for x in points for s in (1.0, -1.0)]


# The worst points of runs with 6000 and 25000 random points per function.
HARD = {
    "exp": [0.39057465107555345, -0.3526619440258696, -740.0272583662867],
    "exp_parts": [2.4287678120319818, -0.26851918738948966, 0.3986445999764969, -0.18115260247244724, 0.4425088995701689],
    "ln": [0.698544674664097, 0.6693774316601051],
    "ln_1p_parts": [0.003782215022703144, 0.015590446106544364, 1.1466602974336177],
    "atan_parts": [1.4492998287734442, 0.17839889442081375, 0.6540732725444997],
    "sin_cos": [16.222277444379607, 17946.59869239379, -0.7673732440739334, -0.7718447244231905],
    "logistic": [-3.4368700734231927, -2.0172875493430107],
    "neg_ln_1m": [0.3930956221127698],
    "two_atanh": [0.3297306335927911],
    "ln_twofold": [(1.4022085499536827, 0.0)],
    "ln_1p_twofold": [0.4010448024366931],
}

half = RANDOM // 2
seams = signed(sum((around((n + 0.5) * math.log(2), 1) for n in (0, 1, 2, 9, 100, 1020)), []))
edges = [0.0, *signed([5e-324, 1e-300, 1e-17, 2.0**-53, 2.0**-27, 1e-5, 1.0])]
exp_points = seams + edges + uniform(-1, 1, half) + uniform(-708, 709, half) + signed(scaled(1e-12, 1, half))
low_edges = [-745.2, -745.13, -745.0, -720.0, -708.4, -708.39, *around(-707.0, 1), -700.0]
rows("exp", exp_points + low_edges + uniform(-745.1, -708.4, 20) + [709.78, *around(709.0, 1)], exp)
rows("exp_parts", inside(exp_points + [-700.0, 709.0] + uniform(-3, 3), -700, 709), lambda y: (exp(y), expm1(y), expm1(y) - y))

root = math.sqrt(2)
ln_points = [5e-324, 1e-323, 1e-310, 2.2250738585072014e-308, 1.7976931348623157e308, 1e300, 10.0]
for x in (1.0, root, root / 2, 2.0, 2 * root, 0.5, math.e, 2.2250738585072014e-308):
    ln_points += around(x)
ln_points += uniform(0.5, 2.2) + scaled(1e-307, 1e308) + scaled(5e-324, 2e-308, 20)
rows("ln", ln_points, log)

z_points = [0.0, 5e-324, 1e-308, 1e-17, 2.0**-53, 2.0**-52, 2.0**53, 1e17, 1e300] + around(root - 1) + around(2 * root - 1)
z_points += inside(around(1.0, 3) + around(3.0), 0, 1e300) + scaled(1e-20, 1, half) + uniform(0, 1) + uniform(1, 8) + scaled(1, 1e300, half)
rows("ln_1p_parts", z_points, lambda z: (log1p(z), log1p(z) - z / (1 + z)))

tau_points = [0.0, 1e-100, 1e-17, 2.0**-27, 1.0, 1e17, 1e150] + around(0.61) + around(2.4) + around(1.0, 3)
tau_points += scaled(1e-20, 0.61, half) + uniform(0, 0.61) + uniform(0.61, 2.4) + scaled(2.4, 1e3, half) + scaled(1e3, 1e150, 20)
rows("atan_parts", tau_points, lambda t: (atan(t), atan(t) - t / (1 + t * t)))

angles = [0.0, *signed([5e-324, 1e-300, 1e-17, 2.0**-27, 99999.0, 99999.9])]
for n in (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 1001, 63660):
    angles += signed(around(mp.pi / 4 * n, 1))
angles += signed(around(63660 * mp.pi / 2, 1))
angles += signed(scaled(1e-12, 0.78, half // 2)) + uniform(-0.8, 0.8) + uniform(-1.6, 1.6) + uniform(-20, 20) + uniform(-1e5, 1e5, half)
rows("sin_cos", inside(angles, -99999.99, 99999.99), lambda x: (sin(x), cos(x)))

logits = [0.0, *signed([5e-324, 1e-17, 2.0**-53, 1e-8, 0.5, 1.0, 36.0, 36.8, 37.5, 100.0, 700.0, 709.0, 720.0, 745.0])]
logits += [-745.2, -1e300, 1e300] + seams + uniform(-4, 4) + uniform(-40, 40, half) + uniform(-745, -40, 30) + signed(scaled(1e-10, 1, half // 2))


def logistic(x):
    # A number 1 + e^{-1e300} takes more bits than there are.
    if x > 2000:
        return mpf(1), mpf(x)
    if x < -2000:
        return mpf(0), mpf(0)
    return 1 / (1 + exp(-x)), log1p(exp(x))


rows("logistic", logits, logistic)

rows("neg_ln_1m", [0.0, 5e-324, 1e-300, 1e-17, 2.0**-53, 0.5, *inside(around(0.5), 0, 0.5)] + scaled(1e-12, 0.5, half) + uniform(0, 0.5), lambda t: -log1p(-t))
third = 1 / 3
rows("two_atanh", [0.0, 5e-324, 1e-300, 1e-17, 2.0**-53, *inside(around(third), 0, third)] + scaled(1e-12, third, half) + uniform(0, third), lambda s: 2 * atanh(s))

# (u, j) of ln(2ʲu), j as an f64. With u near 1, the result is as small as it gets.
twofold = [(x, 0.0) for x in around(1.0, 4) + around(root) + around(root / 2) + around(2.0) + around(0.5)]
twofold += [(2.2250738585072014e-308, 0.0), (1.7976931348623157e308, 0.0), (1.7976931348623157e308, 1024.0)]
twofold += [(1 + s * x, 0.0) for s in (1, -1) for x in scaled(1e-15, 0.3, half)]
twofold += [(x, 0.0) for x in uniform(0.5, 2)] + [(x, 0.0) for x in scaled(1e-307, 1e308, half)] + [(x, 1024.0) for x in scaled(1, 1e300, half)]
rows("ln_twofold", twofold, lambda u, j: log(u) + j * log(2), digits=17)
cs = around(1e-6) + around(1.0) + around(root - 1) + [1e-300, 1e-17, 2.0**-53, 1e17, 1.7976931348623157e308]
rows("ln_1p_twofold", cs + scaled(1e-20, 1e-6, half) + scaled(1e-6, 1, RANDOM) + uniform(0, 4) + scaled(1, 1e308, half), log1p, digits=17)
