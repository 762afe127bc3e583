#!/usr/bin/env python3
"""Writes two_arm_reference.json: expected values of the tests that compare two arms.

Everything is computed by code that is not ours: SciPy (signed-rank, Mann-Whitney, binomial and t
tests), statsmodels (corrections), baycomp (Bayesian signed-rank test), or by enumeration of all sign
patterns (Hodges-Lehmann intervals, maxT, exact log10 p). The tests read the committed file and need
no Python.

    python3 -m venv venv && venv/bin/pip install numpy scipy statsmodels baycomp
    venv/bin/python tests/analysis/statistics/make_two_arm_reference.py
"""
import itertools
import json
import pathlib

import baycomp
import numpy as np
import scipy
import statsmodels
from scipy.stats import PermutationMethod, binomtest, mannwhitneyu, rankdata, ttest_rel, wilcoxon
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20261126)
ALTERNATIVES = ("two-sided", "greater", "less")
ZERO_METHODS = ("wilcox", "pratt", "zsplit")
EXHAUSTIVE = PermutationMethod(n_resamples=np.inf)


def sign_patterns(n):
    return np.array(list(itertools.product((0, 1), repeat=n)))


def enumerated_signed_rank_p(d, zero_method):
    """As SciPy's exhaustive permutation, which is slow: W+ over all sign patterns."""
    ranks = rankdata(np.abs(d if zero_method != "wilcox" else np.where(d == 0, np.nan, d)),
                     nan_policy="omit")
    ranks = np.where(d == 0, 0, ranks)
    sums = sign_patterns(len(d)) @ ranks
    observed = ranks[d > 0].sum()
    greater, less = np.mean(sums >= observed - 1e-9), np.mean(sums <= observed + 1e-9)
    return [min(1.0, 2 * min(greater, less)), greater, less]


def signed_rank_case(d):
    """p[zero method][alternative] exact or None, and [zero method][correction][alternative]."""
    d = np.asarray(d, dtype=float)
    nonzero = d[d != 0]
    plain = len(nonzero) == len(d) and len(set(np.abs(d))) == len(d)
    method = "exact" if plain else EXHAUSTIVE if len(d) <= 6 else None
    exact, asymptotic = [], []
    for zero_method in ZERO_METHODS:
        if method is None and len(d) <= 10:
            exact.append(enumerated_signed_rank_p(d, zero_method))
        else:
            exact.append([
                method and wilcoxon(d, zero_method=zero_method, alternative=a, method=method).pvalue
                for a in ALTERNATIVES
            ])
        asymptotic.append([
            [wilcoxon(d, zero_method=zero_method, alternative=a, correction=c,
                      method="asymptotic").pvalue for a in ALTERNATIVES]
            for c in (False, True)
        ])
    return {"d": d.tolist(), "exact": exact, "asymptotic": asymptotic, "auto": wilcoxon(d).pvalue if plain or len(d) <= 6 or len(d) > 13 else None}


def signed_rank_cases():
    cases = []
    for i in range(100):  # continuous: no ties, no zeros
        n = int(rng.integers(1, 61))
        cases.append(signed_rank_case(np.round(rng.normal(rng.uniform(-0.5, 0.5), 1, n), 6)))
    for i in range(80):  # ties and zeros, all patterns can be enumerated
        n = int(rng.integers(2, 11))
        d = rng.integers(-4, 6, n)
        cases.append(signed_rank_case(d if d.any() else d + 1))
    for i in range(60):  # ties and zeros, asymptotic only
        n = int(rng.integers(14, 90))
        cases.append(signed_rank_case(rng.integers(-6, 9, n)))
    return cases


def mann_whitney_case(x, y):
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    pooled = np.concatenate([x, y])
    plain = len(set(pooled)) == len(pooled)
    method = "exact" if plain else EXHAUSTIVE if len(pooled) <= 9 else None
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "u": mannwhitneyu(x, y).statistic,
        "exact": [method and mannwhitneyu(x, y, alternative=a, method=method).pvalue
                  for a in ALTERNATIVES],
        "asymptotic": [[mannwhitneyu(x, y, alternative=a, use_continuity=c,
                                     method="asymptotic").pvalue for a in ALTERNATIVES]
                       for c in (False, True)],
        "auto": mannwhitneyu(x, y).pvalue,
    }


def mann_whitney_cases():
    cases = []
    for i in range(110):
        n1, n2 = rng.integers(1, 26, 2)
        cases.append(mann_whitney_case(np.round(rng.normal(rng.uniform(-1, 1), 1, n1), 6),
                                       np.round(rng.normal(0, 1, n2), 6)))
    for i in range(60):
        n1 = int(rng.integers(2, 8))
        n2 = int(rng.integers(2, 10 - n1 + 1))
        x, y = rng.integers(0, 5, n1), rng.integers(-1, 4, n2)
        if len(set(x) | set(y)) > 1:
            cases.append(mann_whitney_case(x, y))
    for i in range(60):
        n1, n2 = rng.integers(9, 60, 2)
        cases.append(mann_whitney_case(rng.integers(0, 9, n1), rng.integers(-1, 8, n2)))
    return cases


def sign_cases():
    cases = []
    for i in range(220):
        n = int(rng.integers(1, 30 if i < 120 else 2000))
        k = int(rng.binomial(n, rng.uniform(0.3, 0.7)))
        cases.append({"positive": k, "negative": n - k,
                      "p": [binomtest(k, n, alternative=a).pvalue for a in ALTERNATIVES]})
    return cases


