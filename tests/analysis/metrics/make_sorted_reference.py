#!/usr/bin/env python3
"""Writes sorted_reference.json: expected values of the metrics that need sorted confidences.

Independent of the C++: numpy.array_split, scipy.integrate.quad, scikit-learn's isotonic regression,
relplot, enumeration of all orders of tied rows. Run in an environment with numpy, scipy,
scikit-learn and relplot; the tests read the JSON and need none of them.
"""
import itertools
import json
import math
import pathlib

import numpy as np
import relplot.metrics
import scipy
import scipy.integrate
import scipy.optimize
import scipy.stats
import sklearn
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20261126)


def errors(bins, n):
    """bins: list of (confidences, correct)."""
    l1 = l2 = largest = debiased = over = 0.0
    for c, a in bins:
        if len(c) == 0:
            continue
        gap = abs(c.mean() - a.mean())
        w = len(c) / n
        l1 += w * gap
        l2 += w * gap**2
        largest = max(largest, gap)
        over += w * c.mean() * max(c.mean() - a.mean(), 0)
        if len(c) > 1:
            debiased += w * (gap**2 - a.mean() * (1 - a.mean()) / (len(c) - 1))
    return [l1, math.sqrt(l2), largest, over, math.sqrt(max(debiased, 0))]


def kumar(c, a, n_bins):
    parts = np.array_split(np.sort(c), min(n_bins, len(c)))
    edges = sorted({(x[-1] + y[0]) / 2 for x, y in zip(parts, parts[1:])} | {1.0})
    which = np.searchsorted(edges, c)
    return errors([(c[which == b], a[which == b]) for b in range(len(edges))], len(c))


def equal_mass(c, a, n_bins):
    """A group belongs to where the middle of its rows lies."""
    values, counts = np.unique(c, return_counts=True)
    middle = 2 * (np.cumsum(counts) - counts) + counts
    of_value = n_bins * middle // (2 * len(c))
    which = of_value[np.searchsorted(values, c)]
    return [(c[which == b], a[which == b]) for b in range(n_bins)]


def sweep(c, a):
    n_bins = 1
    while n_bins < len(c):
        rates = [y.mean() for x, y in equal_mass(c, a, n_bins + 1) if len(x)]
        if any(later < before for before, later in zip(rates, rates[1:])):
            break
        n_bins += 1
    return errors(equal_mass(c, a, n_bins), len(c))[0], n_bins


