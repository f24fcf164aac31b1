#!/usr/bin/env python3
"""Writes the polynomials of the Gamma family near zero (needs python-flint and numpy).

    python3 xtask/generators/near.py tables > src/family/gamma/near_tables.rs && rustfmt src/family/gamma/near_tables.rs
    python3 xtask/generators/near.py points X0 X1 C0 C1 SEED ROWS [f32] > FILE   # truth to test against

Two variables x ≥ 0 and c = xv ≥ 0. T = Σ_{n≥1} (−1)ⁿ⁺¹ (1 + nc)^(−x/c), and ℓ = ln((1 − T)/T) is

    ℓ = x (1 − cR),    dℓ/dx at fixed v = 1 − c (2R + xRₓ + cR_c),    −dℓ/dv = x² (R + cR_c).

At c = 0, R = tanh(x/2)/2, and R ≈ x/4 + c/6 near the origin. There R would lose relative accuracy as a
plain polynomial, so a piece that holds the origin has R = x U(x²) + c W, U(0) = 1/4 exactly, and a
polynomial W; any other piece has a polynomial R.

A piece is a rectangle [x₀, x₁] × [c₀, c₁] with c ≤ 1. Its polynomial is Σ aᵢⱼ uⁱ zʲ, u = x − (x₀ + x₁)/2 and
z = α − 1/(c + p). At c = 0 the function is smooth without being analytic; 1/(c + p) with a pole near
c = −½ shortens the expansion in c by a third or more, and α centres it. Rows are powers of u, each with its own
number of powers of z.

Method: R or W by the Abel–Plana integral in ball arithmetic (57 digits, trapezoid in t = sinh(jh)) on a
Chebyshev grid; its Chebyshev series in both variables, in 64-bit mantissas; rows cut where a coefficient no
longer matters for the worst of ℓ, dℓ/dx, dℓ/dv relative to its tolerance; then the coefficients that stay
are fitted again to all three functions by least squares, reweighted (Lawson) towards the smallest maximum,
and the cheapest row end is dropped as long as all three maxima stay below tolerance. Exact conversion to powers,
one rounding. The same machine gives the same bits; another linear-algebra library may change last bits, within
the same tolerances.
"""
import os, sys, math, random

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # one order of summation
import numpy as np
from flint import arb, acb, ctx

LD = np.longdouble
PREC = 190
ctx.prec = PREC


def to_ld(a):
    hi = float(a.mid())
    return LD(hi) + LD(float((a - arb(hi)).mid()))


def to_arb(a):
    hi = float(a)
    return arb(hi) + arb(float(a - LD(hi)))


# ---------- truth
_NODES = {}


def nodes(prec, h=0.08):
    """Abel–Plana: nodes t and weights h cosh/sinh(πt), cut where w t⁴ falls below 2^-140."""
    if (prec, h) not in _NODES:
        ctx.prec = prec
        out, j, h_ = [], 0, arb(h)
        while True:
            u = (arb(j) + arb(1) / 2) * h_
            t = u.sinh()
            w = h_ * u.cosh() / (arb.pi() * t).sinh()
            if float(w * t**4) < 2.0**-140:
                break
            out.append((t, w))
            j += 1
        _NODES[prec, h] = out
    ctx.prec = prec
    return _NODES[prec, h]


def w_grid(xs, cs):
    """W = ((1 − ℓ/x)/c − tanh(x/2)/2)/c at xs × cs, as [len(cs)][len(xs)] long doubles."""
    nd = nodes(PREC)
    out = np.zeros((len(cs), len(xs)), LD)
    for i, c in enumerate(cs):
        pre = [((t * c) ** 2, (t * c).atan(), w) for t, w in nd]
        pre = [(q.log1p() / 2, a, w) for q, a, w in pre]
        for j, x in enumerate(xs):
            k = x / c
            half = sum((w * (-k * q).exp() * (k * a).sin() for q, a, w in pre), arb(0))
            out[i, j] = to_ld(((1 - 2 * (2 * half).atanh() / x) / c - (x / 2).tanh() / 2) / c)
    return out


