"""Writes trend_reference.json: Friedman, Page, Jonckheere-Terpstra, studentised range, pairwise
Wilcoxon with Holm, aggregate tests, by scipy or by counting every permutation or sign pattern.

    python3 make_trend_reference.py    (needs numpy and scipy; the tests do not)
"""
import itertools
import json
import math
import pathlib
import platform

import numpy as np
import scipy
from scipy import stats

RNG = np.random.default_rng(20261126)
CASES = 210


def ties_in_rows(a):
    total = 0
    for row in a:
        _, counts = np.unique(row, return_counts=True)
        total += int((counts**3 - counts).sum())
    return total


def values(shape, tied):
    """Distinct in four digits, or on a grid of five values."""
    if tied:
        return RNG.integers(0, 5, shape).astype(float)
    return RNG.permutation(np.arange(1, 1 + math.prod(shape)) * 7 % 9973).reshape(shape).astype(float)


def friedman():
    cases = []
    while len(cases) < CASES:
        k, n = int(RNG.integers(3, 9)), int(RNG.integers(3, 20))
        a = values((n, k), len(cases) % 2 == 1)
        ranks = np.apply_along_axis(stats.rankdata, 1, a)
        mean = ranks.mean(axis=0)
        plain = 12 * n / (k * (k + 1)) * float(((mean - (k + 1) / 2) ** 2).sum())
        if n * (k - 1) - plain < 1e-6:
            continue
        f = (n - 1) * plain / (n * (k - 1) - plain)
        scipy_test = stats.friedmanchisquare(*a.T)
        cases.append({"k": k, "values": a.ravel().tolist(), "average_ranks": mean.tolist(),
                      "chi2_plain": plain, "p_plain": stats.chi2.sf(plain, k - 1), "f": f,
                      "p_f": stats.f.sf(f, k - 1, (k - 1) * (n - 1)),
                      "chi2_scipy": float(scipy_test.statistic), "p_scipy": float(scipy_test.pvalue)})
    return cases


def page_scipy():
    cases = []
    while len(cases) < CASES:
        k, n = int(RNG.integers(3, 8)), int(RNG.integers(2, 16))
        a = values((n, k), False) + RNG.choice([0, 300, 1000]) * np.arange(k)
        a += RNG.uniform(0, 0.4, a.shape).round(6)
        if ties_in_rows(a):
            continue
        exact = stats.page_trend_test(a, method="exact")
        normal = stats.page_trend_test(a, method="asymptotic")
        cases.append({"k": k, "values": a.ravel().tolist(), "l": float(exact.statistic),
                      "p_exact": float(exact.pvalue), "p_asymptotic": float(normal.pvalue)})
    return cases


def page_enumerated():
    """With ties: every order of every block's ranks."""
    shapes = [(3, 2), (3, 4), (4, 2), (4, 3), (3, 5), (5, 2)]
    cases = []
    while len(cases) < CASES:
        k, n = shapes[len(cases) % len(shapes)]
        a = RNG.integers(0, 4, (n, k)).astype(float)
        ranks = np.apply_along_axis(stats.rankdata, 1, a)
        if (ranks == ranks[:, :1]).all():
            continue
        levels = np.arange(1, k + 1)
        observed = float((ranks * levels).sum())
        sums = np.zeros(1)
        for row in ranks:
            block = np.array([np.dot(levels, p) for p in itertools.permutations(row)])
            sums = (sums[:, None] + block[None, :]).ravel()
        cases.append({"k": k, "values": a.ravel().tolist(), "l": observed,
                      "variance": float(sums.var()), "p_increasing": float((sums >= observed - 1e-9).mean()),
                      "p_decreasing": float((sums <= observed + 1e-9).mean())})
    return cases


def jonckheere_statistic(groups):
    total = 0.0
    for i, j in itertools.combinations(range(len(groups)), 2):
        for x in groups[i]:
            for y in groups[j]:
                total += 1.0 if y > x else 0.5 if y == x else 0.0
    return total


def assignments(pool, sizes):
    if not sizes:
        yield []
        return
    for chosen in itertools.combinations(range(len(pool)), sizes[0]):
        rest = [v for i, v in enumerate(pool) if i not in chosen]
        for tail in assignments(rest, sizes[1:]):
            yield [[pool[i] for i in chosen]] + tail


