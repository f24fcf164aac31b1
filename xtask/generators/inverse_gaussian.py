#!/usr/bin/env python3
"""Reference vectors of the inverse Gaussian family, 25 digits in ball arithmetic (needs python-flint and mpmath).

    python3 xtask/generators/inverse_gaussian.py vectors SEED ROWS OUT    # mean,cv,margin,… as tests/data/inverse_gaussian.csv
    python3 xtask/generators/inverse_gaussian.py native SEED ROWS OUT     # mean,shape,margin and derivatives in mean and shape
    python3 xtask/generators/inverse_gaussian.py posterior SEED ROWS OUT  # mean,v,margin, posterior mean and variance of β
    python3 xtask/generators/inverse_gaussian.py statistics OUT           # distribution functions, quantiles, moments, draws
    python3 xtask/generators/inverse_gaussian.py validate FILE            # recomputes a file of vectors
    python3 xtask/generators/inverse_gaussian.py nodes                    # prints src/family/inverse_gaussian/nodes.rs

T(x, v) = Σ (−1)ⁿ⁺¹ e^{−K(nx)}, K(s) = 2s/(1 + √(1 + 2vs)), and its derivatives term by term, accelerated (Cohen,
Rodriguez Villegas, Zagier; e^{−K(nx)} = E[(e^{−xB})ⁿ] are moments on [0, 1], so it converges as 5.83⁻ⁿ). Two term
counts and precisions must agree to 1e-32. The crate peels terms and integrates (Abel–Plana): another method.
`tests/data/extra_inverse_gaussian.csv` is `vectors 91 420`, `posterior_inverse_gaussian.csv` `posterior 92 200`,
`native_inverse_gaussian.csv` `native 94 200`.
"""
import csv
import random
import sys

from flint import arb, ctx, fmpz

from reference import agree, fmt, weights


def canonical(x, v, terms, prec):
    """T, −xT_x, x²T_xx, T_v, E[B;−], E[B²;−] by accelerated sums; x, v exact balls."""
    ctx.prec = prec
    w, d = weights(terms)
    sums = [arb(0)] * 6
    for k in range(terms):
        s = (k + 1) * x
        r = (1 + 2 * v * s).sqrt()
        f = (-2 * s / (1 + r)).exp() * w[k]
        first, second = 1 / r, 1 / (r * r) + v / (r * r * r)
        kv = 2 * s * s / ((1 + r) * (1 + r) * r)
        for i, g in enumerate((arb(1), s * first, s * s * second, kv, first, second)):
            sums[i] += f * g
    return [s / d for s in sums]


def sums(x, v, extra=0):
    """The same, checked; the first digits of small x cancel: T_v ~ x²."""
    tiny = extra
    if x != 0:
        tiny += max(0.0, -float(arb(x).log()) / 2.302585)
        tiny += max(0.0, float(arb(v).log()) / 2.302585) if v != 0 else 0.0
    digits = 50 + 3.2 * tiny
    n = int(digits / 0.7655) + 5
    # The second derivative of ln T is e⁻ˣ where v = 0. e^{−K} of a huge K takes as many bits as K has before its point.
    huge = max(0.0, float(arb(x).log())) if x != 0 else 0.0
    bits = int(digits * 3.33 * 2 + huge / 0.69) + 250
    a = canonical(x, v, n, bits)
    b = canonical(x, v, n + 9, bits + 90)
    ctx.prec = bits + 90
    # The last two carry the moments alone; near x = 0 the derivatives are checked as they are.
    if not agree(a, b):
        raise ValueError('no agreement at %s %s' % (x, v))
    return b


def exact(text):
    """The f64 as a ball."""
    m, e = float(text).as_integer_ratio()
    return arb(fmpz(m)) / arb(fmpz(e))


