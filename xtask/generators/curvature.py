#!/usr/bin/env python3
"""Prints the tables CURVATURE of src/family/{gamma,inverse_gaussian}/law.rs: coefficients of v^i d^j, 2i + j < 13, of
the kernel k with d/dv E[g(B)] = E[k(B - 1) g''(B)], B of mean 1 and variance v.

With the density p, (pk)'' = dp/dv. In k1 = (pk)'/p: k1' + k1 p'/p = d ln p/dv and k' + k p'/p = k1, solved by power
series in v and d = B - 1; every division by d must leave no remainder, which checks the normaliser's series.
"""
from fractions import Fraction as F

TERMS = 13
N = TERMS + 6  # a division by d loses one

def poly(*c): return [F(x) for x in c] + [F(0)] * (N - len(c))
def add(*ps): return [sum(c) for c in zip(*ps)]
def scale(c, a): return [c * x for x in a]
def derive(a): return [(i + 1) * a[i + 1] for i in range(N - 1)] + [F(0)]
def mul(a, b):
    r = [F(0)] * N
    for i, x in enumerate(a):
        for j, y in enumerate(b[:N - i]): r[i + j] += x * y
    return r
def over_d(a):
    assert a[0] == 0, a[0]
    return a[1:] + [F(0)]
def inverse(a):
    r = [1 / a[0]]
    for n in range(1, N): r.append(-sum(a[k] * r[n - k] for k in range(1, n + 1)) / a[0])
    return r

B = poly(1, 1)
ROWS = (TERMS + 1) // 2

def gamma():
    # p'/p = -(d + v)/(v(1 + d)); d ln p/dv = ((d - ln(1 + d)) - c)/v^2, c = ln k - psi(k), k = 1/v
    ln = [F(0)] + [F((-1) ** (n + 1), n) for n in range(1, N)]
    c = [F(0), F(1, 2), F(1, 12), F(0), F(-1, 120), F(0), F(1, 252), F(0)]
    p = [scale(F(-1), over_d(mul(B, add(poly(0, 1), scale(F(-1), ln)))))]
    for i in range(1, ROWS): p.append(over_d(add(mul(B, derive(p[-1])), scale(F(-1), p[-1]), scale(c[i], B))))
    q = [scale(F(-1), over_d(mul(B, p[0])))]
    for i in range(1, ROWS):
        q.append(over_d(add(mul(B, derive(q[-1])), scale(F(-1), q[-1]), scale(F(-1), mul(B, p[i])))))
    return q

def inverse_gaussian():
    # p'/p = -3/(2b) - d(2 + d)/(2vb^2), b = 1 + d; d ln p/dv = -1/(2v) + d^2/(2v^2 b)
    square, half = mul(B, B), inverse(poly(2, 1))
    p = [scale(F(-1), mul(mul(poly(0, 1), B), half))]
    for i in range(1, ROWS):
        rest = add(scale(F(2), mul(square, derive(p[-1]))), scale(F(-3), mul(B, p[-1])), square if i == 1 else poly())
        p.append(mul(over_d(rest), half))
    q = [scale(F(-2), mul(mul(square, over_d(p[0])), half))]
    for i in range(1, ROWS):
        rest = add(scale(F(2), mul(square, derive(q[-1]))), scale(F(-3), mul(B, q[-1])), scale(F(-2), mul(square, p[i])))
        q.append(mul(over_d(rest), half))
    return q

for name, table in (('gamma', gamma()), ('inverse_gaussian', inverse_gaussian())):
    print(name)
    for i, row in enumerate(table): print('  v^%d:' % i, ', '.join(map(str, row[:TERMS - 2 * i])))
