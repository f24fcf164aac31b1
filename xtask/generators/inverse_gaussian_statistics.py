"""Truth for the statistics of the inverse Gaussian family: `python3 xtask/generators/inverse_gaussian.py statistics OUT` (mpmath).

Textbook formulas with as many digits as they cancel: F = Φ(a) + e^{2/v}Φ(−b). Derivatives of quantiles by the same
formulas for F_λ and F′; entropy by E₁.
"""
import random

from mpmath import e1, erfc, exp, findroot, log, mp, mpf, nstr, pi, sqrt

mp.dps = 40


def parts(m, v, b):
    """Enough digits for 2/v and both tails, a and b."""
    m, v, b = mpf(m), mpf(v), mpf(b)
    ratio = b / m
    root = sqrt(v * ratio)
    a, c = (ratio - 1) / root, (ratio + 1) / root
    mp.dps = int(60 + c * c / 2 / 2.3 + abs(log(v)) + abs(log(ratio))) if c < 400 else 2000
    ratio = b / m
    root = sqrt(v * ratio)
    return m, v, b, ratio, (ratio - 1) / root, (ratio + 1) / root


def phi(z):
    return erfc(-z / sqrt(2)) / 2


def tails(m, v, b):
    m, v, b, ratio, a, c = parts(m, v, b)
    second = exp(2 / v) * phi(-c)
    return phi(a) + second, phi(-a) - second


def pdf(m, v, b):
    m, v, b, ratio, a, c = parts(m, v, b)
    return exp(-a * a / 2) / (b * sqrt(2 * pi * v * ratio))


def slopes(m, v, b):
    m, v, b, ratio, a, c = parts(m, v, b)
    shape = m / v
    # F_λ, and F′
    by_shape = exp(-a * a / 2) * (-1 / (sqrt(2 * pi) * shape * sqrt(v * ratio))) + 2 / m * exp(2 / v) * phi(-c)
    d_shape = -by_shape / pdf(m, v, b)
    return (b - shape * d_shape) / m, d_shape


def invert(m, v, p, upper):
    """ln β by bisection and the secant method on ln of the smaller tail."""
    mp.dps = 60
    target = log(mpf(p))
    f = lambda t: log(tails(m, v, exp(t))[1 if upper else 0]) - target
    low, high = log(mpf(m)) - 1, log(mpf(m)) + 1
    while (f(low) > 0) != upper:
        low -= 2
    while (f(high) > 0) == upper:
        high += 2
    for _ in range(9):
        mid = (low + high) / 2
        if (f(mid) > 0) != upper:
            high = mid
        else:
            low = mid
    mp.dps = 60
    return exp(findroot(f, (low, high), solver='secant', tol=mpf(10) ** -45))


def out(x):
    return nstr(x, 25, min_fixed=0, max_fixed=0)


def statistics(path):
    rng = random.Random(93)
    with open(path, 'w', newline='') as file:
        file.write('function,first,second,argument,truth\n')

        def row(name, m, v, at, truth):
            file.write('%s,%r,%r,%r,%s\n' % (name, m, v, at, out(truth)))

        for i in range(72):
            m = 10 ** rng.uniform(-3, 3)
            v = 10 ** (rng.uniform(-2, 1.2) if i % 2 else rng.uniform(-2.5, 6))
            # Around the mean, and where the density of large v is: near 1/v.
            spread = rng.gauss(0, 4 if i % 3 else 1.5)
            s = spread * float(mpf(v) ** mpf('0.5'))
            b = float(m * ((abs(s) + (s * s + 4) ** 0.5) / 2) ** (2 if s > 0 else -2))
            low, high = tails(m, v, b)
            row('cdf', m, v, b, low)
            row('sf', m, v, b, high)
            density = pdf(m, v, b)
            row('pdf', m, v, b, density)
            row('ln_pdf', m, v, b, log(density))
            d_mean, d_shape = slopes(m, v, b)
            row('d_mean', m, v, b, d_mean)
            row('d_shape', m, v, b, d_shape)
            mp.dps = 60
            mm, vv = mpf(m), mpf(v)
            row('mode', m, v, 0.0, mm * (sqrt(1 + 9 * vv * vv / 4) - 3 * vv / 2))
            entropy = log(2 * pi * mm * mm * vv) / 2 + mpf(1) / 2
            # e^x E1(x): asymptotic nowhere, as mpmath has exponents without end.
            row('entropy', m, v, 0.0, entropy - mpf(3) / 2 * exp(2 / vv) * e1(2 / vv))
            if i % 3 == 0 and v > 1e-2:
                p = 10 ** rng.uniform(-12, -0.31)
                row('quantile', m, v, p, invert(m, v, p, False))
                q = 1 - rng.uniform(1e-6, 0.5)
                row('quantile', m, v, q, invert(m, v, 1 - mpf(q), True))
                z = rng.gauss(0, 2)
                mp.dps = 60
                row('draw', m, v, z, invert(m, v, phi(-abs(mpf(z))), z > 0))


if __name__ == '__main__':
    import sys
    statistics(sys.argv[1])
