#!/usr/bin/env python3
"""Tables of `src/math/incomplete_gamma.rs` and truth for `tests/statistics.rs` (needs mpmath).

    python3 xtask/generators/statistics.py tables    # prints TEMME and RECIPROCAL_GAMMA
    python3 xtask/generators/statistics.py vectors > tests/data/statistics.csv

Truth has 25 digits, from 50-digit (or more) arithmetic: the incomplete gamma functions from the
power series or the continued fraction, and by quadrature of the density for shapes above 2e4; none
of them shares a formula with the crate at large shapes.
"""
import random
import sys

from mpmath import bernoulli, erfc, exp, findroot, log, log1p, loggamma, mp, mpf, pi, psi, quad, rgamma, sqrt, taylor

mp.dps = 50


def tables():
    """Temme's C_n(eta): DLMF 8.12.7 to 8.12.10, with mu mu' = eta (1 + mu) for the reversion."""
    mp.dps = 60
    size = 60
    alpha = [mpf(0), mpf(1)]
    for m in range(2, size + 2):
        inner = sum(alpha[i] * alpha[m + 1 - i] for i in range(2, m))
        alpha.append((2 * alpha[m - 1] / (m + 1) - inner) / 2)
    inverse = [mpf(1)]  # eta/mu
    for n in range(1, size + 1):
        inverse.append(-sum(alpha[k + 1] * inverse[n - k] for k in range(1, n + 1)))
    log_gamma = {2 * j - 1: bernoulli(2 * j) / (2 * j * (2 * j - 1)) for j in range(1, 8)}
    g = [mpf(1)]
    for n in range(1, 10):
        g.append(sum(k * log_gamma.get(k, 0) * g[n - k] for k in range(1, n + 1)) / n)
    rows = [inverse[1:]]
    for k in range(1, 7):
        slope = [(i + 1) * c for i, c in enumerate(rows[-1][1:])]
        assert abs(slope[0] + (-1) ** k * g[k]) < mpf(10) ** -40  # no pole at eta = 0
        rows.append([s + (-1) ** k * g[k] * i for s, i in zip(slope[1:], inverse[1:])])
    print(f"const TEMME: [&[f64]; {len(rows)}] = [")
    for n, row in enumerate(rows):
        kept = max(i for i, c in enumerate(row) if abs(c) * mpf("0.8") ** i / mpf(200) ** n > mpf(10) ** -18.5)
        print("    &[" + ", ".join(repr(float(c)) for c in row[: kept + 1]) + "],")
    print("];")
    slope = taylor(lambda a: rgamma(1 + a), 0, 26)[1:]
    print(f"const RECIPROCAL_GAMMA: [f64; {len(slope)}] = [" + ", ".join(repr(float(c)) for c in slope) + "];")


def tails(a, x):
    """(P, Q), the smaller with all digits."""
    a, x = mpf(a), mpf(x)
    exponent = x - a - a * log(x / a)
    if a > 2e4:
        # Outwards from u = (x - a)/sqrt(a) to where e^-70 of the start is left, relative to the start:
        # `quad` has an absolute tolerance.
        r = sqrt(a)
        u0 = (x - a) / r
        scale = exp(a * log(a) - a + log(a) / 2 - loggamma(a + 1) - exponent)
        end = sqrt(u0 * u0 + 140) - abs(u0)
        n = int(end * (4 + abs(u0)) / 4) + 2
        step = (1 if u0 >= 0 else -1) * end * mpf("1.05") / n

        def density(u):
            m = u / r
            return exp(exponent - a * (m - log1p(m))) / (1 + m)

        small = abs(scale * quad(density, [u0 + i * step for i in range(n + 1)]))
        return (1 - small, small) if u0 >= 0 else (small, 1 - small)
    before = mp.dps
    try:
        front = exp(a * log(x) - x - loggamma(1 + a))
        if x > a + 1 and x > 30 + 5 * sqrt(a):
            h = mpf(0)
            for n in range(1200, 0, -1):
                h = n * (a - n) / (x + 2 * n + 1 - a + h)
            q = front * a / (x + 1 - a + h)
            return 1 - q, q
        # Digits for Q = 1 - P, which may be as small as min(a, 1) e^-exponent.
        mp.dps = 90 + int(abs(exponent) / 2) - int(min(0, mp.log10(a)))
        front = exp(a * log(x) - x - loggamma(1 + a))
        term = total = mpf(1)
        n = a
        while term > total * mpf(10) ** -(mp.dps + 5):
            n += 1
            term *= x / n
            total += term
        return front * total, 1 - front * total
    finally:
        mp.dps = before


def normal_tail(z):
    return erfc(-z / sqrt(mpf(2))) / 2


def normal_quantile(p):
    target = min(mpf(p), 1 - mpf(p))
    if target == mpf(1) / 2:
        return mpf(0)
    z = findroot(lambda z: log(normal_tail(z) / target), mpf("0.3") - sqrt(-2 * log(target)))
    return z if p < 0.5 else -z


