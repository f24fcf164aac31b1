#!/usr/bin/env python3
"""Writes reference vectors with 25 digits in ball arithmetic (needs python-flint and numpy).

    python3 xtask/generators/reference.py KIND SEED ROWS OUT        # one more file of vectors
    python3 xtask/generators/reference.py validate KIND FILE        # recompute a file

KIND is gamma, lognormal, lerch, lerch_zeros, posterior, gamma_f32 or lognormal_f32. Gamma and Lerch: the factored
alternating series, accelerated (Cohen, Rodriguez Villegas, Zagier); LogNormal: the trapezoidal rule
about the saddle. Every value must agree to 1e-32 between two precisions and term counts or steps, so
the method is independent of the crate's. `tests/data/extra_*.csv` were made with

    gamma 71 700, lognormal 72 500, lerch 73 250, lerch_zeros 75 400, posterior 74 250
"""
import sys, math, random, csv, time
from decimal import Decimal
import numpy as np
from flint import arb, ctx, fmpz

# ---------- formatting
def fmt(v, nd=25):
    if v.is_zero(): return '0'
    if v.rel_accuracy_bits() < 105: raise ValueError('inaccurate %s' % v)
    s = v.str(34, radius=False)
    sg = ''
    if s[0] == '-': sg, s = '-', s[1:]
    e = 0
    if 'e' in s: s, es = s.split('e'); e = int(es)
    ip, _, fp = s.partition('.')
    digs = ip + fp; e += len(ip) - 1
    st = digs.lstrip('0'); e -= len(digs) - len(st)
    st = st.ljust(nd + 1, '0')
    n = int(st[:nd]); rest = st[nd:]
    half = '5' + '0' * (len(rest) - 1)
    if rest > half or (rest == half and n & 1): n += 1
    st = str(n)
    if len(st) > nd: st = st[:nd]; e += 1
    return '%s%s.%se%d' % (sg, st[0], st[1:], e)

TOL = arb('1e-32')
def agree(a, b):
    for p, q in zip(a, b):
        if p.is_zero() and q.is_zero(): continue
        if not (p.is_finite() and q.is_finite()): return False
        if q.rel_accuracy_bits() < 112: return False
        if not ((p - q).abs_upper() <= (q * TOL).abs_lower()): return False
    return True

# ---------- CRVZ
_W = {}
def weights(N):
    if N in _W: return _W[N]
    p, q = 1, 3                     # Chebyshev T_N(3)
    for _ in range(N - 1): p, q = q, 6 * q - p
    d = q
    b, c = -1, -d
    out = []
    for k in range(N):
        c = b - c
        out.append(c)
        num = b * (k + N) * (k - N) * 2
        den = (2 * k + 1) * (k + 1)
        assert num % den == 0
        b = num // den
    _W[N] = ([fmpz(x) for x in out], fmpz(d))
    return _W[N]
_WA = {}
def wa(N):
    key = (N, ctx.prec)
    if key not in _WA:
        w, d = weights(N)
        D = arb(d)
        _WA[key] = [arb(x) / D for x in w]
    return _WA[key]

def adapt(f):
    prec, N = 220, 60
    ctx.prec = prec
    a = f(N)
    while True:
        prec = int(prec * 1.35); N = int(N * 1.4)
        if prec > 40000: raise RuntimeError('no convergence')
        ctx.prec = prec
        b = f(N)
        if agree(a, b): return b
        a = b

def gamma_row(k_, th_, D_):
    def f(N):
        k, th, D = arb(k_), arb(th_), arb(D_)
        if D_ == 0:
            h = arb(1) / 2; m = k * th
            return [h, arb(2).log(), -m / 2, arb(0), arb(0), m * m / 4]
        aD = abs(D); c = th * aD
        W = wa(N)
        l1 = c.log1p()
        S0 = Sk = Sc = Scc = arb(0)
        for n in range(N):
            n1 = n + 1
            nc = c * n1
            l = nc.log1p()
            b = W[n] * (k * (l1 - l)).exp()
            g = n1 / (1 + nc)
            bg = b * g
            S0 += b; Sk += b * l; Sc += bg; Scc += bg * g
        F = (-k * l1).exp()
        T = F * S0; Tk = -F * Sk; Tc = -k * F * Sc; Tcc = k * (k + 1) * F * Scc
        if D_ > 0:
            o = 1 - T
            return [o, -(-T).log1p(), th * Tc / o, Tk / o, aD * Tc / o,
                    th * th * (Tcc * o + Tc * Tc) / (o * o)]
        lt = -k * l1 + S0.log()
        r = Tc / T
        return [T, -lt, th * r, -Tk / T, -aD * r, -th * th * (Tcc / T - r * r)]
    return adapt(f)

