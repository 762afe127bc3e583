#!/usr/bin/env python3
"""Writes prediction_sets.json: conformal sets by the papers' definitions, written with sets and loops.

THR: Sadinle et al. 2019; APS: Romano et al. 2020; RAPS: Angelopoulos et al. 2021, with rho_x(y) the mass of
the classes ranked before y and o_x(y) the rank of y. Deterministic sets are those with u = 1.
Needs numpy and scipy; the tests read the committed file and need no Python.
"""
import json
import math
import pathlib
from fractions import Fraction

import numpy as np
import scipy
import scipy.stats

HERE = pathlib.Path(__file__).parent


def score(kind, p, y, u, lam, k_reg):
    if kind == "thr":
        return 1.0 - p[y]
    before = [c for c in range(len(p)) if p[c] > p[y] or (p[c] == p[y] and c < y)]
    rho, rank = math.fsum(p[c] for c in before), len(before) + 1
    penalty = lam * max(0, rank - k_reg) if kind == "raps" else 0.0
    mass = rho + u * p[y]
    return (1.0 if mass > 1 - 1e-12 else mass) + penalty  # rounding must not decide about the last class


def threshold(scores, alpha):
    n = len(scores)
    k = math.ceil((n + 1) * (1 - Fraction(str(alpha))))
    return (sorted(scores)[k - 1] if k <= n else None), k


def make_case(rng, kind, alpha, n, k, lam, k_reg):
    """Continuous probabilities, so that no score lies on the threshold but the one that makes it."""
    z = rng.normal(0, 2, (n + 12, k))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = [int(rng.choice(k, p=row)) for row in p]
    tau, rank = threshold([score(kind, p[i], labels[i], 1.0, lam, k_reg) for i in range(n)], alpha)
    sets = []
    for u in (1.0, 0.3):
        for row in p[n:]:
            members = [y for y in range(k) if tau is None or score(kind, row, y, u, lam, k_reg) <= tau]
            sets.append(sorted(members, key=lambda y: -row[y]))
    return {
        "score": kind, "alpha": alpha, "n_classes": k, "lambda": lam, "k_reg": k_reg, "n": n,
        "probabilities": p.ravel().tolist(), "labels": labels, "rank": rank, "threshold": tau, "sets": sets,
    }


def main():
    rng = np.random.default_rng(11)
    cases = []
    for kind in ("thr", "aps", "raps"):
        for alpha, n, k in ((0.1, 30, 4), (0.05, 19, 3), (0.2, 25, 8), (0.05, 10, 3), (0.3, 9, 5)):
            cases.append(make_case(rng, kind, alpha, n, k, *((0.05, 1) if k > 4 else (0.2, 2))))
    # Alphas that are not doubles: the rank must be that of exact arithmetic.
    ranks = []
    for alpha in ("0.1", "0.05", "0.01", "0.3", "0.7", "0.9", "0.2", "0.001"):
        for n in (0, 1, 2, 9, 10, 19, 20, 99, 100, 199, 999, 1000, 9999):
            ranks.append([float(alpha), n, max(1, math.ceil((n + 1) * (1 - Fraction(alpha))))])
    deviations = []
    for n, k, m in ((99, 90, 50), (1000, 901, 1000), (19, 19, 7)):
        deviations.append([n, k, m, float(scipy.stats.betabinom(m, k, n + 1 - k).std() / m)])
    made_with = f"numpy {np.__version__}, scipy {scipy.__version__}"
    content = {"made_with": made_with, "cases": cases, "ranks": ranks, "deviations": deviations}
    (HERE / "prediction_sets.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
