#!/usr/bin/env python3
"""Truth of Gauss-Hermite quadrature for `tests/points.rs` (needs mpmath).

    python3 xtask/generators/points.py > tests/data/gauss_hermite.csv

Nodes z >= 0 and weights for the standard normal density, 25 digits of 60: eigenvalues of the Jacobi
matrix, and Christoffel numbers 1/sum h_k(z)^2 of the orthonormal polynomials. Neither is the crate's way.
"""
from mpmath import eigsy, matrix, mp, mpf, nstr, sqrt

mp.dps = 60


def rule(n):
    jacobi = matrix(n, n)
    for k in range(1, n):
        jacobi[k - 1, k] = jacobi[k, k - 1] = sqrt(mpf(k))
    for z in sorted(eigsy(jacobi, eigvals_only=True)):
        before, h, total = mpf(0), mpf(1), mpf(0)
        for k in range(n):
            total += h * h
            before, h = h, (z * h - sqrt(mpf(k)) * before) / sqrt(mpf(k + 1))
        yield (z if abs(z) > mpf(10) ** -50 else mpf(0)), 1 / total


print("n,z,w")
for n in (5, 16, 33, 64, 127, 128):
    nodes = list(rule(n))
    assert abs(sum(w for _, w in nodes) - 1) < mpf(10) ** -40
    for z, w in nodes[n // 2:]:
        print(f"{n},{nstr(z, 25)},{nstr(w, 25)}")