def lerch_row(s_, a_):
    def f(N):
        s, a = arb(s_), arb(a_)
        # a = 1, large s: dphi_ds ~ ln2 2^-s sits far below S = 1, so sum the series plainly
        direct = a_ == 1 and s_ > 1000
        W = [(-1) ** n for n in range(N)] if direct else wa(N)
        la = a.log(); ia = 1 / a
        S0 = Sl = Sa = arb(0)
        for n in range(N):
            l = (ia * n).log1p()
            b = W[n] * (-s * l).exp()
            S0 += b; Sl += b * l; Sa += b / (a + n)
        F = (-s * la).exp()
        lS = S0.log()
        if direct: lS = sum((W[n] * (-s * (ia * n).log1p()).exp() for n in range(1, N)), arb(0)).log1p()
        return [F * S0, -F * (la * S0 + Sl), -s * F * Sa, S0, lS - s * la]
    return adapt(f)

def gamma_post(k_, th_, D_):
    def f(N):
        k, th, D = arb(k_), arb(th_), arb(D_)
        m = k * th; v = m * th
        if D_ == 0: return [m, v]
        aD = abs(D); c = th * aD
        W = wa(N); l1 = c.log1p()
        S0 = S1 = S2 = arb(0)
        for n in range(N):
            nc = c * (n + 1)
            b = W[n] * (k * (l1 - nc.log1p())).exp()
            g = 1 / (1 + nc); bg = b * g
            S0 += b; S1 += bg; S2 += bg * g
        F = (-k * l1).exp()
        U0, U1, U2 = F * S0, m * F * S1, (m * m + v) * F * S2
        if D_ > 0: U0, U1, U2 = 1 - U0, m - U1, m * m + v - U2
        mu = U1 / U0
        return [mu, U2 / U0 - mu * mu]
    return adapt(f)

# ---------- lognormal
def saddle_w(L):
    # w + ln w = L
    if L < -30: return math.exp(L)
    w = math.exp(L) if L < 0 else (L - math.log(L) if L > 2 else 0.9)
    if L < 0: w = w / (1 + w)
    for _ in range(60):
        nw = w - (w + math.log(w) - L) * w / (1 + w)
        if nw <= 0: nw = w / 2
        if abs(nw - w) < 1e-15 * nw: break
        w = nw
    return w

_ETA = np.concatenate([np.logspace(-24, -2, 700), np.linspace(0.01, 0.9995, 400)])
def step(s, Xc, E):
    emax = min(math.pi / (2 * s), 40.0 if Xc * s * s < 1e-3 else 1e9)
    eta = emax * _ETA
    with np.errstate(all='ignore'):
        den = E + eta**2 / 2 - Xc * np.log1p(-2 * np.sin(s * eta / 2)**2)
    return float(np.nanmax(2 * math.pi * eta / den))

def ln_sums(mu_, s_, D_, prec, E, post):
    """(coarse, fine) lists of sums; prec set"""
    ctx.prec = prec
    s, aD = arb(s_), abs(arb(D_))
    emu = arb(mu_).exp()
    if D_ == 0: z0, Xc = 0.0, 0.0
    else:
        lx = mu_ + math.log(abs(D_)) if abs(D_) > 1e-308 else mu_ + math.log(abs(D_) * 2**60) - 60 * math.log(2)
        w = saddle_w(2 * math.log(s_) + lx)
        z0 = -w / s_; Xc = w / (s_ * s_)
    h = step(s_, Xc, E) / 2
    H = arb(h)
    cut = arb(2) ** (-int(2.6 * E + 20))
    nS = 5 if post else 3
    tot = [[arb(0)] * nS, [arb(0)] * nS]
    Z0 = arb(z0)
    Y0 = emu * (s * Z0).exp()
    G0 = (-Z0 * Z0 / 2).exp()
    gq = (-H * H).exp()
    cnt = 0
    for d in (1, -1):
        Y, G = Y0, G0
        yr = (s * H * d).exp()
        # G(z0+jH d): ratio_j = exp(-d*z0*H - (2j+1)H^2/2)
        gr = (-Z0 * H * d - H * H / 2).exp()
        j = 0
        while True:
            if not (d == -1 and j == 0):
                X = Y * aD
                u = (-X).exp()
                r = 1 / (1 + u)
                omu = -(-X).expm1() if X < 0.5 else 1 - u
                gur = G * u * r
                t1 = Y * gur * r
                ts = [gur, t1, t1 * Y * omu * r]
                if post: ts += [Y * gur, Y * Y * gur]
                bank = tot[j & 1]
                for i in range(nS): bank[i] = bank[i] + ts[i]
                cnt += 1
                if j % 6 == 4 and j > 4:
                    if all(ts[i].is_zero() or ts[i] < cut * tot[0][i] for i in range(nS)): break
                if j > 200000: raise RuntimeError('range')
            Y = Y * yr; G = G * gr; gr = gr * gq; j += 1
    nrm = H / (2 * arb.pi()).sqrt()
    coarse = [t * nrm * 2 for t in tot[0]]
    fine = [(a + b) * nrm for a, b in zip(*tot)]
    return coarse, fine