def truth(x, c):
    """(ℓ, dℓ/dx, −dℓ/dv) at floats x > 0, c ≥ 0; derivatives under the integral."""
    if c == 0:
        ctx.prec = PREC
        return to_ld(arb(x)), LD(1), to_ld(arb(x) ** 2 * (arb(x) / 2).tanh() / 2)
    nd = nodes(180 + int(max(0, -math.log2(c)) * 2.2))
    c_ = arb(c)
    k = arb(x) / c_
    half = tx = tv = arb(0)
    for t, w in nd:
        z = acb(arb(0), t * c_)
        log = (1 + z).log()
        f = (-k * log).exp()
        q = f / (1 + z)
        half -= w * f.imag
        tx -= w * t * q.real
        tv += w * (f * log - z * q).imag
    d = (arb(1) / 2 - half) * (arb(1) / 2 + half)
    out = to_ld(2 * (2 * half).atanh()), to_ld(-tx / d), to_ld(tv * k * k / d)
    ctx.prec = PREC
    return out


# ---------- Chebyshev series
def cheb_points(n):
    return [(arb(2 * i + 1) / (2 * n) * arb.pi()).cos() for i in range(n)]


_DCT = {}


def dct(n):
    if n not in _DCT:
        m = [[to_ld((arb(k * (2 * i + 1) % (4 * n)) / (2 * n) * arb.pi()).cos()) for i in range(n)] for k in range(n)]
        _DCT[n] = np.array(m) * 2 / LD(n)
        _DCT[n][0] /= 2
    return _DCT[n]


def cheb(z, n):
    """T_0..T_{n−1} and their derivatives at z."""
    t, d = np.ones((len(z), n), LD), np.zeros((len(z), n), LD)
    t[:, 1], d[:, 1] = z, 1
    for k in range(2, n):
        t[:, k] = 2 * z * t[:, k - 1] - t[:, k - 2]
        d[:, k] = 2 * t[:, k - 1] + 2 * z * d[:, k - 1] - d[:, k - 2]
    return t, d


