#!/usr/bin/env python3
"""Training steps per second: calsweep's loop against a plain PyTorch loop on the same wheel.

    python tests/bench/steps_vs_pytorch.py build/release/tests/bench-steps

Run it with the Python whose torch the trainer was built against (.venv/bin/python). Both sides train
the same network (width 256, Linear, ReLU, BatchNorm), batch 128, Adam with weight decay, one thread,
4,000 CIFAR-shaped images normalised once and held in memory, batches by index. Rounds alternate, so
that a busy machine slows both; medians and the ratio of medians are printed.

The plain loop comes twice: as people write it (torch.optim.Adam as it comes), and with Adam's
`fused=True`, which few know to exist for CPUs.
"""
import argparse
import statistics
import subprocess
import time

import torch
from torch import nn

BATCH, IMAGES, CLASSES, PIXELS, WIDTH = 128, 4000, 10, 3072, 256


def make_net(depth):
    layers, size = [], PIXELS
    for _ in range(depth - 1):
        layers += [nn.Linear(size, WIDTH), nn.ReLU(), nn.BatchNorm1d(WIDTH)]
        size = WIDTH
    return nn.Sequential(*layers, nn.Linear(size, CLASSES))


class PlainLoop:
    def __init__(self, depth, fused):
        torch.manual_seed(0)
        self.images = (torch.randint(0, 256, (IMAGES, PIXELS)) / 255 - 0.48) / 0.2
        self.labels = torch.arange(IMAGES) % CLASSES
        self.net = make_net(depth).train()
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), lr=2e-5, weight_decay=1e-3, fused=fused or None
        )
        self.loss = nn.CrossEntropyLoss()

    def epoch(self):
        steps = 0
        for index in torch.randperm(IMAGES).split(BATCH):
            self.optimizer.zero_grad()
            loss = self.loss(self.net(self.images[index]), self.labels[index])
            loss.backward()
            self.optimizer.step()
            steps += 1
        return steps

    def steps_per_second(self, seconds):
        self.epoch()
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            steps += self.epoch()
        return steps / (time.perf_counter() - start)


def ours(binary, depth, networks, seconds):
    command = [binary, "--depth", str(depth), "--networks", str(networks), "--seconds", str(seconds)]
    command += ["--images", str(IMAGES), "--threads", "1", "--device", "cpu"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="bench-steps")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {options.rounds} rounds of {options.seconds} s, one thread")
    for depth in (2, 6):
        contestants = {
            "plain PyTorch": lambda: PlainLoop(depth, False).steps_per_second(options.seconds),
            "plain PyTorch, fused Adam": lambda: PlainLoop(depth, True).steps_per_second(
                options.seconds
            ),
            "calsweep, K = 1": lambda: ours(options.binary, depth, 1, options.seconds),
            # Each step of a stack moves ten networks.
            "calsweep, K = 10": lambda: 10 * ours(options.binary, depth, 10, options.seconds),
        }
        rates = {name: [] for name in contestants}
        for _ in range(options.rounds):
            for name, run in contestants.items():
                rates[name].append(run())
        medians = {name: statistics.median(values) for name, values in rates.items()}
        print(f"\ndepth {depth}: network steps per second (median; lowest - highest)")
        for name, values in rates.items():
            print(f"  {name:28} {medians[name]:8.1f}   ({min(values):.1f} - {max(values):.1f})")
        for name in ("calsweep, K = 1", "calsweep, K = 10"):
            plain = medians[name] / medians["plain PyTorch"]
            fused = medians[name] / medians["plain PyTorch, fused Adam"]
            print(f"  ratio {name[10:]:6}: {plain:.2f} to plain, {fused:.2f} to fused Adam")


if __name__ == "__main__":
    main()