def row(mean, cv, margin, extra=0):
    """The columns after the inputs."""
    ctx.prec = 4000
    m, c, d = exact(mean), exact(cv), exact(margin)
    x, v = m * abs(d), c * c
    if x == 0:
        half = arb('0.5')
        return [half, arb(2).log(), -m / 2, arb(0), arb(0), m * m / 4]
    t, t1, t2, tv = sums(x, v, extra)[:4]
    size = abs(d)
    if margin < 0:
        p, nll = t, -t.log()
        d_margin = -t1 / t / size
        by_v = -tv / t
        second = ((t1 / t) ** 2 - t2 / t) / (size * size)
    else:
        u = 1 - t
        p, nll = u, -(-t).log1p()
        d_margin = -t1 / u / size
        by_v = tv / u
        second = (t2 / u + (t1 / u) ** 2) / (size * size)
    return [p, nll, d_margin, d * d_margin / m, 2 * c * by_v, second]


NAMES = ['mean', 'cv', 'margin', 'expected_sigmoid', 'nll', 'dnll_dmargin', 'dnll_dmean', 'dnll_dcv', 'd2nll_dmargin2']


def text(x):
    return '0' if x == 0 else fmt(x)


def inputs(rng, i):
    """A third practical, a third wide, the rest edges."""
    sign = rng.choice((-1, 1))
    kind = i % 3
    if kind == 0:
        return rng.uniform(0.01, 3) * 1.0, rng.uniform(0.01, 3), sign * 10 ** rng.uniform(-2, 2)
    if kind == 1:
        mean = 10 ** rng.uniform(-6, 6)
        return mean, 10 ** rng.uniform(-6, 4), sign * 10 ** rng.uniform(-8, 8) / mean
    pick = rng.randrange(8)
    mean = 10 ** rng.uniform(-3, 3)
    if pick == 0:  # extremes of everything
        return 10 ** rng.uniform(-100, 100), 10 ** rng.uniform(-6, 4), sign * 10 ** rng.uniform(-60, 150)
    if pick == 1:  # no spread, or next to none
        return mean, rng.choice((0.0, 1e-150, 1e-20, 1e-8)), sign * 10 ** rng.uniform(-3, 3) / mean
    if pick == 2:  # 2cv²x = 1: where the kernel changes
        cv = 10 ** rng.uniform(-2, 4)
        return mean, cv, sign * rng.choice((0.499999, 0.5, 0.500001, 0.51)) / cv / cv / mean
    if pick == 3:  # x = 2
        return mean, 10 ** rng.uniform(-4, 0), sign * rng.choice((1.999999, 2.0, 2.000001, 2.1)) / mean
    if pick == 4:  # deep tails: T from 1e-250 to beyond f64
        cv = 10 ** rng.uniform(-3, 1)
        k = rng.uniform(500, 1500)
        return mean, cv, sign * (k + 0.5 * cv * cv * k * k) / mean
    if pick == 5:
        return mean, 10 ** rng.uniform(4, 60), sign * 10 ** rng.uniform(-40, 40)
    if pick == 6:
        return mean, 10 ** rng.uniform(-3, 3), sign * rng.choice((1e-300, 1e-30, 1e-9, 1e9, 1e30, 1e300))
    return mean, 10 ** rng.uniform(-1, 1), rng.choice((0.0, sign * 1e-5, sign * 1e-3, sign * 1.0, sign * 700.0))


def vectors(seed, rows, out):
    rng = random.Random(seed)
    with open(out, 'w', newline='') as file:
        file.write(','.join(NAMES) + '\n')
        for i in range(rows):
            mean, cv, margin = inputs(rng, i)
            for extra in (0, 100, 250):
                try:
                    values = [text(v) for v in row(mean, cv, margin, extra)]
                    break
                except ValueError:  # not enough digits
                    if extra == 250:
                        raise
            file.write(','.join([repr(mean), repr(cv), repr(margin)] + values) + '\n')