def jonckheere():
    shapes = [(2, 2, 2), (1, 3, 2), (3, 3), (2, 1, 2, 1), (2, 2, 3), (4, 2), (1, 1, 1, 1, 1)]
    cases = []
    while len(cases) < CASES:
        sizes = shapes[len(cases) % len(shapes)]
        n = sum(sizes)
        pool = RNG.permutation(n).astype(float) if len(cases) % 2 else RNG.integers(0, 4, n).astype(float)
        if len(set(pool)) == 1:
            continue
        pool = pool.tolist()
        cuts = np.cumsum((0,) + sizes)
        groups = [pool[cuts[i]:cuts[i + 1]] for i in range(len(sizes))]
        observed = jonckheere_statistic(groups)
        null = np.array([jonckheere_statistic(g) for g in assignments(pool, list(sizes))])
        cases.append({"groups": groups, "j": observed, "mean": float(null.mean()),
                      "variance": float(null.var()), "tied": len(set(pool)) < n,
                      "p_increasing": float((null >= observed).mean()),
                      "p_decreasing": float((null <= observed).mean())})
    return cases


def studentised_range():
    cases = []
    for k in (2, 3, 4, 5, 7, 10, 15, 20, 40, 100):
        for alpha in (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.99):
            q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf))
            cases.append({"k": k, "alpha": alpha, "quantile": q})
    tails = []
    for _ in range(CASES):
        k, q = int(RNG.integers(2, 60)), round(float(RNG.uniform(0.3, 6.5)), 4)
        tails.append({"k": k, "q": q, "tail": float(stats.studentized_range.sf(q, k, np.inf))})
    return {"quantiles": cases, "tails": tails}


def holm(p):
    order = np.argsort(p)
    adjusted, running = np.empty(len(p)), 0.0
    for place, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - place) * p[i]))
        adjusted[i] = running
    return adjusted


def wilcoxon_cliques():
    """Cliques by trying every subset of methods."""
    cases = []
    while len(cases) < CASES:
        k, n = int(RNG.integers(3, 7)), int(RNG.integers(8, 16))
        shift = RNG.choice([0.0, 0.6, 1.2, 2.0]) * np.arange(k)
        a = (RNG.normal(size=(n, k)) * RNG.choice([1, 1, 3], k) + shift).round(5)
        pairs = list(itertools.combinations(range(k), 2))
        p = [float(stats.wilcoxon(a[:, i] - a[:, j], method="exact").pvalue) for i, j in pairs]
        adjusted = holm(p)
        differ = {pair for pair, q in zip(pairs, adjusted) if q <= 0.05}
        free = [set(s) for size in range(2, k + 1) for s in itertools.combinations(range(k), size)
                if not any(pair in differ for pair in itertools.combinations(s, 2))]
        maximal = sorted(sorted(s) for s in free if not any(s < t for t in free))
        cases.append({"k": k, "values": a.ravel().tolist(), "p": p, "p_holm": adjusted.tolist(),
                      "cliques": maximal})
    return cases


def aggregate():
    cases = []
    while len(cases) < CASES:
        n_cells, n_seeds = int(RNG.integers(1, 4)), int(RNG.integers(3, 6))
        tied = len(cases) % 2 == 1
        d = RNG.integers(-3, 4, (n_cells, n_seeds)).astype(float) if tied else (
            RNG.normal(size=(n_cells, n_seeds)) + RNG.choice([0, 1])).round(4)
        if not d.any():
            continue
        ranks = np.zeros_like(d)
        for c in range(n_cells):
            kept = d[c] != 0
            ranks[c, kept] = stats.rankdata(np.abs(d[c, kept])) * np.sign(d[c, kept])
        norm = np.sqrt((ranks**2).sum(axis=1))
        scaled = np.divide(ranks, norm[:, None], out=np.zeros_like(ranks), where=norm[:, None] > 0)
        flips = np.array(list(itertools.product([1, -1], repeat=n_seeds)))
        by_seed = np.abs(flips @ scaled.sum(axis=0))
        flat = np.abs(ranks[ranks != 0])
        every = np.array(list(itertools.product([1, -1], repeat=len(flat)))) @ flat
        walsh = [(x[i] + x[j]) / 2 for x in d for i in range(n_seeds) for j in range(i, n_seeds)]
        cases.append({"cells": d.tolist(), "statistic": float(scaled.sum()),
                      "p_seed": float((by_seed >= abs(scaled.sum()) - 1e-9).mean()),
                      "p_stratified": float((np.abs(every) >= abs(ranks.sum()) - 1e-9).mean()),
                      "z": float(ranks.sum() / np.sqrt((ranks**2).sum())),
                      "hodges_lehmann": float(np.median(walsh))})
    return cases


def main():
    reference = {
        "made_by": "make_trend_reference.py",
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        "friedman": friedman(), "page_scipy": page_scipy(), "page_enumerated": page_enumerated(),
        "jonckheere": jonckheere(), "studentised_range": studentised_range(),
        "wilcoxon_cliques": wilcoxon_cliques(), "aggregate": aggregate(),
    }
    file = pathlib.Path(__file__).with_name("trend_reference.json")
    file.write_text(json.dumps(reference, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