class Piece:
    def __init__(self, x0, x1, c0, c1, pole, origin, tol, nx=30, ns=44, gx=33, gs=49):
        self.box, self.pole, self.origin, self.tol, self.nx, self.ns = (x0, x1, c0, c1), pole, origin, tol, nx, ns
        r0, r1 = 1 / (arb(c0) + pole), 1 / (arb(c1) + pole)
        xs = [arb(x0) + (1 + z) / 2 * (arb(x1) - arb(x0)) for z in cheb_points(nx)]
        cs = [1 / ((r0 + r1) / 2 - (r0 - r1) / 2 * z) - pole for z in cheb_points(ns)]
        f = w_grid(xs, cs)
        if not origin:
            f = np.array([to_ld((x / 2).tanh() / 2) for x in xs]) + np.array([to_ld(c) for c in cs])[:, None] * f
        self.a = dct(ns) @ f @ dct(nx).T

        # The grid on which errors are judged: Chebyshev extrema, edges included.
        grid = lambda n: np.cos(LD(math.pi) * np.arange(n - 1, -1, -1).astype(LD) / (n - 1))
        zx, zs = grid(gx), grid(gs)
        zx[0] = zs[0] = -1
        hx, r0, r1 = LD(x1 - x0) / 2, 1 / (LD(c0) + LD(pole)), 1 / (LD(c1) + LD(pole))
        hr = (r0 - r1) / 2
        r = (r0 + r1) / 2 - hr * zs
        c = 1 / r - LD(pole)
        c[-1] = c1
        x = LD(x0) + (1 + zx) * hx
        # The limits at the origin instead of 0/0: first x → 0, then c → 0.
        c[0] = max(c0, 1e-9)
        self.x, self.c = np.where(x == 0, LD(1e-15), x), c[:, None]
        (self.tx, dx), (self.ts, ds) = cheb(zx, nx), cheb(zs, ns)
        self.dx, self.ds = dx / hx, ds * (r * r / hr)[:, None]
        p, px, pc = self.ts @ self.a @ self.tx.T, self.ts @ self.a @ self.dx.T, self.ds @ self.a @ self.tx.T
        if origin:
            th = np.tanh(self.x / 2) / 2
            p, px, pc = th + self.c * p, LD(0.25) - th**2 + self.c * px, p + self.c * pc
        self.l = 1 - self.c * p
        self.lx = 1 - self.c * (2 * p + self.x * px + self.c * pc)
        self.lv = p + self.c * pc
        weight = [np.max([np.abs(q).max(0) for q in self.effect(np.arange(nx), np.full(nx, j))], 0) for j in range(ns)]
        self.g = (np.array(weight) * np.abs(self.a)).astype(float)

    def effect(self, i, j):
        """Of Tᵢ(x)Tⱼ(z) on ℓ, dℓ/dx, dℓ/dv, relative and in tolerances."""
        t = self.ts[:, None, j] * self.tx[None][:, :, i]
        tx = self.ts[:, None, j] * self.dx[None][:, :, i]
        tc = self.ds[:, None, j] * self.tx[None][:, :, i]
        c, x = self.c[:, :, None], self.x[None, :, None]
        if self.origin:
            t, tx, tc = c * t, c * tx, t + c * tc
        e = (c * t / self.l[:, :, None], c * (2 * t + x * tx + c * tc) / self.lx[:, :, None], (t + c * tc) / self.lv[:, :, None])
        return [q.reshape(-1, q.shape[2]) / LD(e_) for q, e_ in zip(e, self.tol)]

    # The last few coefficients of the series are noise; none of them reaches a table.
    def prepare(self):
        nj, ni = self.ns - 4, self.nx - 2
        self.jj, self.ii = [v.ravel() for v in np.meshgrid(np.arange(nj), np.arange(ni), indexing="ij")]
        use = self.g[self.jj, self.ii] > 1e-5
        self.jj, self.ii = self.jj[use], self.ii[use]
        full = np.concatenate(self.effect(self.ii, self.jj))
        self.full = full.astype(float)
        self.full_a = self.a[self.jj, self.ii].astype(float)

    def fit(self, lens, rounds):
        """Rows by power of x, j < lens[i]. Coefficients, three maxima, cost of dropping each one."""
        keep = np.array([i < len(lens) and j < lens[i] for i, j in zip(self.ii, self.jj)])
        b, y = self.full[:, keep], self.full[:, ~keep] @ self.full_a[~keep]
        norm = np.sqrt((b * b).sum(0))
        b, w, best = b / norm, np.ones(len(y)), None
        for _ in range(rounds + 1):
            bw = b * w[:, None]
            gram = bw.T @ bw + 1e-13 * len(y) / b.shape[1] * np.eye(b.shape[1])
            inv = np.linalg.inv(gram)
            d = inv @ (bw.T @ (w * y))
            res = y - b @ d
            m = np.abs(res).max()
            if best is None or m < best[0]:
                best = m, d, res, inv
            w = w * np.sqrt(np.abs(res) / m * 0.9 + 0.1)
            w /= w.max()
        m, d, res, inv = best
        out = np.zeros((self.ns, self.nx), LD)
        i, j = self.ii[keep], self.jj[keep]
        out[j, i] = self.a[j, i] + d / norm
        cost = {}
        total = (out[j, i] * norm).astype(float) ** 2 / np.diag(inv)
        for a, b_, t in zip(i, j, total):
            cost[a, b_] = t
        n = len(res) // 3
        return out, [np.abs(res[k * n : (k + 1) * n]).max() for k in range(3)], cost

    def reduce(self, start=1.0):
        """Row ends dropped one by one, the cheapest first, while the fit stays within tolerance."""
        self.prepare()
        for k in (start, 0.5 * start, 0.2 * start, 0.05 * start):
            lens = [int(np.nonzero(col > k)[0].max() + 1) if (col > k).any() else 0 for col in self.g[: self.ns - 4, : self.nx - 2].T]
            while lens and lens[-1] == 0:
                lens.pop()
            lens = [max([1] + [l_ for l_ in lens[i:]]) for i in range(len(lens))]
            fit = self.fit(lens, 3)
            if max(fit[1]) <= 1:
                break
        tabu = set()
        while True:
            ends = [(i, l - 1) for i, l in enumerate(lens) if (i + 1 == len(lens) or l > lens[i + 1]) and i not in tabu]
            if not ends:
                break
            i, j = min(ends, key=lambda e: fit[2].get(e, 0.0))
            trial = lens[:i] + [j] + lens[i + 1 :]
            if j == 0:
                trial.pop()
            again = self.fit(trial, 3)
            if 1 < max(again[1]) < 1.5:
                again = self.fit(trial, 20)
            if max(again[1]) <= 1:
                lens, fit = trial, again
            else:
                tabu.add(i)
                if len(tabu) > 8:
                    break
        self.lens, (self.b, self.err, _) = lens, self.fit(lens, 40)
        if max(self.err) > 1:
            self.b, self.err, _ = self.fit(lens, 3)
        return self

    def powers(self, rnd):
        """Row lengths, flat coefficients of u^i z^j, and centre, pole, α as rounded."""
        x0, x1, c0, c1 = self.box
        centre, pole = rnd((x0 + x1) / 2), rnd(self.pole)
        r0, r1 = 1 / (arb(c0) + pole), 1 / (arb(c1) + pole)
        alpha = rnd(float(((r0 + r1) / 2).mid()))
        # u = hx·ξ + ox, z = hr·ζ + oz, from the variables ξ, ζ of the series
        hx, ox = (arb(x1) - arb(x0)) / 2, (arb(x0) + arb(x1)) / 2 - centre
        hr, oz = (r0 - r1) / 2, alpha - (r0 + r1) / 2
        px, pz = shifted(max(len(self.lens), 2), hx, ox), shifted(max(max(self.lens), 2), hr, oz)
        m, n = len(self.lens), max(self.lens)
        a = [[to_arb(self.b[j, i]) for j in range(n)] for i in range(m)]
        half = [[sum((a[k][j] * px[k][i] for k in range(i, m)), arb(0)) for j in range(n)] for i in range(m)]
        rows = [[sum((half[i][k] * pz[k][j] for k in range(j, n)), arb(0)) for j in range(n)] for i in range(m)]
        return [rnd(float(q.mid())) for row, l in zip(rows, self.lens) for q in row[:l]], centre, pole, alpha


