#!/usr/bin/env python3
"""Nodes of `src/math/gamma_shape.rs` and truth for `tests/sampling_strength.rs` (needs mpmath).

    python3 xtask/generators/sampling.py tables     # prints NODES and WEIGHTS
    python3 xtask/generators/sampling.py vectors > tests/data/gamma_samples.csv

Truth has 25 digits, from 50-digit (or more) arithmetic: the quantile by Newton's method on the incomplete
gamma functions of `xtask/generators/statistics.py`, its derivative in the shape from their differences in the shape,
checked against quadrature of the derivative of the density.
"""
import random
import sys

from mpmath import erfc, exp, expm1, log, loggamma, mp, mpf, psi, quad, sqrt

from statistics import tails  # the file beside this one

mp.dps = 50


def tables(n=32):
    """Gauss-Legendre nodes and weights on [0, 1]."""
    pairs = []
    for i in range(n):
        x = mp.cos(mp.pi * (i + mpf(3) / 4) / (n + mpf(1) / 2))
        for _ in range(8):
            p = mp.legendre(n, x)
            slope = n * (x * p - mp.legendre(n - 1, x)) / (x * x - 1)
            x -= p / slope
        pairs.append(((1 - x) / 2, 1 / ((1 - x * x) * slope**2)))
    for name, column in zip(("NODES", "WEIGHTS"), zip(*pairs)):
        print(f"const {name}: [f64; {n}] = [" + ", ".join(repr(float(c)) for c in column) + "];")


def quantile(a, z):
    """x with P(a, x) = Phi(z), by Newton's method for the logarithm of the smaller tail in ln x."""
    a, z = mpf(a), mpf(z)
    side = 0 if z <= 0 else 1
    target = erfc(abs(z) / sqrt(mpf(2))) / 2
    p = target if side == 0 else 1 - target
    cube = 1 - 1 / (9 * a) + z / (3 * sqrt(a))
    t = (log(p) + loggamma(1 + a)) / a
    if cube > 0 and a * cube**3 > exp(t):
        t = log(a * cube**3)
    for _ in range(80):
        x = exp(t)
        value = tails(a, x)[side]
        slope = exp(a * t - x - loggamma(a)) / value
        step = log(value / target) / slope
        t += -step if side == 0 else min(step, mpf(1))
        if abs(step) < mpf(10) ** -22 * max(1, 1 / a):  # what is left is its square
            return exp(t)
    raise ArithmeticError(f"no quantile for {a}, {z}")


def by_differences(a, x):
    """dx/da at fixed P(a, x): -(dP/da)/(dP/dx), the smaller tail, nine points."""
    a, x = mpf(a), mpf(x)
    h = min(sqrt(a), a) / 10**6
    side, sign = (0, -1) if x < a and a > 1 or tails(a, x)[0] < 0.5 else (1, 1)
    tail = lambda i: tails(a + i * h, x)[side]
    weights = [mpf(4) / 5, -mpf(1) / 5, mpf(4) / 105, -mpf(1) / 280]
    slope = sum(w * (tail(i) - tail(-i)) for i, w in enumerate(weights, 1)) / h
    return sign * slope / exp((a - 1) * log(x) - x - loggamma(a))


def by_quadrature(a, x):
    """The same from the integral of density(t) (psi(a) - ln t) over (0, x), or over (x, oo), over density(x);
    in y = ln(t/x)."""
    a, x = mpf(a), mpf(x)
    d = psi(0, a) - log(x)
    sign = -1 if d >= 0 else 1

    def integrand(y):
        y = sign * y
        return abs(y - d) * exp(a * y - x * expm1(y))

    # Doubling panels to where e^-125 is left.
    end = step = 1 / max(sqrt(a), abs(a - x), 1)
    points = [mpf(0), end]
    while x * expm1(sign * end) - a * sign * end < 125:
        end += step
        points.append(end)
        if len(points) % 8 == 0:
            step *= 2
    return x * quad(integrand, points)


def vectors():
    random.seed(20240607)
    print("k,theta,z,beta,d_shape,d_scale")
    cases = []
    for k in (0.5, 1.0, 2.0, 7.99, 8.0, 19.99, 20.0, 200.0, 1e3):
        cases += [(k, z) for z in (-8.0, -3.5, -1.0, -0.125, 0.0, 0.25, 1.0, 2.5, 5.0, 8.0)]
    # Where the method for the derivative changes: x = exp(psi(k)), or exp(psi(k + 1)) below 8.
    for k in (1e-3, 0.1, 0.9, 1.0, 3.0, 7.9, 8.1, 50.0, 1e4):
        switch = exp(psi(0, mpf(k) + (1 if k < 8 else 0)))
        p, q = tails(k, switch)
        z = float(mp.findroot(lambda z: erfc(-z / sqrt(mpf(2))) / 2 - p, 1 if p > 0.5 else -1))
        cases += [(k, z + dz) for dz in (-1e-3, -1e-9, 1e-9, 1e-3)]
    for i in range(260):
        k = 10 ** random.uniform(-3, 6)
        z = random.gauss(0, 1) if i % 2 else random.uniform(-8, 8)
        cases.append((k, z))
    deep = random.Random(20240608)
    cases += [(10 ** deep.uniform(-1, 4), deep.uniform(8, 37) * (-1) ** i) for i in range(40)]
    for k, z in cases:
        theta = 2.0 ** random.randint(-12, 4)
        x = quantile(k, z)
        if x < mpf(10) ** -290:
            continue
        slope, check = by_differences(k, x), by_quadrature(k, x)
        if abs(slope / check - 1) > mpf(10) ** -26:
            raise ArithmeticError(f"{k}, {z}: {slope}, {check}")
        text = [mp.nstr(mpf(theta) * v, 25, strip_zeros=False) for v in (x, check)]
        print(f"{k!r},{theta!r},{z!r}," + ",".join(text) + "," + mp.nstr(x, 25, strip_zeros=False), flush=True)


if __name__ == "__main__":
    {"tables": tables, "vectors": vectors}[sys.argv[1]]()