def ln_cols(S, mu_, s_, D_):
    s = arb(s_); aD = abs(arb(D_))
    T, A, B = S[0], S[1], S[2]        # E[u r], E[Y u r^2], E[Y^2 u(1-u) r^3]
    Td = -A; Tdd = B; Ts = s * aD * (aD * B - A)
    if D_ >= 0:
        o = 1 - T
        return [o, -(-T).log1p(), Td / o, aD * Td / o, Ts / o, (Tdd * o + Td * Td) / (o * o)]
    r = Td / T
    return [T, -T.log(), r, -aD * r, -Ts / T, -(Tdd / T - r * r)]

def ln_postcols(S, mu_, s_, D_):
    U0, U1, U2 = S[0], S[3], S[4]
    if D_ > 0:
        s = arb(s_); m = (arb(mu_) + s * s / 2).exp(); e2 = m * m * (s * s).exp()
        U0, U1, U2 = 1 - U0, m - U1, e2 - U2
    mu = U1 / U0
    return [mu, U2 / U0 - mu * mu]

def ln_row(mu_, s_, D_, post=False):
    if s_ == 0 or (D_ == 0):
        ctx.prec = 400
        x = mu_ + (math.log(abs(D_)) if D_ else 0)
        if x > 0: ctx.prec += int(3 * x)
        s = arb(s_)
        if D_ == 0:
            m = (arb(mu_) + s * s / 2).exp()
            if post: return [m, m * m * (s * s).expm1() if s_ else arb(0)]
            return [arb(1) / 2, arb(2).log(), -m / 2, arb(0), arb(0), m * m / 4]
        Y = arb(mu_).exp(); X = Y * abs(arb(D_)); u = (-X).exp(); r = 1 / (1 + u)
        if post: return [Y, arb(0)]
        # D>0: nll = log1p(u); D<0: X + log1p(u)
        nll = u.log1p() if D_ > 0 else X + u.log1p()
        d = Y * u * r if D_ > 0 else Y * r
        return [r if D_ > 0 else u * r, nll, -d, -d * arb(D_), arb(0), Y * Y * u * r * r]
    E, prec = 88.0, 260
    if s_ < 0.05 and (D_ < 0 or post): E += -4 * math.log(s_)*0.5; prec += int(-3 * math.log2(s_))
    cols = ln_postcols if post else ln_cols
    for _ in range(12):
        c, f = ln_sums(mu_, s_, D_, prec, E, post)
        a = cols(c, mu_, s_, D_); b = cols(f, mu_, s_, D_)
        if agree(a, b): return b
        if min(x.rel_accuracy_bits() for x in b if not x.is_zero()) < 125: prec = int(prec * 1.5)
        E *= 1.35
    raise RuntimeError('ln no convergence %r' % ((mu_, s_, D_),))

def post_row(fam, p1, p2, D):
    return gamma_post(p1, p2, D) if fam == 'gamma' else ln_row(p1, p2, D, True)

# ---------- inputs
R = random.Random()
def logu(a, b): return math.exp(R.uniform(math.log(a), math.log(b)))
def sgn(): return R.choice((-1.0, 1.0))
def jit(): return 1 + sgn() * 10 ** R.uniform(-16, -3)
XS = [0.25, 0.5, 1, 1.25, 1.5, 2, 3, 4]
SS = [0.1, 0.5, 1, 2, 8, 10]
def okf(x, f32=False):
    return math.isfinite(x) and (x == 0 or 1e-307 < abs(x))