def paired_t_cases():
    cases = []
    for i in range(220):
        n = int(rng.integers(2, 40))
        x = np.round(rng.normal(0.3, 1, n), 4)
        y = np.round(x + rng.normal(rng.uniform(-0.5, 0.5), 0.7, n), 4)
        t = ttest_rel(x, y)
        cases.append({"x": x.tolist(), "y": y.tolist(), "t": t.statistic,
                      "p": [ttest_rel(x, y, alternative=a).pvalue for a in ALTERNATIVES]})
    return cases


def multiplicity_cases():
    cases = []
    for i in range(220):
        m = int(rng.integers(1, 25))
        p = np.round(rng.uniform(0, 1, m) ** rng.integers(1, 6), 5)
        if i % 3 == 0:
            p = np.round(p, 1)  # equal p values
        cases.append({"p": p.tolist(), "adjusted": {
            ours: multipletests(p, method=theirs)[1].tolist()
            for ours, theirs in (("bonferroni", "bonferroni"), ("holm", "holm"),
                                 ("hochberg", "simes-hochberg"), ("benjamini-hochberg", "fdr_bh"),
                                 ("benjamini-yekutieli", "fdr_by"))}})
    return cases


def hodges_lehmann_cases():
    """The interval from all 2^n sign patterns of the ranks 1 ... n."""
    cases = []
    sums = {n: sign_patterns(n) @ np.arange(1, n + 1) for n in range(1, 15)}
    for i in range(210):
        n = int(rng.integers(1, 15))
        level = float(rng.choice([0.8, 0.9, 0.95, 0.99]))
        d = np.round(rng.normal(0.2, 1, n), 2)
        walsh = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2))
        k = 0
        while 2 * np.mean(sums[n] <= k) <= (1 - level) * (1 + 1e-12):
            k += 1
        achieved = 1 - 2 * np.mean(sums[n] <= max(k - 1, 0))
        cases.append({"d": d.tolist(), "level": level, "estimate": float(np.median(walsh)),
                      "achieved": float(achieved),
                      "interval": [walsh[k - 1], walsh[len(walsh) - k]] if k else None})
    return cases


def max_t_cases():
    """All 2^n flips of whole seeds, single-step and step-down, straight from the definition."""
    cases = []
    for i in range(200):
        n, m = int(rng.integers(2, 11)), int(rng.integers(1, 9))
        d = rng.integers(-6, 7, (m, n)) + rng.integers(0, 3, (m, 1)) * 3
        present = rng.uniform(size=(m, n)) < (0.8 if i % 2 else 1.1)
        d = np.where(present, d, 0)
        ranks = np.zeros((m, n))
        for c in range(m):
            at = d[c] != 0
            ranks[c, at] = np.sign(d[c, at]) * rankdata(np.abs(d[c, at]))
        norm = np.sqrt((ranks**2).sum(axis=1))
        alive = norm > 0
        unit = ranks[alive] / norm[alive, None]
        t = unit.sum(axis=1)
        flips = 2 * sign_patterns(n) - 1
        flipped = np.abs(flips @ unit.T)
        reached = np.abs(t) - 1e-9
        single = (flipped.max(axis=1)[:, None] >= reached).mean(axis=0) if alive.any() else []
        order = np.argsort(-np.abs(t), kind="stable")
        down, running = np.zeros(len(t)), 0.0
        for position, c in enumerate(order):
            rest = flipped[:, order[position:]].max(axis=1)
            running = max(running, float((rest >= reached[c]).mean()))
            down[c] = running
        cases.append({"seeds": [np.flatnonzero(row).tolist() for row in present],
                      "d": [d[c][present[c]].tolist() for c in range(m)],
                      "alive": alive.tolist(), "t": t.tolist(),
                      "single_step": list(map(float, single)), "step_down": down.tolist()})
    return cases


def bayesian_cases():
    """Posterior means by the Dirichlet's second moments; 8 probabilities by baycomp."""
    cases = []
    for i in range(210):
        n = int(rng.integers(1, 20))
        rope = float(rng.choice([0.0, 0.25, 1.0]))
        d = rng.integers(-4, 7, n) / 2 if i % 2 else np.round(rng.normal(0.3, 1, n), 3)
        z, a = np.append(d, 0.0), np.append(np.ones(n), 0.5)
        moment = (np.outer(a, a) + np.diag(a)) / (a.sum() * (a.sum() + 1))
        sums = z[:, None] + z[None, :]
        above = (moment * np.heaviside(sums - 2 * rope, 0.5)).sum()
        below = (moment * np.heaviside(-sums - 2 * rope, 0.5)).sum()
        case = {"d": d.tolist(), "rope": rope, "mean": [below, 1 - above - below, above]}
        if i < 8:
            sample = baycomp.SignedRankTest.sample(np.zeros(n), np.asarray(d, dtype=float), rope,
                                                   nsamples=10000, random_state=i)
            case["p"] = np.bincount(np.argmax(sample, axis=1), minlength=3) / 10000
            case["p"] = case["p"].tolist()
        cases.append(case)
    return cases


def main():
    reference = {
        "made_with": f"scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, "
                     "baycomp 1.0.3",
        "signed_rank": signed_rank_cases(),
        "mann_whitney": mann_whitney_cases(),
        "sign": sign_cases(),
        "paired_t": paired_t_cases(),
        "multiplicity": multiplicity_cases(),
        "hodges_lehmann": hodges_lehmann_cases(),
        "max_t": max_t_cases(),
        "bayesian": bayesian_cases(),
    }
    target = pathlib.Path(__file__).parent / "two_arm_reference.json"
    lines = []
    for key, value in reference.items():
        cases = value if isinstance(value, list) else [value]
        rows = ",\n".join(json.dumps(case, separators=(",", ":"), default=float) for case in cases)
        lines.append(f"{json.dumps(key)}:[\n{rows}]" if isinstance(value, list) else
                     f"{json.dumps(key)}:{rows}")
    target.write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
