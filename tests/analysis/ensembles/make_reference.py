#!/usr/bin/env python3
"""Writes disagreement.json: uncertainty decompositions and pairwise divergences by SciPy.

Needs numpy and scipy; the tests read the committed file and need no Python.
"""
import itertools
import json
import pathlib

import numpy as np
import scipy
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

HERE = pathlib.Path(__file__).parent


def case(rng, n_members, n_rows, k, scale):
    z = rng.normal(0, scale, (n_members, n_rows, k))
    p = np.exp(z - z.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    mean = p.mean(axis=0)
    pairs = list(itertools.combinations(range(n_members), 2))
    votes = p.argmax(axis=2)
    return {
        "n_members": n_members, "n_classes": k, "probabilities": p.reshape(n_members, -1).tolist(),
        "total": entropy(mean, axis=1).tolist(),
        "aleatoric": entropy(p, axis=2).mean(axis=0).tolist(),
        "epistemic": np.mean([entropy(m, mean, axis=1) for m in p], axis=0).tolist(),
        "variation_ratio": [1 - np.bincount(v).max() / n_members for v in votes.T],
        "probability_variance": p.var(axis=0).sum(axis=1).tolist(),
        "disagreement": np.mean([votes[a] != votes[b] for a, b in pairs], axis=0).tolist(),
        "pairwise_kl": np.mean([entropy(p[a], p[b], axis=1) for a, b in itertools.permutations(range(n_members), 2)], axis=0).tolist(),
        "pairwise_js": np.mean([jensenshannon(p[a], p[b], axis=1) ** 2 for a, b in pairs], axis=0).tolist(),
    }


if __name__ == "__main__":
    rng = np.random.default_rng(3)
    cases = [case(rng, *shape) for shape in ((2, 8, 2, 1.0), (5, 8, 10, 2.0), (3, 8, 4, 8.0), (8, 6, 3, 0.1))]
    made_with = f"numpy {np.__version__}, scipy {scipy.__version__}"
    (HERE / "disagreement.json").write_text(json.dumps({"made_with": made_with, "cases": cases}) + "\n")