def hendrycks(c, a, beta):
    order = np.argsort(c, kind="stable")
    c, a = c[order], a[order]
    bins = [[i * beta, (i + 1) * beta] for i in range(len(c) // beta)]
    return errors([(c[x:y], a[x:y]) for x, y in bins[:-1]], len(c))


def smooth(c, a, width):
    """The reflected kernel at every row, summed at 8001 points; trapezoids."""
    t = np.linspace(0, 1, 8001)[:, None]
    curve = np.zeros(len(t))
    for k in (-2.0, 0.0, 2.0):
        for sign in (1, -1):
            z = (t - k - sign * c) / width
            curve += (np.exp(-z * z / 2) @ (c - a)) / (width * math.sqrt(2 * math.pi))
    return float(scipy.integrate.trapezoid(np.abs(curve), t[:, 0]) / len(c))


def selective(c, a):
    """Averages over all orders of tied rows."""
    n = len(c)
    order = np.argsort(-c, kind="stable")
    c, wrong = c[order], 1 - a[order]
    groups = [wrong[c == v] for v in np.unique(c)[::-1]]
    curves = []
    for combo in itertools.product(*[list(itertools.permutations(g)) for g in groups]):
        errs = np.cumsum(np.concatenate([np.array(g) for g in combo]))
        curves.append(errs)
    errs = np.mean(curves, axis=0)
    k = np.arange(1, n + 1)
    ideal = np.cumsum(np.sort(wrong))
    acc = 1 - wrong.mean()
    auroc = roc_auc_score(1 - wrong, c) if 0 < acc < 1 else 0.5
    return {"aurc": float(np.mean(errs / k)), "oracle": float(np.mean(ideal / k)),
            "augrc": acc * (1 - acc) * (1 - auroc) + (1 - acc)**2 / 2,
            "accuracy_at_half": float(1 - errs[math.ceil(n / 2) - 1] / math.ceil(n / 2))}


def corp(c, a):
    iso = IsotonicRegression().fit(c, a).predict(c)
    rate = a.mean()
    brier = [np.mean((c - a)**2), np.mean((iso - a)**2), np.mean((rate - a)**2)]
    def log(p):
        return -np.mean(np.where(a == 1, np.log(np.where(a == 1, p, 1)), np.log1p(-np.where(a == 1, 0, p))))
    logs = [log(c), log(iso), log(rate)]
    return {name: [s, s - r, u - r, u] for name, (s, r, u) in (("brier", brier), ("log", logs))}


def draw(n, tied):
    c = RNG.beta(4, 1.5, n)
    c = np.clip(np.round(c * (6 if tied else 2**20)) / (6 if tied else 2**20), 0.05, 0.999)
    c = c.astype(np.float32).astype(float)
    a = (RNG.random(n) < np.clip(c + 0.15 * np.sin(9 * c), 0, 1)).astype(float)
    return c, a


def binned_brier():
    n, k, n_bins = 40, 4, 5
    p = RNG.dirichlet(np.ones(k), n).astype(np.float32)
    y = RNG.integers(0, k, n)
    which = np.minimum((p.max(1) * n_bins).astype(int), n_bins - 1)
    q, o = p.astype(float), np.eye(k)[y]
    rel = res = var = cov = 0.0
    for b in range(n_bins):
        f, out = q[which == b], o[which == b]
        if not len(f):
            continue
        rel += len(f) / n * ((f.mean(0) - out.mean(0))**2).sum()
        res += len(f) / n * ((out.mean(0) - o.mean(0))**2).sum()
        var += ((f - f.mean(0))**2).sum() / n
        cov += 2 * ((f - f.mean(0)) * (out - out.mean(0))).sum() / n
    unc = (o.mean(0) * (1 - o.mean(0))).sum()
    parts = np.zeros(4)
    for j in range(k):
        parts += corp(q[:, j], o[:, j])["brier"]
    return {"n_classes": k, "n_bins": n_bins, "probabilities": q.ravel().tolist(),
            "labels": y.tolist(), "bins": which.tolist(),
            "expected": [((q - o)**2).sum() / n, rel, res, unc, var, cov],
            "corp": parts.tolist()}


def case(n, tied):
    c, a = draw(n, tied)
    value, n_bins = sweep(c, a)
    made = {"confidence": c.tolist(), "correct": a.astype(int).tolist(),
            "equal_mass": errors(equal_mass(c, a, 7), n), "kumar": kumar(c, a, 7),
            "sweep": value, "sweep_bins": n_bins, "corp": corp(c, a)}
    order = np.argsort(c, kind="stable")
    deviation = np.abs(np.cumsum((c - a)[order])) / n
    ends = np.append(c[order][1:] != c[order][:-1], True)
    made["ks"] = float(deviation[ends].max())
    if not tied:
        made["rank_split"] = errors(list(zip(np.array_split(c[order], 7),
                                             np.array_split(a[order], 7))), n)
        made["hendrycks"] = hendrycks(c, a, 10)
    return made


def smooth_case(n, width):
    c, a = draw(n, False)
    c[: n // 4] = 1.0
    error, sigma = relplot.metrics.smECE(c, a, return_width=True)
    fixed = scipy.optimize.brentq(lambda s: s - smooth(c, a, s), 0.005, 1, xtol=1e-7)
    return {"confidence": c.tolist(), "correct": a.astype(int).tolist(), "width": width,
            "at_width": smooth(c, a, width), "fixed_point": fixed,
            "relplot": [float(error), sigma]}


def record(name):
    data = (HERE.parent / "data" / f"{name}.confidence.bin").read_bytes()
    c = np.frombuffer(data, "<f4", 10000).astype(float)
    a = np.frombuffer(data, np.uint8, 10000, 40000).astype(float)
    error, sigma = relplot.metrics.smECE(c, a, return_width=True)
    return {"relplot": [float(error), sigma], "kumar": kumar(c, a, 15), "corp": corp(c, a)["brier"]}


def main():
    import importlib.metadata
    small = [draw(n, True) for n in (1, 2, 3, 5, 6, 7, 7, 8, 8)]
    intervals = []
    for k, n in ((0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (97, 100), (5308, 10000), (1, 2469)):
        test = scipy.stats.binomtest(k, n)
        row = {"k": k, "n": n}
        for method in ("exact", "wilson"):
            ci = test.proportion_ci(0.95, method)
            row[method] = [ci.low, ci.high]
        intervals.append(row)
    reference = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__,
                     "scikit-learn": sklearn.__version__,
                     "relplot": importlib.metadata.version("relplot")},
        "cases": [case(n, tied) for n in (20, 33, 60, 97) for tied in (False, True)
                  for _ in range(4)],
        "smooth": [smooth_case(n, w) for n, w in ((12, 0.3), (40, 0.1), (100, 0.05), (60, 0.02))],
        "selective": [{"confidence": c.tolist(), "correct": a.astype(int).tolist(),
                       **selective(c, a)} for c, a in small],
        "binned_brier": binned_brier(),
        "intervals": intervals,
        "records": {n: record(n) for n in ("lenet-5-cifar-10", "wideresnet-16-4-cifar-10")},
    }
    (HERE / "sorted_reference.json").write_text(json.dumps(reference, indent=0) + "\n")


if __name__ == "__main__":
    main()
