#!/usr/bin/env python3
"""Writes detection.json and scores.json: what scikit-learn and SciPy say on generated scores.

Needs numpy, scipy and scikit-learn; the tests read the committed files and need no Python.
"""
import json
import pathlib

import numpy as np
import scipy
import scipy.special
import scipy.stats
import sklearn
from sklearn import metrics

HERE = pathlib.Path(__file__).parent


def delong_standard_error(pos, neg):
    """By the definition in DeLong et al. 1988: the kernel of every pair, then sample variances."""
    kernel = np.array([[(x > y) + 0.5 * (x == y) for y in neg] for x in pos])
    v10, v01 = kernel.mean(axis=1), kernel.mean(axis=0)
    return float(np.sqrt(v10.var(ddof=1) / len(pos) + v01.var(ddof=1) / len(neg)))


def fpr95(positive, score):
    """OpenOOD v1.5: fpr[argmax(tpr >= .95)], here with every threshold kept (see the docs)."""
    fpr, tpr, thresholds = metrics.roc_curve(positive, score, drop_intermediate=False)
    i = np.argmax(tpr >= 0.95)
    return [float(fpr[i]), float(tpr[i]), float(thresholds[i])]


def aupr(positive, score):
    precision, recall, _ = metrics.precision_recall_curve(positive, score)
    return [float(metrics.average_precision_score(positive, score)), float(metrics.auc(recall, precision))]


def detection_case(in_scores, out_scores):
    score = np.concatenate([in_scores, out_scores])
    is_in = np.concatenate([np.ones(len(in_scores), int), np.zeros(len(out_scores), int)])
    fpr, tpr, _ = metrics.roc_curve(is_in, score, drop_intermediate=False)
    return {
        "in": in_scores.tolist(),
        "out": out_scores.tolist(),
        "u": float(scipy.stats.mannwhitneyu(in_scores, out_scores, method="asymptotic").statistic),
        "auroc": float(metrics.roc_auc_score(is_in, score)),
        "delong": delong_standard_error(in_scores, out_scores),
        "aupr_in": aupr(is_in, score),
        "aupr_out": aupr(1 - is_in, -score),
        "fpr95_in": fpr95(is_in, score),
        "fpr95_out": fpr95(1 - is_in, -score),
        "detection_error": float(np.min((1 - tpr + fpr) / 2)),
    }


def detection_cases():
    rng = np.random.default_rng(20261126)
    cases = []
    for i in range(240):
        n_in, n_out = rng.integers(2, 60, 2)
        shift = rng.uniform(-0.5, 2.5)
        a, b = rng.normal(shift, 1, n_in), rng.normal(0, rng.uniform(0.5, 2), n_out)
        # Three in four cases with ties: rounded to tenths, to halves, or to whole numbers.
        step = (None, 0.1, 0.5, 1.0)[i % 4]
        if step is None:
            a, b = a.round(6), b.round(6)
        else:
            a, b = (np.round(a / step) * step).round(1), (np.round(b / step) * step).round(1)
        if i % 40 == 39:  # saturated: one value holds most rows
            a, b = np.minimum(a, 0.0), np.minimum(b, 0.0)
        cases.append(detection_case(a + 0.0, b + 0.0))
    return cases


def score_cases():
    rng = np.random.default_rng(7)
    cases = []
    for k, scale, temperature in ((2, 1, 1), (10, 3, 1), (10, 30, 1), (10, 3, 1000), (5, 8, 2.5), (3, 400, 0.5)):
        z = rng.normal(0, scale, (6, k)).astype(np.float32)
        x = z.astype(float) / temperature
        p = scipy.special.softmax(x, axis=1)
        cases.append(
            {
                "logits": z.astype(float).ravel().tolist(),
                "n_classes": k,
                "temperature": temperature,
                "max_softmax": p.max(axis=1).tolist(),
                "negative_entropy": (-scipy.stats.entropy(p, axis=1)).tolist(),
                "max_logit": z.astype(float).max(axis=1).tolist(),
                "energy": (temperature * scipy.special.logsumexp(x, axis=1)).tolist(),
            }
        )
    return cases


def diagonal_case():
    """Ties on a straight piece of the ROC: sklearn's default drops thresholds and FPR95 becomes 1."""
    score = np.repeat(np.arange(20.0), 2)
    is_in = np.tile([1, 0], 20)
    fpr, tpr, _ = metrics.roc_curve(is_in, score)
    return {
        "in": np.arange(20.0).tolist(),
        "out": np.arange(20.0).tolist(),
        "fpr95_drop_intermediate": float(fpr[np.argmax(tpr >= 0.95)]),
        "fpr95": fpr95(is_in, score)[0],
    }


def write(name, content):
    made_with = f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    (HERE / name).write_text(json.dumps({"made_with": made_with, **content}) + "\n")


if __name__ == "__main__":
    write("detection.json", {"cases": detection_cases(), "diagonal": diagonal_case()})
    write("scores.json", {"cases": score_cases()})
