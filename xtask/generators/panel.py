#!/usr/bin/env python3
"""Writes tests/data/extra_panel.csv, panels with 25 digits (needs mpmath):

    python3 xtask/generators/panel.py ROWS SEED OUT

ln((1-rho) E prod A(b D) + rho E prod A(-b D)), A(z) = e0 + (1-e0-e1)/(1+exp(-z)), by the trapezoidal rule in ln b with
40 to 60 digits, from scores rather than from curvatures; every value must agree to 1e-26 between two steps. Quantiles are
those of the node sums, by bisection of the integral itself.
"""
import sys, random
import mpmath as mp

FAMILIES = ('gamma', 'lognormal', 'inverse-gaussian')

def law(family, v):
    """ln density of x = ln(b/mean), and its derivative in v."""
    if family == 'gamma':
        k = 1 / v; c = k * mp.log(k) - mp.loggamma(k); e = mp.log(k) - mp.digamma(k)
        return lambda x: c + k * (x - mp.exp(x)), lambda x: k * k * (mp.expm1(x) - x - e), 1
    if family == 'lognormal':
        q = mp.log1p(v); c = mp.log(2 * mp.pi * q) / 2
        return (lambda x: -(x + q / 2) ** 2 / (2 * q) - c), \
               (lambda x: ((x + q / 2) ** 2 / (2 * q * q) - (x + q / 2) / (2 * q) - 1 / (2 * q)) / (1 + v)), 0
    c = mp.log(2 * mp.pi * v) / 2
    return lambda x: -c - x / 2 - (mp.cosh(x) - 1) / v, lambda x: -1 / (2 * v) + (mp.cosh(x) - 1) / v ** 2, 0

def choices(b, margins, e0, e1):
    """ln of the product, sum of D d/dD, d/dD1, d/de0, d/de1."""
    ln = dm = d0 = d1 = mp.mpf(0); first = None
    s = 1 - e0 - e1
    for d in margins:
        z = b * d; u = mp.exp(-abs(z))
        up, down = (1 / (1 + u), u / (1 + u)) if z >= 0 else (u / (1 + u), 1 / (1 + u))
        a = e0 + s * up
        ln += mp.log(a); slope = s * up * down / a * b
        dm += slope * d; d0 += down / a; d1 -= up / a
        if first is None: first = slope
    return ln, dm, first, d0, d1

def integral(family, mean, v, margins, e0, e1, step, cut):
    density, score, slow = law(family, v)
    f = lambda x: density(x) + choices(mean * mp.exp(x), margins, e0, e1)[0]
    # A start: the best of a coarse grid, refined about it.
    width = mp.sqrt(mp.log1p(v))
    grid = [width * mp.mpf(j) / 4 for j in range(-60, 61)] + [mp.mpf(j) / 3 for j in range(-180, 30)]
    best = max(grid, key=f); span = max(width, mp.mpf(1) / 3)
    for _ in range(12):
        best = max((best + span * mp.mpf(j) / 8 for j in range(-8, 9)), key=f); span /= 3
    top = f(best)
    second = (f(best + span) - 2 * top + f(best - span)) / span ** 2 if span > 0 else -1 / width ** 2
    span = width / 1000
    second = (f(best + span) - 2 * top + f(best - span)) / span ** 2
    scale = min(mp.mpf(1), 1 / mp.sqrt(max(-second, mp.mpf('1e-6'))))
    h = step * scale
    rows = []
    for side in (1, -1):
        j = 0 if side > 0 else 1; low = 0
        while low < 6 and j < 20000:
            # A slow left tail is drawn in, as e^(kx).
            t = side * j * h
            x, weight = best + t, mp.mpf(1)
            if slow and v > mp.mpf('0.02'): x, weight = best + t - mp.exp(-t) + 1, 1 + mp.exp(-t)
            c = choices(mean * mp.exp(x), margins, e0, e1)
            ln = density(x) + c[0] - top
            rows.append((x, weight * mp.exp(ln), score(x)) + c[1:])
            gain = 3 * max(t, 0) + 60
            low = low + 1 if ln + mp.log(weight) + gain < -cut else 0
            j += 1
    rows.sort()
    total = mp.fsum(r[1] for r in rows)
    mean_of = lambda g: mp.fsum(r[1] * g(r) for r in rows) / total
    b = lambda r: mean * mp.exp(r[0])
    m = mean_of(b)
    var = mean_of(lambda r: (b(r) - m) ** 2)
    return [mp.log(total * h) + top, mean_of(lambda r: r[3]), mean_of(lambda r: r[2]), mean_of(lambda r: r[5]),
            mean_of(lambda r: r[6]), m, var, mean_of(lambda r: r[4])]