def native(seed, rows, out):
    rng = random.Random(seed)
    with open(out, 'w', newline='') as file:
        file.write('mean,shape,margin,nll,dnll_dmargin,dnll_dmean,dnll_dshape\n')
        for i in range(rows):
            mean = 10 ** rng.uniform(-2, 2)
            v = 10 ** (rng.uniform(-1.5, 0.7) if i % 2 else rng.uniform(-8, 8))
            shape = mean / v
            margin = rng.choice((-1, 1)) * 10 ** (rng.uniform(-2, 1.5) if i % 4 < 2 else rng.uniform(-6, 8)) / mean
            ctx.prec = 4000
            m, lam, d = exact(mean), exact(shape), exact(margin)
            t, t1, _, tv = sums(m * abs(d), m / lam)[:4]
            other = t if margin < 0 else 1 - t
            sign = -1 if margin < 0 else 1
            # D nll_D and v nll_v
            elastic, by_v = -sign * t1 / other, sign * (m / lam) * tv / other
            nll = -t.log() if margin < 0 else -(-t).log1p()
            values = [text(x) for x in (nll, elastic / d, (elastic + by_v) / m, -by_v / lam)]
            file.write(','.join([repr(mean), repr(shape), repr(margin)] + values) + '\n')


def posterior(seed, rows, out):
    rng = random.Random(seed)
    with open(out, 'w', newline='') as file:
        file.write('mean,v,margin,posterior_mean,posterior_var\n')
        for i in range(rows):
            mean = 10 ** rng.uniform(-2, 2)
            v = 10 ** rng.uniform(-1.5, 0.7) if i % 2 else 10 ** rng.uniform(-30, 6)
            margin = rng.choice((-1, 1)) * 10 ** (rng.uniform(-2, 1.5) if i % 4 < 2 else rng.uniform(-6, 5)) / mean
            ctx.prec = 4000
            m, vv, d = exact(mean), exact(v), exact(margin)
            t, _, _, _, b1, b2 = sums(m * abs(d), vv)
            if margin < 0:
                first, second = b1 / t, b2 / t
            else:
                first, second = (1 - b1) / (1 - t), (1 + vv - b2) / (1 - t)
            values = [text(m * first), text(m * m * (second - first * first))]
            file.write(','.join([repr(mean), repr(v), repr(margin)] + values) + '\n')


def nodes():
    from mpmath import exp, mp, mpf
    mp.dps = 40
    h, start = mpf(3) / 32, mpf(-117) / 32
    t = [start + h * j for j in range(80)]
    s = [exp(x - exp(-x)) for x in t]
    w = [h * y * (1 + exp(-x)) for x, y in zip(t, s)]
    print('//! Nodes and weights of ∫₀^∞ f(s) ds: the trapezoidal rule in t, s = exp(t − e^{−t}), step 3/32 from −117/32 on.')
    print('//!\n//! Printed by `python3 xtask/generators/inverse_gaussian.py nodes`.\n')
    for doc, name, xs in (('s; the last is 41.5.', 'S', s), ('h ds/dt', 'W', w)):
        print('/// %s\n#[rustfmt::skip]\npub(super) const %s: [f64; 80] = [' % (doc, name))
        for i in range(0, 80, 4):
            print('    ' + ', '.join(repr(float(x)) for x in xs[i:i + 4]) + ',')
        print('];' + ('\n' if name == 'S' else ''))


def validate(path):
    with open(path) as file:
        for n, line in enumerate(csv.DictReader(file)):
            values = row(float(line['mean']), float(line['cv']), float(line['margin']))
            for name, value in zip(NAMES[3:], values):
                have = arb(line[name])
                off = abs(have - value)
                if not (off <= abs(value) * arb('1e-24')):
                    print(path, n + 2, name, line[name], text(value))
    print(path, n + 1, 'rows')


if __name__ == '__main__':
    command, *rest = sys.argv[1:]
    if command == 'vectors':
        vectors(int(rest[0]), int(rest[1]), rest[2])
    elif command == 'native':
        native(int(rest[0]), int(rest[1]), rest[2])
    elif command == 'posterior':
        posterior(int(rest[0]), int(rest[1]), rest[2])
    elif command == 'statistics':
        from inverse_gaussian_statistics import statistics
        statistics(rest[0])
    elif command == 'validate':
        validate(rest[0])
    elif command == 'nodes':
        nodes()
    else:
        sys.exit(__doc__)
