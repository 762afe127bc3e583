#!/usr/bin/env python3
"""No-op units per second through the real MPI path, with 1, 4 and 16 ranks; aim: 5,000.

    dispatch_rate.py [--binary build/release/bin/bench-dispatch] [--units 50000] [--repeat 3]
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MPI_ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


def run_once(binary, ranks, units, folder):
    command = ["mpirun", "-n", str(ranks), str(binary), str(folder / "run"), str(units)]
    result = subprocess.run(command, env={**os.environ, **MPI_ENVIRONMENT}, check=True, text=True,
                            stdout=subprocess.PIPE)
    return json.loads(result.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path,
                        default=ROOT / "build/release/bin/bench-dispatch")
    parser.add_argument("--units", type=int, default=50000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="calsweep-bench-"))
    print("ranks   units/s (median)   min     max   coordinator CPU per unit")
    try:
        for ranks in (1, 4, 16):
            runs = sorted((run_once(options.binary, ranks, options.units, folder)
                           for _ in range(options.repeat)), key=lambda r: r["units_per_second"])
            median = runs[len(runs) // 2]
            cpu = 1e6 * median["coordinator_cpu_seconds"] / median["units"]
            print(f"{ranks:5} {median['units_per_second']:18} {runs[0]['units_per_second']:6} "
                  f"{runs[-1]['units_per_second']:7} {cpu:10.1f} us", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