def shifted(n, h, o):
    """Coefficients by powers of u of T_k((u − o)/h), k < n."""
    t = [[arb(1)], [-o / h, 1 / h]]
    for k in range(2, n):
        p, q = t[-1], t[-2] + [arb(0)] * 2
        new = [arb(0)] * (k + 1)
        for i, v in enumerate(p):
            new[i + 1] += 2 * v / h
            new[i] -= 2 * v * o / h
        t.append([v - w for v, w in zip(new, q)])
    return t


def u_table(x1, n, rnd):
    """n coefficients in y = x² of tanh(x/2)/(2x), the first one ¼; and the largest relative error."""
    f = lambda y: arb(1) / 4 if y == 0 else (y.sqrt() / 2).tanh() / (2 * y.sqrt())
    g = lambda y: (f(y) - arb(1) / 4) / y
    y1, m = arb(x1) ** 2, n - 1
    vals = [g(y1 * (1 + z) / 2) for z in cheb_points(m)]
    c = [sum((v * (arb(k * (2 * i + 1)) / (2 * m) * arb.pi()).cos() for i, v in enumerate(vals)), arb(0)) * (1 if k == 0 else 2) / m for k in range(m)]
    t = shifted(max(m, 2), y1 / 2, y1 / 2)
    out = [0.25] + [rnd(float(sum((c[k] * t[k][i] for k in range(i, m)), arb(0)).mid())) for i in range(m)]
    err = 0.0
    for i in range(1, 401):
        y = y1 * i / 400
        p = arb(0)
        for q in out[::-1]:
            p = p * y + q
        err = max(err, abs(float((p / f(y) - 1).mid())))
    return out, err


# name, box, pole, origin, tolerances of ℓ, dℓ/dx, dℓ/dv
F64 = (3e-16, 5e-16, 8e-16)
F32 = (5e-8, 1.2e-7, 8e-7)
X_SPLIT, C_SPLIT = 0.75, 0.25
PIECES = [
    ("NEAR_LOW", (0, X_SPLIT, 0, C_SPLIT), 0.3, True, F64),
    ("NEAR_LOW_WIDE", (0, X_SPLIT, C_SPLIT, 1), 0.5, False, F64),
    ("NEAR_HIGH", (X_SPLIT, 2, 0, C_SPLIT), 0.45, False, F64),
    ("NEAR_HIGH_WIDE", (X_SPLIT, 2, C_SPLIT, 1), 0.75, False, F64),
    ("NEAR32", (0, 1.25, 0, 1), 0.5, True, F32),
]
U_LEN = {"NEAR_LOW": 10, "NEAR32": 7}
f32 = lambda v: float(np.float32(v))


