#!/usr/bin/env python3
"""Rows per second of calsweep's one pass against torchmetrics-style PyTorch code on the same wheel.

    .venv/bin/python tests/bench/metric_pass.py build/release/tests/bench-metric-pass

calsweep: every metric of a trial in one pass (accuracy, NLL, Brier, entropy, class counts, classwise
bins, all calibration conventions, confidence histogram), softmax in double. PyTorch: what
torchmetrics' multiclass ECE does, and nothing else: softmax, largest class and its equality with the
label per batch (update), then bucketize and scatter of all stored confidences (compute), in float32.
One thread each; rounds alternate; CPU time, so that other work on the machine disturbs less.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch


class CalibrationErrorByTorch:
    def __init__(self, n_bins=15):
        self.edges = torch.linspace(0, 1, n_bins + 1)
        self.confidences, self.accuracies = [], []

    def update(self, logits, labels):
        confidence, predicted = logits.softmax(1).max(dim=1)
        self.confidences.append(confidence.float())
        self.accuracies.append(predicted.eq(labels).float())

    def compute(self):
        confidence = torch.cat(self.confidences)
        accuracy = torch.cat(self.accuracies)
        index = torch.bucketize(confidence, self.edges, right=True) - 1
        zeros = torch.zeros(len(self.edges))
        count = zeros.scatter_add(0, index, torch.ones_like(confidence))
        mean_confidence = torch.nan_to_num(zeros.scatter_add(0, index, confidence) / count)
        mean_accuracy = torch.nan_to_num(zeros.scatter_add(0, index, accuracy) / count)
        return ((mean_accuracy - mean_confidence).abs() * count / count.sum()).sum()


def torch_rate(rows, classes, batch=100_000):
    torch.manual_seed(0)
    logits = torch.rand(rows, classes) * 4
    labels = torch.randint(0, classes, (rows,))
    logits[torch.arange(rows), labels] += 14 * torch.rand(rows)
    metric = CalibrationErrorByTorch()
    start = time.process_time()
    for first in range(0, rows, batch):
        metric.update(logits[first : first + batch], labels[first : first + batch])
    metric.compute()
    return rows / (time.process_time() - start)


def ours(binary, rows, classes):
    command = [binary, "--rows", str(rows), "--classes", str(classes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="bench-metric-pass")
    parser.add_argument("--rows", type=int, default=100_000_000, help="of the large run at 10 classes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    large = ours(options.binary, options.rows, 10)
    print(f"torch {torch.__version__}, one thread each, CPU time, {options.rounds} rounds")
    print(
        f"{large['rows']:,} rows x 10: {large['rows_per_second'] / 1e6:.1f} M rows/s "
        f"({large['bytes_per_second'] / 1e9:.2f} GB/s of logits; this core reads "
        f"{large['read_bytes_per_second'] / 1e9:.1f} GB/s), peak memory {large['peak_rss_mb']:.0f} MB"
    )
    for classes, rows in ((10, 2_000_000), (100, 200_000), (1000, 20_000)):
        rates = {"calsweep": [], "PyTorch": []}
        for _ in range(options.rounds):
            rates["calsweep"].append(ours(options.binary, rows, classes)["rows_per_second"])
            rates["PyTorch"].append(torch_rate(rows, classes))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        for name, values in rates.items():
            print(
                f"K = {classes:4}  {name:8} {medians[name] / 1e6:8.2f} M rows/s "
                f"({min(values) / 1e6:.2f} - {max(values) / 1e6:.2f})"
            )
        print(f"K = {classes:4}  ratio    {medians['calsweep'] / medians['PyTorch']:8.2f}")


if __name__ == "__main__":
    main()