def DX(f32):
    if f32: return R.choice([0.0, 2.0**-149, 1e-38, 1e-30, 1e30, 3.4e38])
    return R.choice([0.0, 5e-324, 1e-300, 1e300, 1.797e308, 1.7976931348623157e308])
def prac():
    m = logu(0.1, 5); cv = logu(0.05, 3); D = R.gauss(0, R.choice([1, 2, 4, 8, 16]))
    return m, cv, D
def gamma_in(f32):
    t = R.random()
    if t < .45:
        m, cv, D = prac(); return 1 / cv**2, m * cv**2, D
    if t < .80:
        k = logu(1e-6, 1e12); x = logu(1e-12, 1e12)
        D = logu(1e-6, 1e6) if not f32 else logu(1e-4, 1e4)
        return k, x / k / D, sgn() * D
    D = sgn() * logu(1e-2, 1e2)
    u = R.random()
    if u < .22: x = R.choice(XS) * jit(); c = logu(1e-8, 1e4)
    elif u < .36: c = R.choice([.5, 1, 2]) * jit(); x = logu(1e-6, 1e6)
    elif u < .52: c = R.choice([.5, 1, 2]) * jit(); x = R.choice(XS) * jit()
    elif u < .68: c = logu(1e-6, 1e6); x = R.choice([1.5, 2]) * jit() * (1 + c)
    elif u < .84:
        k = R.choice([logu(1e-6, 1e12), logu(.05, 500), 1e-6, 1e12, 1.0])
        if R.random() < .5: return k, logu(.01, 10), sgn() * DX(f32)
        return k, R.uniform(.1, 5) / k, sgn() * DX(f32)
    elif u < .92: k = logu(10, 1e9); c = math.expm1(min(R.uniform(50, 760) / k, 300)); x = k * c
    else: x = logu(30, 1e6); c = logu(1e-8, 1)
    return x / c, c / abs(D), D
def ln_in(f32):
    t = R.random()
    if t < .45:
        m, cv, D = prac(); s = math.sqrt(math.log1p(cv * cv)); return math.log(m) - s * s / 2, s, D
    sg = 0.0 if R.random() < .06 else logu(1e-8, 10)
    if t < .80:
        x = logu(1e-12, 1e12); D = logu(1e-5, 1e5)
        return math.log(x / D), sg, sgn() * D
    u = R.random()
    D = sgn() * logu(1e-2, 1e2)
    if u < .3: x = R.choice(XS) * jit(); s = R.choice([sg, logu(.01, 3)])
    elif u < .5: s = min(R.choice(SS) * jit(), 10.0); x = logu(1e-4, 1e5)
    elif u < .65: s = min(R.choice(SS) * jit(), 10.0); x = R.choice(XS) * jit()
    elif u < .82: return R.uniform(-6, 3), R.choice([sg, logu(.01, 3), R.choice(SS)]), sgn() * DX(f32)
    elif u < .9: s = R.choice([sg, logu(1e-3, .3)]); x = R.uniform(50, 760)
    else: s = sg; x = logu(30, 1e7)
    return math.log(x / abs(D)), s, D
def lerch_in(f32):
    t = R.random()
    if t < .55: s, a = logu(.1, 100), logu(.01, 1000)
    elif t < .70: s, a = logu(1e-6, 1e12), logu(1e-12, 1e12)
    elif t < .80: s, a = logu(1e-6, 1e12), logu(1e-300, 1e300)
    elif t < .92:
        a = R.choice([logu(1e-4, 1e8), 1 / (R.choice([.5, 1, 2]) * jit())])
        s = R.choice(XS) * jit() * R.choice([a, a, 1 + a])
    elif t < .96:
        s = R.choice([float(R.randint(1, 60)), jit(), .5]); a = R.choice([float(R.randint(1, 60)), jit(), .5, 1.5])
    else: s, a = R.choice([1e-6, 1e12, logu(.1, 10)]), R.choice([1e-300, 1e300, 1.0, logu(.1, 10)])
    return s, a

HDR = {'gamma': 'k,theta,margin,expected_sigmoid,nll,dnll_dmargin,dnll_dk,dnll_dtheta,d2nll_dmargin2',
       'lognormal': 'mu,sigma,margin,expected_sigmoid,nll,dnll_dmargin,dnll_dmu,dnll_dsigma,d2nll_dmargin2',
       'lerch': 's,a,phi,dphi_ds,dphi_da,scaled,log_phi',
       'posterior': 'family,p1,p2,margin,posterior_mean,posterior_var'}

