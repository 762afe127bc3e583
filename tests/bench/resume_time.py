#!/usr/bin/env python3
"""Resume of a run directory with many finished trials: time to the first assignment, ledger cost.

    resume_time.py [--bin build/release/bin] [--tests build/release/tests] [--trials 1000,100000]
                   [--per-unit 100,1] [--repeat 3] [--check]

For every number of trials and of networks per unit: makes a run directory in which all trials are
finished (sealed unit files, ledger), adds one seed to the spec, runs the real `calsweep run` with a
trainer that trains nothing, and measures from the start of the process until that trainer holds its
first unit. The ledger's cost per completion is measured on a copy of that ledger (bench_resume.cpp).

--check: fails if a resume takes 3 s or more of CPU (10 s by the clock, for a busy machine), or if a
completion on the largest ledger costs more than 1.5 times one on the smallest (2.5 times where many
share a transaction).
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from program import write_idx_dataset  # noqa: E402

SEEDS = 250
# Four networks per cell and seed; the warm-up is shared by the cells of one depth.
SPEC = """
name = "resume"
seeds = {seeds}
[data]
dataset = "fashion-mnist"
[execution]
max_attempts = 1
[grid]
model.depth = {depths}
data.size = {sizes}
[methods.baseline]
[methods.warm-up]
noise_warmup = {{ samples = 1280 }}
[methods.mixup]
mixup = true
[methods.label-smoothing]
label_smoothing = true
"""


def spec(trials, extra_seeds=0):
    cells = max(trials // (4 * SEEDS), 1)
    depths = next(d for d in (10, 5, 4, 2, 1) if cells % d == 0)
    return SPEC.format(seeds=SEEDS + extra_seeds, depths=list(range(2, 2 + depths)),
                       sizes=list(range(20, 20 + cells // depths)))


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="calsweep-bench-", dir=options.scratch))
        self.environment = {**os.environ, "CALSWEEP_DATA": str(self.folder / "data"),
                            "FAKE_TRAINER": "first-command"}
        write_idx_dataset(self.folder / "data/fashion-mnist", 200, 100)

    def make(self, trials, per_unit):
        (self.folder / "made.toml").write_text(spec(trials))
        made = self.folder / "run"
        shutil.rmtree(made, ignore_errors=True)
        return self.bench("make", self.folder / "made.toml", made, per_unit)

    def bench(self, *arguments):
        command = [str(self.options.bin / "bench-resume"), *map(str, arguments)]
        return json.loads(subprocess.run(command, env=self.environment, check=True, text=True,
                                         stdout=subprocess.PIPE).stdout)

    def resume(self, trials, extra_seeds):
        """Seconds by the clock and of CPU from the start of `calsweep run` to its first unit."""
        (self.folder / "sweep.toml").write_text(spec(trials, extra_seeds))
        marker = self.folder / "run/first-command"
        marker.unlink(missing_ok=True)
        command = [self.options.bin / "calsweep", "-q", "run", self.folder / "sweep.toml", "--dir",
                   self.folder / "run", "--slots", "1", "--trainer", self.options.tests / "fake-trainer"]
        begun = time.monotonic()
        process = subprocess.Popen(list(map(str, command)), env=self.environment)
        while not marker.exists() and process.poll() is None:
            time.sleep(0.002)
        cpu = self.cpu_seconds(process.pid)
        if process.wait() != 0 or not marker.exists():
            sys.exit(f"calsweep run ended with {process.returncode}")
        return float(marker.read_text()) - begun, cpu

    @staticmethod
    def cpu_seconds(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def measure(self, trials, per_unit):
        made = self.make(trials, per_unit)
        ledgers = [self.bench("ledger", self.folder / "run", self.options.completions, per_unit)
                   for _ in range(self.options.repeat)]
        resumes = [self.resume(trials, i + 1) for i in range(self.options.repeat)]
        return {"trials": made["trials"], "per_unit": per_unit, "units": made["units"],
                "wall": min(wall for wall, _ in resumes), "cpu": min(cpu for _, cpu in resumes),
                **{key: min(ledger[key] for ledger in ledgers) for key in ledgers[0]}}


def complaints(results, per_unit):
    mine = [r for r in results if r["per_unit"] == per_unit]
    for r in mine:
        if r["cpu"] >= 3.0 or r["wall"] >= 10.0:
            yield f"resume of {r['trials']} trials took {r['wall']:.2f} s, {r['cpu']:.2f} s of CPU"
    # A larger index is touched in more places, by at most one page per completion: that is seen where
    # many completions share a transaction, and ends.
    for key, limit in (("one_cpu_us", 1.5), ("many_cpu_us", 2.5)):
        ratio = mine[-1][key] / mine[0][key]
        if ratio > limit:
            yield (f"a completion costs {ratio:.2f} times as much with {mine[-1]['trials']} trials as with "
                   f"{mine[0]['trials']} ({key})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    numbers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--tests", type=pathlib.Path, default=ROOT / "build/release/tests")
    parser.add_argument("--trials", type=numbers, default=[1000, 100000])
    parser.add_argument("--per-unit", type=numbers, default=[100, 1])
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many is shown")
    parser.add_argument("--completions", type=int, default=640, help="per measurement of the ledger")
    parser.add_argument("--scratch", type=pathlib.Path, help="where to put the run directories")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    bench, results = Bench(options), []
    print("trials  networks/unit   units   resume: wall s   CPU s   completion, us CPU (wall): "
          "1 per transaction   64 per transaction")
    try:
        for per_unit in options.per_unit:
            for trials in options.trials:
                r = bench.measure(trials, per_unit)
                results.append(r)
                print(f"{r['trials']:6} {r['per_unit']:14} {r['units']:7} {r['wall']:16.2f} {r['cpu']:7.2f} "
                      f"{r['one_cpu_us']:32.0f} ({r['one_wall_us']:.0f}) {r['many_cpu_us']:16.0f} "
                      f"({r['many_wall_us']:.0f})", flush=True)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    found = [text for per_unit in options.per_unit for text in complaints(results, per_unit)]
    print("\n".join(found))
    return 1 if options.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