def build(name, box, pole, origin, tol):
    small = dict(nx=16, ns=30, gx=25, gs=33) if tol is F32 else {}
    return Piece(*box, pole, origin, tol, **small).reduce()


def lines(values):
    for v in values:
        print(f"    {v!r},")


def tables():
    print("// Generated by `python3 xtask/generators/near.py tables`; do not edit by hand.")
    print("//! Polynomials in two variables for the Gamma family near zero.\n")
    print("use super::piece::Piece;\n")
    print(f"/// Where the pieces in double precision meet.\npub(crate) const X_SPLIT: f64 = {X_SPLIT!r};")
    print(f"/// Where the pieces in double precision meet.\npub(crate) const C_SPLIT: f64 = {C_SPLIT!r};\n")
    for name, box, pole, origin, tol in PIECES:
        p = build(name, box, pole, origin, tol)
        rnd = f32 if tol is F32 else float
        coef, centre, pole, alpha = p.powers(rnd)
        u, uerr = u_table(box[1], U_LEN[name], rnd) if origin else ([], 0)
        e = [float(a) * b for a, b in zip(p.err, tol)]
        what = "W" if origin else "R"
        print(f"/// {what} for {box[0]} ≤ x ≤ {box[1]}, {box[2]} ≤ c ≤ {box[3]}.\n///")
        print(f"/// Relative error before rounding: ℓ {e[0]:.1e}, dℓ/dx {e[1]:.1e}, dℓ/dv {e[2]:.1e}" + (f"; U {uerr:.1e}." if origin else "."))
        ty = f"Piece<{len(coef)}, {len(p.lens)}, {len(u)}>"
        print(f"pub(crate) const {name}: {ty} = Piece {{")
        print(f"centre: {centre!r}, pole: {pole!r}, alpha: {alpha!r},")
        print(f"lens: {p.lens!r},\ncoef: [")
        lines(coef)
        print("],\nu: [")
        lines(u)
        print("],\n};\n")
        print(name, "coefficients", len(coef), "+", len(u), "rows", len(p.lens), "widest", max(p.lens), "errors", [f"{q:.2e}" for q in e], file=sys.stderr)


def points(x0, x1, c0, c1, seed, rows, single):
    """x, c, ℓ, dℓ/dx, −dℓ/dv: corners, edges, tiny values and random points, inputs as hex floats."""
    rng = random.Random(seed)
    rnd = f32 if single else float
    tiny = 1e-6 if single else 1e-12
    clip = lambda v, a, b: min(max(v, a), b)
    edge_x = [clip(v, x0, x1) for v in (tiny, 1e-4, 1e-2, x0, x1, x1 * (1 - 1e-6), x0 + (x1 - x0) * rng.random())]
    edge_c = [clip(v, c0, c1) for v in (0.0, 1e-30, tiny, 1e-4, 1e-2, c0, c1, c1 * (1 - 1e-6))]
    edge_x = [x for x in edge_x if x > 0]
    todo = [(x, c) for x in edge_x for c in edge_c]
    ux = lambda: rng.uniform(x0, x1)
    uc = lambda: rng.uniform(c0, c1)
    lx = lambda: math.exp(rng.uniform(math.log(max(x0, tiny)), math.log(x1)))
    lc = lambda: math.exp(rng.uniform(math.log(max(c0, tiny)), math.log(c1)))
    while len(todo) < rows:
        k = len(todo) % 6
        x = ux() if k < 3 else lx() if k < 5 else rng.choice(edge_x)
        c = uc() if k in (0, 1, 5) else lc() if k in (2, 3) else rng.choice(edge_c)
        todo.append((x, c))
    for x, c in todo:
        x, c = rnd(x), rnd(c)
        if not (x0 <= x <= x1 and c0 <= c <= c1):
            continue
        t = truth(x, c)
        print(x.hex(), c.hex(), *[f"{float(v)!r} {float(v - LD(float(v)))!r}" for v in t])


if __name__ == "__main__":
    if sys.argv[1:2] == ["tables"]:
        tables()
    elif sys.argv[1:2] == ["points"]:
        points(*map(float, sys.argv[2:6]), int(sys.argv[6]), int(sys.argv[7]), "f32" in sys.argv)
    else:
        sys.exit(__doc__)
