#!/usr/bin/env python3
"""Rows per second of calsweep's one pass against PyTorch code on the same wheel.

    .venv/bin/python tests/bench/metric_pass.py build/release/tests/bench-metric-pass

calsweep: every metric of a trial from one pass (accuracy, NLL, Brier, entropy, class counts, classwise
bins, all calibration conventions, confidence histogram), softmax in double; "with metrics" adds the time
to make them from the sums. PyTorch, twice: "one ECE" does what torchmetrics' multiclass ECE does and
nothing else, in float32; "whole set" makes the metrics that calsweep makes (WholeSetByTorch).
One thread each; rounds alternate; CPU time, so that other work on the machine disturbs less.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

import torch


# Classes, rows, and the batches with which PyTorch's two programs were fastest here.
SIZES = (
    (10, 2_000_000, 100_000, 20_000),
    (100, 400_000, 20_000, 4_000),
    (1000, 40_000, 4_000, 1_000),
)


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


class WholeSetByTorch:
    """The metrics of a trial as a PyTorch user writes them: sums per batch, sorting at the end.

    Softmax in float64, as calsweep has it. Binned errors: one bucketize and two bincounts for each of 14
    binnings (torch's float32 edges and numpy's float64 ones, closed above and below, at the numbers of bins
    that calsweep's conventions have). calsweep tells 41 conventions and bins apart in the same pass.
    """

    def __init__(self, n_classes):
        self.k = n_classes
        linspace32 = lambda b: torch.linspace(0, 1, b + 1)
        linspace64 = lambda b: torch.linspace(0, 1, b + 1, dtype=torch.float64)
        kinds = [(make, right) for make in (linspace32, linspace64) for right in (False, True)]
        self.binnings = [(make(b), right) for make, right in kinds for b in (10, 15, 20)]
        self.binnings += [(linspace64(30), True), (linspace64(5), False)]
        self.counts = [torch.zeros(2 * (len(e) + 1), dtype=torch.long) for e, _ in self.binnings]
        self.sums = [torch.zeros(len(e) + 1, dtype=torch.float64) for e, _ in self.binnings]
        self.class_edges = linspace32(15)[1:]
        self.class_counts = torch.zeros(2 * n_classes * 15, dtype=torch.long)
        self.class_sums = torch.zeros(n_classes * 15, dtype=torch.float64)
        self.class_offsets = torch.arange(n_classes) * 15
        self.rows = 0
        self.totals = dict.fromkeys(("correct", "nll", "brier", "entropy", "confidence"), 0.0)
        self.predicted = torch.zeros(n_classes, dtype=torch.long)
        self.labels = torch.zeros(n_classes, dtype=torch.long)
        self.confidences, self.correct = [], []

    def update(self, logits, labels):
        log_p = logits.double().log_softmax(1)
        p = log_p.exp()
        confidence, predicted = p.max(1)
        right = predicted == labels
        label_log_p = log_p.gather(1, labels[:, None])
        self.rows += len(labels)
        self.totals["correct"] += right.sum()
        self.totals["nll"] -= label_log_p.sum()
        self.totals["brier"] += p.square().sum() - 2 * label_log_p.exp().sum() + len(labels)
        self.totals["entropy"] -= (p * log_p).sum()
        self.totals["confidence"] += confidence.sum()
        self.predicted += predicted.bincount(minlength=self.k)
        self.labels += labels.bincount(minlength=self.k)
        rounded = confidence.float()
        of_type = {torch.float32: rounded, torch.float64: rounded.double()}
        for i, (edges, closed_below) in enumerate(self.binnings):
            index = torch.bucketize(of_type[edges.dtype], edges, right=closed_below)
            n_bins = len(edges) + 1
            self.counts[i] += (index + n_bins * right).bincount(minlength=2 * n_bins)
            self.sums[i] += index.bincount(confidence, minlength=n_bins)
        self.update_classwise(p, labels)
        self.confidences.append(rounded)
        self.correct.append(right)

    def update_classwise(self, p, labels):
        index = torch.bucketize(p.float(), self.class_edges) + self.class_offsets
        n_cells = 15 * self.k
        self.class_counts[:n_cells] += index.flatten().bincount(minlength=n_cells)
        self.class_sums += index.flatten().bincount(p.flatten(), minlength=n_cells)
        of_labels = index.gather(1, labels[:, None]).flatten()
        self.class_counts[n_cells:] += of_labels.bincount(minlength=n_cells)

    def binned_errors(self, counts, sums):
        wrong, right = counts.view(2, -1)
        count = wrong + right
        used = count > 0
        accuracy, confidence = right[used] / count[used], sums[used] / count[used]
        gap, weight = (accuracy - confidence).abs(), count[used] / self.rows
        return {
            "ece": (weight * gap).sum(),
            "mce": gap.max(),
            "rmsce": (weight * gap.square()).sum().sqrt(),
            "oe": (weight * confidence * (confidence - accuracy).clamp(min=0)).sum(),
        }

    def compute(self):
        found = {name: total / self.rows for name, total in self.totals.items()}
        found["binned"] = [self.binned_errors(c, s) for c, s in zip(self.counts, self.sums)]
        of_class, of_label = self.class_counts.view(2, -1)
        found["classwise"] = (of_label - self.class_sums).abs().sum() / (self.rows * self.k)
        found["class_bias"] = (self.predicted / self.rows - 1 / self.k).abs().sum() / 2
        confidence, order = torch.cat(self.confidences).sort(descending=True)
        right = torch.cat(self.correct)[order]
        answered = torch.arange(1, self.rows + 1, dtype=torch.float64)
        found["aurc"] = ((~right).cumsum(0) / answered).mean()
        found["equal_mass"] = sum(
            (r.sum() - c.sum(dtype=torch.float64)).abs() / self.rows
            for r, c in zip(right.tensor_split(15), confidence.tensor_split(15))
        )
        return found


def rows_of(rows, classes):
    torch.manual_seed(0)
    logits = torch.rand(rows, classes) * 4
    labels = torch.randint(0, classes, (rows,))
    logits[torch.arange(rows), labels] += 14 * torch.rand(rows)
    return logits, labels


def torch_rate(metric, logits, labels, batch):
    start = time.process_time()
    for first in range(0, len(labels), batch):
        metric.update(logits[first : first + batch], labels[first : first + batch])
    metric.compute()
    return len(labels) / (time.process_time() - start)


def ours(binary, rows, classes):
    command = [binary, "--rows", str(rows), "--classes", str(classes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(options, classes, rows, ece_batch, whole_batch):
    logits, labels = rows_of(rows, classes)
    rates = {}
    for _ in range(options.rounds):
        made = ours(options.binary, rows, classes)
        one_ece = torch_rate(CalibrationErrorByTorch(), logits, labels, ece_batch)
        whole_set = torch_rate(WholeSetByTorch(classes), logits, labels, whole_batch)
        for name, rate in (
            ("calsweep, the pass", made["rows_per_second"]),
            ("calsweep, fastest block", made["best_rows_per_second"]),
            ("calsweep, with metrics", made["whole_rows_per_second"]),
            ("PyTorch, one ECE", one_ece),
            ("PyTorch, whole set", whole_set),
        ):
            rates.setdefault(name, []).append(rate)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(
            f"K = {classes:4}  {name:24} {medians[name] / 1e6:8.3f} M rows/s "
            f"({min(values) / 1e6:.3f} - {max(values) / 1e6:.3f})"
        )
    for name in ("PyTorch, one ECE", "PyTorch, whole set"):
        ratio = medians["calsweep, with metrics"] / medians[name]
        print(f"K = {classes:4}  calsweep, with metrics : {name} = {ratio:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="bench-metric-pass")
    parser.add_argument("--rows", type=int, default=100_000_000, help="of the large run at 10 classes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    large = ours(options.binary, options.rows, 10)
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, one thread each, CPU time, {options.rounds} rounds, load {load:.1f}")
    print(
        f"{large['rows']:,} rows x 10: {large['rows_per_second'] / 1e6:.1f} M rows/s, fastest block "
        f"{large['best_rows_per_second'] / 1e6:.1f} ({large['bytes_per_second'] / 1e9:.2f} GB/s of logits; "
        f"this core reads {large['read_bytes_per_second'] / 1e9:.1f} GB/s), peak memory {large['peak_rss_mb']:.0f} MB"
    )
    for size in SIZES:
        compare(options, *size)


if __name__ == "__main__":
    main()
