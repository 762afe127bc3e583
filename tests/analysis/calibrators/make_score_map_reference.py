#!/usr/bin/env python3
"""Writes score_map_reference.json: expected values of Bayesian binning and near-isotonic regression.

Nothing here is our code. Bayesian binning follows the paper (Naeini, Cooper & Hauskrecht 2015)
model by model and point by point, with SciPy's betaln. The near-isotonic path is Algorithm 1 of
Tibshirani, Hoefling & Tibshirani (2011) in exact fractions; every solution on it is checked here
against SciPy's bounded least squares on the dual problem. ENIR averages them by BIC. Scores are
multiples of 1/1024. The tests read the committed file and need no Python.

    python3 -m venv venv && venv/bin/pip install numpy scipy
    venv/bin/python tests/analysis/calibrators/make_score_map_reference.py
"""
import json
import math
import pathlib
from fractions import Fraction

import numpy as np
import scipy
from scipy.optimize import lsq_linear
from scipy.special import betaln, logsumexp

rng = np.random.default_rng(20261128)


def draw(n, levels):
    """Scores in [0, 1], some exactly 0 or 1, and targets that a bent curve of them gives."""
    x = np.sort(rng.integers(0, levels + 1, n) * (1024 // levels)) / 1024
    kind = rng.integers(0, 8)
    if kind == 0:
        y = (x > rng.random()).astype(int)  # separable
    elif kind == 1:
        y = np.full(n, rng.integers(0, 2))  # one class
    else:
        y = (rng.random(n) < x ** rng.uniform(0.4, 2.5)).astype(int)
    return x, y


def binning_case(n, levels):
    x, y = draw(n, levels)
    at = np.concatenate([rng.integers(0, 1025, 8) / 1024, [0.0, 1.0]])
    most = 1
    while most**3 < 1000 * n:
        most += 1
    most = min(most, math.ceil(n / 5))
    least = 1
    while 1000 * (least + 1) ** 3 <= n:
        least += 1
    scores, predictions = [], []
    for bins in range(least, most + 1):
        cuts = []
        for i in range(1, bins):
            last = x[i * n // bins - 1]  # the row of that rank, and all that equal it
            above = x[x > last]
            if len(above) and (last + above[0]) / 2 not in cuts:
                cuts.append((last + above[0]) / 2)
        edges = [0.0] + cuts + [1.0]
        score, value = 0.0, []
        for b, (lower, upper) in enumerate(zip(edges[:-1], edges[1:])):
            inside = (x <= upper) & ((x > lower) | (b == 0))
            middle = min(max((lower + upper) / 2, 0.005), 0.995)
            ones, rows = y[inside].sum(), inside.sum()
            score += betaln(ones + 2 * middle, rows - ones + 2 - 2 * middle) - betaln(
                2 * middle, 2 - 2 * middle)
            value.append((ones + 2 * middle) / (rows + 2))
        scores.append(score)
        predictions.append([value[sum(a > c for c in cuts)] for a in at])
    weights = np.exp(np.array(scores) - logsumexp(scores))
    return {"x": x.tolist(), "y": y.tolist(), "at": at.tolist(),
            "value": np.round(weights @ np.array(predictions), 14).tolist(),
            "best_bins": least + int(np.argmax(scores)), "best_log_score": float(max(scores)),
            # A second best as good as the best makes the number of bins a matter of rounding.
            "unique": bool(len(scores) < 2 or np.diff(np.sort(scores)[-2:])[0] > 1e-9)}


def exact_path(ones, rows):
    """[(lambda, value of each run)], exact, at every lambda where groups of runs merge, and 0."""
    groups = [[i] for i in range(len(ones))]
    beta = [Fraction(int(o), int(r)) for o, r in zip(ones, rows)]
    size = [int(r) for r in rows]
    now, path = Fraction(0), []
    while True:
        path.append((now, [b for g, b in zip(groups, beta) for _ in g]))
        falls = [0] + [int(a > b) for a, b in zip(beta, beta[1:])] + [0]
        slope = [Fraction(falls[i] - falls[i + 1], size[i]) for i in range(len(beta))]
        meet = []
        for i in range(len(beta) - 1):
            if slope[i] != slope[i + 1]:
                t = now + (beta[i + 1] - beta[i]) / (slope[i] - slope[i + 1])
                if t >= now:
                    meet.append(t)
        if not meet:
            return path
        then = min(meet)
        beta = [b + (then - now) * s for b, s in zip(beta, slope)]
        now = then
        i = 0
        while i + 1 < len(beta):
            if beta[i] == beta[i + 1]:
                groups[i] += groups.pop(i + 1)
                size[i] += size.pop(i + 1)
                beta.pop(i + 1)
            else:
                i += 1


def check_by_dual(ones, rows, lam, values):
    """beta = mean - D' u / rows, 0 <= u <= lambda, minimises the weighted near-isotonic problem."""
    m = len(rows)
    if m == 1 or lam == 0:
        return
    d = np.zeros((m - 1, m))
    d[np.arange(m - 1), np.arange(m - 1)], d[np.arange(m - 1), np.arange(1, m)] = 1, -1
    root = np.sqrt(rows)
    dual = lsq_linear((d / root).T, root * ones / rows, bounds=(0, lam), method="bvls", tol=1e-14)
    assert np.abs(ones / rows - d.T @ dual.x / rows - values).max() < 1e-8


def near_isotonic_case(n, levels):
    x, y = draw(n, levels)
    runs = []  # rows of equal score, then neighbours of equal mean
    for value in np.unique(x):
        here = y[x == value]
        if runs and runs[-1][2] * len(here) == here.sum() * runs[-1][3]:
            runs[-1] = [runs[-1][0], value, runs[-1][2] + here.sum(), runs[-1][3] + len(here)]
        else:
            runs.append([value, value, here.sum(), len(here)])
    first, last, ones, rows = np.array(runs, dtype=float).T
    path = exact_path(ones, rows)
    bics = []
    for lam, values in path:
        values = np.array([float(v) for v in values])
        check_by_dual(ones, rows, float(lam), values)
        zeros = rows - ones
        with np.errstate(divide="ignore"):
            log_l = (ones[ones > 0] * np.log(values[ones > 0])).sum() + (
                zeros[zeros > 0] * np.log1p(-values[zeros > 0])).sum()
        groups = 1 + np.count_nonzero(np.diff(values))
        bics.append(-2 * log_l + groups * np.log(n))
    use = slice(1, None) if len(path) > 1 else slice(None)
    weights = np.exp(-(np.array(bics[use]) - min(bics[use])) / 2)
    mean = (weights / weights.sum()) @ np.array([[float(v) for v in vs] for _, vs in path[use]])
    at = np.concatenate([rng.integers(0, 1025, 6) / 1024, [0.0, 1.0]])
    knots, heights = np.stack([first, last], 1).ravel(), np.repeat(mean, 2)
    some = [i for i in range(len(path)) if i in (0, 1, len(path) // 2, len(path) - 1)]
    return {"x": x.tolist(), "y": y.tolist(), "at": at.tolist(), "n_solutions": len(path),
            "solutions": [{"index": i, "lambda": float(path[i][0]),
                           "values": [round(float(v), 14) for v in path[i][1]]} for i in some],
            "value": np.round(np.interp(at, knots, heights), 14).tolist()}


sizes = [1, 2, 3, 4, 5, 8, 10, 11]
reference = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
    "bayesian_binning": [
        binning_case(n, int(rng.choice([8, 64, 1024])))
        for n in sizes + [int(n) for n in rng.integers(12, 70, 205)] + [400, 1500]],
    "near_isotonic": [
        near_isotonic_case(n, int(rng.choice([8, 64, 1024])))
        for n in sizes + [int(n) for n in rng.integers(12, 60, 212)]],
}
path = pathlib.Path(__file__).parent / "score_map_reference.json"
path.write_text(json.dumps(reference, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes;",
      sum(c["n_solutions"] == 1 for c in reference["near_isotonic"]), "paths without a merge")