def main():
    if sys.argv[1] == 'validate': return validate(sys.argv[2], sys.argv[3])
    kind, seed, n, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    R.seed(seed)
    zeros = kind == 'lerch_zeros'  # where the derivative in s changes sign
    f32 = kind.endswith('_f32'); base = 'lerch' if zeros else kind[:-4] if f32 else kind
    rnd = (lambda v: float(np.float32(v))) if f32 else (lambda v: v)
    big, small = (3.4028234663852886e38, 1.1754943508222875e-38) if f32 else (1.7976931348623157e308, 2.2250738585072014e-308)
    t0 = time.time(); done = 0; slow = 0; slowrow = None
    with open(out, 'w') as fo:
        fo.write(HDR[base] + '\n')
        while done < n:
            fam = None
            if base == 'posterior':
                fam = R.choice(('gamma', 'lognormal'))
                inp = (gamma_in if fam == 'gamma' else ln_in)(f32)
            elif zeros: inp = (10 ** R.uniform(-3, 1.7), R.uniform(1, 1.6))
            else: inp = {'gamma': gamma_in, 'lognormal': ln_in, 'lerch': lerch_in}[base](f32)
            with np.errstate(all='ignore'): inp = tuple(rnd(float(v)) for v in inp)
            g = base == 'gamma' or fam == 'gamma'
            if not all(math.isfinite(v) for v in inp): continue
            if g and not (small <= inp[0] <= 1e12 * 1.0001 and inp[0] >= 9.9e-7 and small <= inp[1] <= big): continue
            if base == 'lerch' and not (9.9e-7 <= inp[0] <= 1.0001e12 and small <= inp[1] <= big): continue
            t = time.time()
            try:
                if base == 'gamma': v = gamma_row(*inp)
                elif base == 'lognormal': v = ln_row(*inp)
                elif base == 'lerch': v = lerch_row(*inp)
                else: v = post_row(fam, *inp)
            except Exception as ex:
                print('FAILED', inp, repr(ex)[:200], flush=True); continue
            t = time.time() - t
            if t > slow: slow, slowrow = t, inp
            if fam is None and inp[-1] == 0: inp = inp[:-1] + (0.0,)
            if fam and inp[-1] == 0: inp = inp[:-1] + (0.0,)
            fo.write(','.join(([fam] if fam else []) + [repr(x) for x in inp] + [fmt(x) for x in v]) + '\n')
            done += 1
            if done % 200 == 0: fo.flush()
    print(kind, done, 'rows %.1fs slowest %.2fs %r' % (time.time() - t0, slow, slowrow))

def digits(a, b):
    """relative agreement in decimal digits between truth strings"""
    if a == b: return 99.
    ctx.prec = 1500
    x, y = arb(a), arb(b)
    if x.is_zero() or y.is_zero(): return 0.
    d = abs(x - y) / abs(y)
    return 99. if d.is_zero() else float(-(d.log() / arb(10).log()))

def validate(kind, path):
    t0 = time.time(); worst = (99, None); n = exact = cells = 0; bad = 0
    base = kind
    for row in csv.reader(open(path)):
        if row[0] in ('k', 'mu', 's', 'family'): continue
        ni = {'gamma': 3, 'lognormal': 3, 'lerch': 2, 'posterior': 4}[base]
        fam = row[0]; inp = [float(x) for x in row[(1 if base == 'posterior' else 0):ni]]
        try:
            v = {'gamma': gamma_row, 'lognormal': ln_row, 'lerch': lerch_row}[base](*inp) if base != 'posterior' else post_row(fam, *inp)
            out = [fmt(x) for x in v]
        except Exception as ex:
            print('FAILED', row[:ni], repr(ex)[:200]); bad += 1; continue
        n += 1
        for a, b in zip(out, row[ni:]):
            cells += 1
            if a == b: exact += 1; continue
            d = digits(a, b)
            if d < 23.9: print('MISMATCH', row[:ni], a[:60], b[:60])
            if d < worst[0]: worst = (d, row[:ni])
    print('%s: %d rows, %d failed, %d/%d cells identical text, worst digits %.2f %s  %.1fs' % (path, n, bad, exact, cells, worst[0], worst[1], time.time() - t0))
if __name__ == '__main__': main()