def mixture(family, mean, v, margins, e0, e1, rho, step, cut):
    plus = integral(family, mean, v, margins, e0, e1, step, cut)
    if rho == 0: return plus[:6] + [mp.sqrt(plus[6]), plus[7], mp.mpf(0)]
    minus = integral(family, mean, v, [-d for d in margins], e0, e1, step, cut)
    ln = mp.log((1 - rho) * mp.exp(plus[0]) + rho * mp.exp(minus[0]))
    a, b = (1 - rho) * mp.exp(plus[0] - ln), rho * mp.exp(minus[0] - ln)
    mix = [a * x + b * y for x, y in zip(plus, minus)]
    m = mix[5]; var = a * (plus[6] + (plus[5] - m) ** 2) + b * (minus[6] + (minus[5] - m) ** 2)
    return [ln, mix[1], mix[2], mix[3], mix[4], m, mp.sqrt(var), a * plus[7] - b * minus[7],
            mp.exp(minus[0] - ln) - mp.exp(plus[0] - ln)]

def main(rows, seed, out):
    rng = random.Random(seed)
    names = ['loglik', 'dll_dln_mean', 'dll_dv', 'dll_dfloor', 'dll_dceiling', 'posterior_mean', 'posterior_sd',
             'dll_dmargin1', 'dll_dreversed']
    with open(out, 'w') as file:
        print(','.join(['family', 'mean', 'cv', 'floor', 'ceiling', 'reversed', 'margins'] + names), file=file)
        for n in range(rows):
            family = FAMILIES[n % 3]
            cv = 10 ** rng.uniform(-5, .9) if rng.random() < .8 else 10 ** rng.uniform(-8, 2)
            if family == 'lognormal' and cv > 20: cv = 20.0
            mean = 10 ** rng.uniform(-2, 1)
            count = rng.choice([1, 2, 3, 7, 20, 60] if n % 10 else [300])
            scale = 10 ** rng.uniform(-2, 1.5) / mean
            wrong = rng.choice([0, .1, .3, .5, 1])
            margins = [scale * rng.lognormvariate(0, 1) * (-1 if rng.random() < wrong else 1) for _ in range(count)]
            if rng.random() < .1: margins[0] *= 1e4
            e0 = e1 = 0.0
            if n % 4: e0 = e1 = rng.choice([1e-12, 1e-3, .05, .2, .45]) * rng.uniform(.5, 1)
            if n % 4 == 3: e1 = rng.choice([0.0, .01, .3])
            rho = rng.choice([0.0, 0.0, .02, .3])
            mp.mp.dps = 60
            arguments = [mp.mpf(x) for x in (mean,)] + [mp.mpf(cv) ** 2, [mp.mpf(d) for d in margins]]
            lapse = [mp.mpf(x) for x in (e0, e1, rho)]
            step = mp.mpf('0.09') / (1 + mp.mpf(max(0, -mp.log(mp.mpf(e0)))) / 8 if e0 else 1)
            a = mixture(family, *arguments, *lapse, step, 70)
            b = mixture(family, *arguments, *lapse, step * mp.mpf('0.77'), 75)
            # Below that, agreement would have to be relative.
            if any(0 < abs(y) < mp.mpf('1e-12') for y in b[1:]): continue
            for x, y, name in zip(a, b, names):
                # Derivatives may be differences.
                if abs(x - y) > mp.mpf('1e-24') * max(abs(y), mp.mpf('1e-12')): print('row', n, name, mp.nstr(x, 30), mp.nstr(y, 30), family, cv, file=sys.stderr); break
            else:
                text = [family, repr(mean), repr(cv), repr(e0), repr(e1), repr(rho), ';'.join(map(repr, margins))]
                print(','.join(text + [mp.nstr(x, 25, min_fixed=1, max_fixed=0) for x in b]), file=file, flush=True)

if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
