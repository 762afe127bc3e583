#!/usr/bin/env python3
"""Training steps per second: calsweep's loop against a plain PyTorch loop on the same wheel.

    python tests/bench/steps_vs_pytorch.py build/release/tests/bench-steps
    python tests/bench/steps_vs_pytorch.py build/release/tests/bench-steps --device cuda:0 --widths 1,8,32,128

Run it with the Python whose torch the trainer was built against (.venv/bin/python). Both sides train
the same network (width 256, Linear, ReLU, BatchNorm), batch 128, Adam with weight decay, one thread,
4,000 CIFAR-shaped images normalised once and held in memory, batches by index. Rounds alternate, so
that a busy machine slows both; medians and the ratio of medians are printed.

The plain loop comes twice: as people write it (torch.optim.Adam as it comes), and with Adam's
`fused=True`, which few know to exist for CPUs. It trains one network at a time; calsweep trains as many as its
stack is wide, and each step of a stack counts as one step of each of its networks.
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
    def __init__(self, depth, fused, device):
        torch.manual_seed(0)
        self.device = device
        self.images = ((torch.randint(0, 256, (IMAGES, PIXELS)) / 255 - 0.48) / 0.2).to(device)
        self.labels = (torch.arange(IMAGES) % CLASSES).to(device)
        self.net = make_net(depth).train().to(device)
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), lr=2e-5, weight_decay=1e-3, fused=fused or None
        )
        self.loss = nn.CrossEntropyLoss()

    def epoch(self):
        steps = 0
        for index in torch.randperm(IMAGES).to(self.device).split(BATCH):
            self.optimizer.zero_grad()
            loss = self.loss(self.net(self.images[index]), self.labels[index])
            loss.backward()
            self.optimizer.step()
            steps += 1
        loss.item()  # waits for the device
        return steps

    def steps_per_second(self, seconds):
        self.epoch()
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            steps += self.epoch()
        return steps / (time.perf_counter() - start)


def ours(binary, device, depth, networks, seconds):
    """Network steps per second of a stack of `networks`."""
    command = [binary, "--depth", str(depth), "--networks", str(networks), "--seconds", str(seconds)]
    command += ["--images", str(IMAGES), "--threads", "1", "--device", device]
    return networks * float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def contestants(options, depth):
    """What is measured: {name: function that returns network steps per second}."""
    plain = {"plain PyTorch": False, "plain PyTorch, fused Adam": True}
    found = {
        name: lambda fused=fused: PlainLoop(depth, fused, options.device).steps_per_second(options.seconds)
        for name, fused in plain.items()
    }
    for width in options.widths:
        found[f"calsweep, K = {width}"] = lambda width=width: ours(
            options.binary, options.device, depth, width, options.seconds
        )
    return found


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="bench-steps")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--widths", default="1,10", help="networks stacked, separated by commas")
    parser.add_argument("--depths", default="2,6")
    options = parser.parse_args()
    options.widths = [int(width) for width in options.widths.split(",")]
    options.depths = [int(depth) for depth in options.depths.split(",")]
    return options


def main():
    options = parse_options()
    torch.set_num_threads(1)
    where = torch.cuda.get_device_name(0) if options.device.startswith("cuda") else "one thread"
    print(f"torch {torch.__version__}, {options.rounds} rounds of {options.seconds} s, {where}")
    for depth in options.depths:
        rivals = contestants(options, depth)
        rates = {name: [] for name in rivals}
        for _ in range(options.rounds):
            for name, run in rivals.items():
                rates[name].append(run())
        medians = {name: statistics.median(values) for name, values in rates.items()}
        print(f"\ndepth {depth}: network steps per second (median; lowest - highest)")
        for name, values in rates.items():
            print(f"  {name:28} {medians[name]:9.1f}   ({min(values):.1f} - {max(values):.1f})")
        for name in (name for name in medians if name.startswith("calsweep")):
            plain = medians[name] / medians["plain PyTorch"]
            fused = medians[name] / medians["plain PyTorch, fused Adam"]
            print(f"  ratio {name[10:]:8}: {plain:.2f} to plain, {fused:.2f} to fused Adam", flush=True)


if __name__ == "__main__":
    main()
