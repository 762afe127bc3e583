#!/usr/bin/env python3
"""Seconds that `calsweep analyze` takes for the warm-up study's grid (700 networks), with everything
it computes by default, and again when nothing is new; aim: 60 s on 2 cores, 3 s.

    ninja -C build/release bench-results calsweep
    results_time.py [--rows 10000] [--seeds 10] [--sets all|test] [--check]

--sets test: the logits that sweeps/warmup-depth-by-size.toml logs; all: a validation and an OOD set beside them, so that
calibrators, prediction sets and detection have something to do.

--check exits with 1 above the aims (scaled to the number of networks).
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = """name = "bench"
seeds = {seeds}
[data]
dataset = "cifar-10"
[grid]
model.depth = [2, 3, 4, 5, 6]
data.size = [500, 1000, 2000, 4000, 8000, 16000, 32000]
[methods.baseline]
[methods.noise-warmup]
noise_warmup = {{ samples = 64000 }}
"""


def timed(command):
    before = os.times()
    start = time.monotonic()
    subprocess.run(command, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - start, cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sets", choices=("all", "test"), default="all")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="calsweep-results-"))
    try:
        spec = folder / "bench.toml"
        spec.write_text(SPEC.format(seeds=options.seeds))
        run = folder / "run"
        made = subprocess.run([options.build / "tests/bench-results", spec, run, str(options.rows), "10",
                               options.sets],
                              check=True, text=True, stdout=subprocess.PIPE)
        trials = int(made.stdout)
        calsweep = options.build / "bin/calsweep"
        first, first_cpu = timed([calsweep, "-q", "analyze", run])
        again, _ = timed([calsweep, "-q", "analyze", run])
        size = (run / "results.db").stat().st_size / 1e6
        print(f"{trials} networks, {options.rows} test rows x 10 classes, sets: {options.sets}, {os.cpu_count()} cores, load "
              f"{os.getloadavg()[0]:.1f}: {first:.1f} s ({first_cpu:.1f} s CPU); nothing new: {again:.2f} s; "
              f"results.db {size:.0f} MB")
        late = first > 60 * trials / 700 + 5 or again > 3
        return 1 if options.check and late else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
