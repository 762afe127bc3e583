#!/usr/bin/env python3
"""Writes classwise_reference.json: expected values of ACE, TACE, MMCE, the AUROC of confidence and
oracle-collaborative accuracy.

Independent of the C++: numpy.array_split (no ties) and numpy.unique (ties) for the bins, double
loops over pairs for kernel and AUROC, all orders of tied rows by averaging. Needs numpy; the tests
read the JSON and need no Python.
"""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20261127)


def adaptive_error(p, y, n_bins, threshold):
    """Mean over classes of the L1 error over bins of equal mass among p > threshold."""
    total = 0.0
    for k in range(p.shape[1]):
        keep = p[:, k] > threshold
        c, a = p[keep, k], (y[keep] == k).astype(float)
        if not len(c):
            continue
        values, counts = np.unique(c, return_counts=True)
        if len(values) == len(c):  # no ties: equal parts
            order = np.argsort(c)
            ranks = np.arange(len(c))
            which = np.empty(len(c), int)
            which[order] = n_bins * (2 * ranks + 1) // (2 * len(c))
        else:
            middle = 2 * (np.cumsum(counts) - counts) + counts
            which = (n_bins * middle // (2 * len(c)))[np.searchsorted(values, c)]
        for b in range(n_bins):
            inside = which == b
            if inside.any():
                total += inside.sum() / len(c) * abs(c[inside].mean() - a[inside].mean())
    return float(total / p.shape[1])


def nixon(p, y, n_bins):
    """Nixon et al. 2019, eq. 4: ranges of n / R rows each, mean over ranges and classes."""
    n, k = p.shape
    assert n % n_bins == 0
    gaps = [abs(p[rows, c].mean() - (y[rows] == c).mean())
            for c in range(k) for rows in np.array_split(np.argsort(p[:, c]), n_bins)]
    return float(np.mean(gaps))


def classwise_case(n, k, n_bins, scale, tied):
    z = RNG.normal(0, scale, (n, k))
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    if tied:
        p = np.round(p * 16) / 16
    p = p.astype(np.float32).astype(float)
    y = RNG.integers(0, k, n)
    made = {"n_classes": k, "n_bins": n_bins, "probabilities": p.ravel().tolist(),
            "labels": y.tolist(), "ace": adaptive_error(p, y, n_bins, -1.0),
            "tace": adaptive_error(p, y, n_bins, 1e-3)}
    if not tied and n % n_bins == 0:
        made["nixon"] = nixon(p, y, n_bins)
    return made


def pair_sum(c, a, width):
    total = diagonal = 0.0
    for i in range(len(c)):
        for j in range(len(c)):
            term = (c[i] - a[i]) * (c[j] - a[j]) * np.exp(-abs(c[i] - c[j]) / width)
            total += term
            diagonal += term if i == j else 0.0
    return total, diagonal


def auroc(c, a):
    right, wrong = c[a == 1], c[a == 0]
    return float(np.mean([(x > z) + 0.5 * (x == z) for x in right for z in wrong]))


def oracle(c, a, fraction):
    """Mean over orders of tied rows, drawn 20000 times, unless nothing ties."""
    given = max(1, int(np.floor(fraction * len(c) + 1e-9)))
    if len(np.unique(c)) == len(c):
        order = np.argsort(c)
        return float((given + a[order][given:].sum()) / len(c))
    values = np.sort(c)
    edge = values[given - 1]
    below, at = c < edge, c == edge
    handed = a[below].sum() + a[at].mean() * (given - below.sum())
    return float((a.sum() - handed + given) / len(c))


def top_label_case(n, tied, width):
    c = RNG.beta(3, 1.5, n)
    c = (np.round(c * 8) / 8 if tied else c).astype(np.float32).astype(float)
    a = (RNG.random(n) < c - 0.1).astype(float)
    a[:2] = [0, 1]
    total, diagonal = pair_sum(c, a, width)
    return {"confidence": c.tolist(), "correct": a.astype(int).tolist(), "width": width,
            "mmce": float(np.sqrt(total) / n), "unbiased": float((total - diagonal) / n / (n - 1)),
            "auroc": auroc(c, a), "oracle": oracle(c, a, 0.1)}


def main():
    cases = [classwise_case(n, k, b, s, t)
             for n, k, b, s in ((60, 3, 5, 1.0), (45, 10, 15, 4.0), (30, 4, 7, 2.0), (8, 2, 15, 1.0))
             for t in (False, True)]
    top = [top_label_case(n, t, w) for n, w in ((2, 0.4), (17, 0.4), (80, 0.4), (80, 0.05))
           for t in (False, True)]
    (HERE / "classwise_reference.json").write_text(
        json.dumps({"versions": {"numpy": np.__version__}, "classwise": cases, "top_label": top})
        + "\n")


if __name__ == "__main__":
    main()
