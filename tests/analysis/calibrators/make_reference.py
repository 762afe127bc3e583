#!/usr/bin/env python3
"""Writes reference.json: expected values of temperature, Platt, beta and isotonic calibration.

Nothing here is our code: SciPy minimises the negative log-likelihoods, scikit-learn does isotonic
regression. The affine maps are in make_affine_reference.py, Bayesian binning and near-isotonic
regression in make_score_map_reference.py. Data are written down to the last bit: logits are multiples of 1/64, which float32 and
JSON hold exactly. The tests read the committed file and need no Python.

    python3 -m venv venv && venv/bin/pip install numpy scipy scikit-learn
    venv/bin/python tests/analysis/calibrators/make_reference.py
"""
import json
import pathlib

import numpy as np
import scipy
import scipy.optimize
import sklearn
from scipy.special import expit, log_softmax, logsumexp, softmax
from sklearn.isotonic import IsotonicRegression

rng = np.random.default_rng(20261126)


def draw(n, k, scale, sharpness, shift=0.0):
    """Integers (64 times the logits) [n, k] and labels drawn from softmax(sharpness * logits)."""
    z = np.rint(64 * (scale * rng.standard_normal((n, k)) + shift * np.arange(k))).astype(int)
    p = softmax(sharpness * z / 64, axis=1)
    y = np.array([rng.choice(k, p=row) for row in p])
    return z, y


def nll(scores, y):
    return float(-log_softmax(scores, axis=1)[np.arange(len(y)), y].mean())


def temperature_case():
    k = int(rng.choice([2, 3, 5, 10]))
    n = int(rng.integers(20, 60) if k > 3 else rng.integers(12, 60))
    z64, y = draw(n, k, float(rng.uniform(0.3, 4)), float(np.exp(rng.uniform(-1.5, 0.7))))
    z = z64 / 64
    m = z - z.max(axis=1, keepdims=True)
    at_label = m[np.arange(n), y]

    def gradient(beta):
        q = softmax(beta * z, axis=1)
        return float(((q * m).sum(axis=1) - at_label).mean())

    if (at_label == 0).all() or gradient(0.0) >= 0:
        return None
    # Bounded minimisation of the NLL, then polished on the gradient: minimising alone stops at
    # about the square root of the machine precision.
    found = scipy.optimize.minimize_scalar(
        lambda t: nll(z / np.exp(t), y), bounds=(-12, 12), method="bounded",
        options={"xatol": 1e-10, "maxiter": 1000})
    beta = scipy.optimize.brentq(gradient, np.exp(-found.x) * 0.9, np.exp(-found.x) * 1.1,
                                 xtol=1e-16, rtol=8.9e-16)
    assert abs(np.exp(found.x) * beta - 1) < 1e-5
    return {"k": k, "z64": z64.ravel().tolist(), "labels": y.tolist(), "T": 1 / beta,
            "nll": nll(beta * z, y), "nll_before": nll(z, y)}


def isotonic_case(n, ties):
    x = rng.integers(1, n + 2, n) / 64 if ties else rng.permutation(4095)[:n] / 4096
    y = (rng.random(n) < x ** 2).astype(float)
    at = np.concatenate([x, rng.integers(0, 4097, 5) / 4096])
    fitted = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    return {"x": x.tolist(), "y": y.tolist(), "at": at.tolist(),
            "value": np.round(fitted.predict(at), 14).tolist()}


def platt_case(n):
    z64, y = draw(n, 2, 2.0, 0.5)
    if len(set(y)) < 2:
        return platt_case(n)
    s = (z64[:, 1] - z64[:, 0]) / 64
    n1, n0 = int(y.sum()), int(len(y) - y.sum())
    t = np.where(y == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))

    def value(x):
        u = x[0] * s + x[1]
        r = (expit(u) - t) / n
        return np.mean(np.logaddexp(0, u) - t * u), np.array([(r * s).sum(), r.sum()])

    found = scipy.optimize.minimize(value, [1.0, 0.0], jac=True, method="BFGS",
                                    options={"gtol": 1e-12})
    return {"k": 2, "z64": z64.ravel().tolist(), "labels": y.tolist(), "a": found.x[0],
            "b": found.x[1], "cross_entropy": float(found.fun)}


def beta_case(n, sharpness):
    """Two classes; the bounded optimum by L-BFGS-B."""
    z64, y = draw(n, 2, 2.0, sharpness)
    z = z64 / 64
    s = z[:, 1] - z[:, 0]
    if len(set(y)) < 2 or s[y == 0].max() <= s[y == 1].min():
        return beta_case(n, sharpness)
    log_p, log_rest = -np.logaddexp(0, -s), -np.logaddexp(0, s)

    def value(x):
        u = x[0] * log_p - x[1] * log_rest + x[2]
        r = (expit(u) - y) / n
        return (np.mean(np.logaddexp(0, u) - y * u),
                np.array([(r * log_p).sum(), -(r * log_rest).sum(), r.sum()]))

    found = scipy.optimize.minimize(value, [1.0, 1.0, 0.0], jac=True, method="L-BFGS-B",
                                    bounds=[(0, None), (0, None), (None, None)],
                                    options={"ftol": 1e-16, "gtol": 1e-11, "maxiter": 10000})
    return {"k": 2, "z64": z64.ravel().tolist(), "labels": y.tolist(), "a": found.x[0],
            "b": found.x[1], "c": found.x[2], "nll": float(found.fun)}


temperature = []
while len(temperature) < 220:
    case = temperature_case()
    if case:
        temperature.append(case)
reference = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__,
                 "sklearn": sklearn.__version__},
    "temperature": temperature,
    "isotonic": [isotonic_case(int(n), bool(i % 2))
                 for i, n in enumerate([1, 1, 2, 2, 3, 3] + [20] * 200)],
    "platt": [platt_case(40) for _ in range(200)],
    "beta": [beta_case(40, (-0.4, 0.05, 0.5, 1.2)[i % 4]) for i in range(200)],
}
path = pathlib.Path(__file__).parent / "reference.json"
path.write_text(json.dumps(reference, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes;",
      sum(c["T"] < 1 for c in temperature), "temperatures below 1;",
      sum(min(c["a"], c["b"]) == 0 for c in reference["beta"]), "beta fits on a bound")
