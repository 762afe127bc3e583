#!/usr/bin/env python3
"""Writes data/reference.json, the expected values of the analysis tests.

Everything here is computed by code that is not ours: SciPy (signed-rank, Mann-Whitney, log_ndtr),
statsmodels (Holm), or by enumeration in exact integers where SciPy has no exact value (ties).
The tests read the committed file and need neither package.

    python3 -m venv venv && venv/bin/pip install numpy scipy statsmodels
    venv/bin/python tests/analysis/make_reference.py
"""
import itertools
import json
import pathlib

import numpy as np
import scipy
import scipy.special
import scipy.stats
import statsmodels
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20260222)


def exact_by_enumeration(d):
    """Two-sided p of min(W+, W-) over all sign patterns of the non-zero differences."""
    d = np.asarray([x for x in d if x != 0])
    ranks2 = np.rint(2 * scipy.stats.rankdata(np.abs(d))).astype(int)
    plus = int(ranks2[d > 0].sum())
    w2 = min(plus, int(ranks2.sum()) - plus)
    hits = 0
    for signs in itertools.product((0, 1), repeat=len(d)):
        hits += int(np.dot(signs, ranks2)) <= w2
    return min(1.0, 2 * hits / 2 ** len(d))


def signed_rank_case(name, d):
    d = np.asarray(d, dtype=float)
    nonzero = d[d != 0]
    asymptotic = scipy.stats.wilcoxon(d, method="asymptotic", correction=False)
    tied = len(set(np.abs(nonzero))) < len(nonzero)
    if not tied and len(nonzero) <= 50:
        exact = float(scipy.stats.wilcoxon(nonzero, method="exact").pvalue)
    else:
        exact = exact_by_enumeration(d) if len(nonzero) <= 16 else None
    walsh = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2)]
    ranks = scipy.stats.rankdata(np.abs(nonzero))
    return {
        "name": name,
        "differences": d.tolist(),
        "w_plus": float(ranks[nonzero > 0].sum()),
        "w_minus": float(ranks[nonzero < 0].sum()),
        "p_asymptotic": float(asymptotic.pvalue),
        "p_exact": exact,
        "median": float(np.median(d)),
        "hodges_lehmann": float(np.median(walsh)),
    }


def auroc_case(name, positive, negative):
    u = scipy.stats.mannwhitneyu(positive, negative).statistic
    return {
        "name": name,
        "positive": list(map(float, positive)),
        "negative": list(map(float, negative)),
        "auroc": float(u) / (len(positive) * len(negative)),
    }


def prediction_case():
    logits = (3 * rng.standard_normal((200, 7))).astype(np.float32)
    labels = rng.integers(0, 7, 200)
    logits[np.arange(200), labels] += 2
    log_p = scipy.special.log_softmax(logits.astype(float), axis=1)
    p = np.exp(log_p)
    one_hot = np.eye(7)[labels]
    return {
        "n_classes": 7,
        "logits": logits.astype(float).ravel().tolist(),
        "labels": labels.tolist(),
        "nll": float(-log_p[np.arange(200), labels].mean()),
        "brier": float(((p - one_hot) ** 2).sum(axis=1).mean()),
        "accuracy": float((p.argmax(axis=1) == labels).mean()),
        "confidence": float(p.max(axis=1).mean()),
    }


def main():
    signed_rank = [
        signed_rank_case("darwin", [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]),
        signed_rank_case("zeros and ties", [0, 0, 1, 2, -2, 3, 4, -5, 6, 7, 7, 8]),
        signed_rank_case("one pair", [-0.25]),
        signed_rank_case("two opposite", [1.0, -1.0]),
        signed_rank_case("all tied", [2.0, 2.0, -2.0, 2.0, 2.0, 2.0]),
        signed_rank_case("n = 50", rng.normal(0.3, 1.0, 50)),
    ]
    for n, positive in ((20, {20, 19, 18, 7}), (30, {30, 29, 3}), (30, {30, 29, 1})):
        d = [k if k in positive else -k for k in range(1, n + 1)]
        signed_rank.append(signed_rank_case(f"paper n = {n}, W = {sum(positive)}", d))
    for n in (5, 10, 12, 20, 30, 45):
        signed_rank.append(signed_rank_case(f"normal n = {n}", rng.normal(0.4, 1.0, n)))
    for n in (8, 12, 15):
        signed_rank.append(signed_rank_case(f"integers n = {n}", rng.integers(-4, 7, n)))
    signed_rank.append(signed_rank_case("n = 200", rng.normal(0.1, 1.0, 200)))
    holm = []
    for p in (
        [0.01, 0.04, 0.03, 0.005],
        [0.001953125] * 10,
        rng.uniform(0, 0.2, 25).tolist(),
        [1.0, 0.9, 0.5, 1e-12],
    ):
        holm.append({"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()})
    aurocs = [
        auroc_case("separate", [3, 4, 5], [0, 1, 2]),
        auroc_case("all equal", [1, 1], [1, 1, 1]),
        auroc_case("ties", rng.integers(0, 5, 40), rng.integers(-1, 4, 25)),
        auroc_case("continuous", rng.normal(0.5, 1, 60), rng.normal(0, 1, 80)),
    ]
    tails = [
        {"z": z, "log10_p": float((scipy.special.log_ndtr(-z) + np.log(2)) / np.log(10))}
        for z in (0.0, 0.5, 1.96, 5.0, 12.0, 29.9, 30.1, 38.0, 60.0, 119.7986)
    ]
    reference = {
        "made_with": f"scipy {scipy.__version__}, statsmodels {statsmodels.__version__}",
        "signed_rank": signed_rank,
        "holm": holm,
        "auroc": aurocs,
        "normal_tail": tails,
        "predictions": prediction_case(),
    }
    target = pathlib.Path(__file__).parent / "data" / "reference.json"
    target.write_text(json.dumps(reference, indent=0) + "\n")


if __name__ == "__main__":
    main()