def gamma_quantile(a, p):
    """Newton in ln x from the bound P <= x^a/Gamma(a + 1) or the normal approximation."""
    a, p = mpf(a), mpf(p)
    lower = p <= mpf(1) / 2
    target = p if lower else 1 - p
    z = normal_quantile(p)
    cube = 1 - 1 / (9 * a) + z / (3 * sqrt(a))
    t = (log(p) + loggamma(1 + a)) / a
    if cube > 0 and a * cube**3 > exp(t):
        t = log(a * cube**3)
    for _ in range(60):
        x = exp(t)
        value = tails(a, x)[0 if lower else 1]
        slope = exp(a * t - x - loggamma(a)) / value
        step = log(value / target) / slope
        t += -step if lower else min(step, mpf(1))
        if abs(step) < mpf(10) ** -25 * max(1, abs(t)):
            break
    return exp(t)


def lognormal(mu, sigma, beta):
    """cdf, sf, pdf, ln_pdf."""
    z = (log(mpf(beta)) - mpf(mu)) / mpf(sigma)
    ln_pdf = -z * z / 2 - log(mpf(beta) * mpf(sigma) * sqrt(2 * pi))
    return normal_tail(z), normal_tail(-z), exp(ln_pdf), ln_pdf


def gamma_rows(k, theta, beta):
    a, x = mpf(k), mpf(beta) / mpf(theta)
    p, q = tails(a, x)
    ln_pdf = a * log(x) - x - loggamma(a) - log(mpf(beta))
    return {"cdf": p, "sf": q, "pdf": exp(ln_pdf), "ln_pdf": ln_pdf}


def gamma_moments(k, theta):
    a, t = mpf(k), mpf(theta)
    return {
        "mode": max(a - 1, mpf(0)) * t,
        "std_dev": sqrt(a) * t,
        "entropy": a + log(t) + loggamma(a) + (1 - a) * psi(0, a),
        "skewness": 2 / sqrt(a),
        "kurtosis_excess": 6 / a,
    }


def lognormal_moments(mu, sigma):
    mu, sigma = mpf(mu), mpf(sigma)
    w = exp(sigma**2)
    return {
        "median": exp(mu),
        "mode": exp(mu - sigma**2),
        "std_dev": exp(mu + sigma**2 / 2) * sqrt(w - 1),
        "entropy": mu + log(sigma) + (1 + log(2 * pi)) / 2,
        "skewness": (w + 2) * sqrt(w - 1),
        "kurtosis_excess": w**4 + 2 * w**3 + 3 * w**2 - 6,
    }


def vectors():
    random.seed(20240601)
    print("family,function,first,second,argument,truth")

    def row(family, function, first, second, argument, truth):
        if mpf(10) ** -306 < abs(truth) < mpf(10) ** 307 or truth == 0:
            print(f"{family},{function},{first!r},{second!r},{argument!r},{mp.nstr(truth, 25, strip_zeros=False)}")

    # Scales are powers of two: k·theta is exact, and the truth needs no allowance for its rounding.
    shapes = [1e-9, 1e-6, 1e-3, 0.02, 0.3, 0.75, 0.999, 1.0, 1.5, 2.0, 4.0, 7.3, 15.1, 19.99, 20.0, 33.0, 100.0,
              199.9, 200.0, 250.0, 999.0, 1000.0, 1490.0, 2.4e3, 1e4, 1e5, 1e6, 1e9, 1e12]
    for i, k in enumerate(shapes):
        theta = 2.0 ** random.randint(-12, 4)
        if k < 1:
            arguments = [1e-250, 1e-30, 1e-3, 0.4, 0.97, 1.48, 1.52, 3.0, 30.0, 500.0]
        else:
            deviates = (-30, -9, -3, -0.7, 0.4, 2, 7, 33)
            arguments = [k * max(1 - 1 / (9 * k) + z / (3 * k**0.5), 1e-3) ** 3 for z in deviates]
            arguments.append(k)
        for x in arguments:
            beta = float(x * theta)
            for function, truth in gamma_rows(k, theta, beta).items():
                if function != "pdf" and function != "ln_pdf" or i % 2 == 0:
                    row("gamma", function, k, theta, beta, truth)
        for function, truth in gamma_moments(k, theta).items():
            row("gamma", function, k, theta, 0.0, truth)
        if k <= 1e4:
            for p in (1e-200, 1e-5, 0.3, 0.5, 0.9, 1 - 2.0**-40):
                row("gamma", "quantile", k, theta, p, gamma_quantile(k, p) * mpf(theta))
    for mu, sigma in [(0.0, 1.0), (0.0, 1e-6), (-2.25, 0.5), (3.0, 0.01), (0.7, 12.0), (-600.0, 3.0), (500.0, 6.0)]:
        for z in (-35, -8, -2.2, -0.3, 0.0, 1e-9, 1.7, 5, 20, 36):
            argument = exp(mpf(mu) + mpf(sigma) * z)
            if not mpf(10) ** -300 < argument < mpf(10) ** 300:
                continue
            beta = float(argument)
            for function, truth in zip(("cdf", "sf", "pdf", "ln_pdf"), lognormal(mu, sigma, beta)):
                row("lognormal", function, mu, sigma, beta, truth)
        for p in (1e-300, 1e-20, 0.001, 0.3, 0.4999, 0.5, 0.75, 1 - 2.0**-50):
            row("lognormal", "quantile", mu, sigma, p, exp(mpf(mu) + mpf(sigma) * normal_quantile(p)))
        for function, truth in lognormal_moments(mu, sigma).items():
            row("lognormal", function, mu, sigma, 0.0, truth)


if __name__ == "__main__":
    {"tables": tables, "vectors": vectors}[sys.argv[1]]()
