"""Shared by the program tests: where the binaries are, how to run them, small data sets and specs.

Run one test by hand:  CALSWEEP_BIN=build/release/bin CALSWEEP_SOURCE=. python3 tests/integration/test_x.py
"""
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

BIN = Path(os.environ.get("CALSWEEP_BIN", "build/release/bin")).resolve()
SOURCE = Path(os.environ.get("CALSWEEP_SOURCE", ".")).resolve()
CALSWEEP = str(BIN / "calsweep")

MPI_ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


def write_idx_dataset(folder, n_train=200, n_test=100, seed=0, splits=("train", "t10k")):
    """A learnable 28x28 ten-class data set in the IDX layout: class k is a bright block at place k."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        if prefix not in splits:
            continue
        labels = bytes(rng.randrange(10) for _ in range(n))
        images = bytearray()
        for label in labels:
            image = bytearray(rng.randrange(120) for _ in range(784))
            row, column = divmod(label, 4)
            for y in range(6):
                for x in range(6):
                    image[(row * 8 + y) * 28 + column * 7 + x] = 120 + rng.randrange(136)
            images += image
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, n, 28, 28) + images)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, n) + labels)


class ProgramTest(unittest.TestCase):
    """A scratch folder, and `calsweep` run in it."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="calsweep-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = self.folder / "data"
        self.environment = dict(os.environ, **MPI_ENVIRONMENT, CALSWEEP_DATA=str(self.data),
                                HOME=str(self.folder), XDG_CACHE_HOME=str(self.folder / "cache"))

    def run_program(self, command, timeout=100, **kwargs):
        environment = dict(self.environment, **kwargs.pop("environment", {}))
        return subprocess.run([str(c) for c in command], cwd=self.folder, env=environment, text=True,
                              capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, **kwargs)

    def calsweep(self, *arguments, **kwargs):
        return self.run_program([CALSWEEP, *arguments], **kwargs)

    def mpirun(self, ranks, *arguments, **kwargs):
        return self.run_program(["mpirun", "-n", ranks, CALSWEEP, *arguments], **kwargs)

    def write_spec(self, text, name="sweep.toml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def assert_succeeded(self, done):
        self.assertEqual(done.returncode, 0, f"{done.args}\n{done.stdout}\n{done.stderr}")

    def assert_refused(self, done, code, *texts):
        """Exit code `code`, one clear message, no stack trace, nothing that looks like a crash."""
        shown = f"{done.args}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.assertEqual(done.returncode, code, shown)
        for text in texts:
            self.assertIn(text, done.stderr, shown)
        for bad in ("terminate called", "Segmentation", "HDF5-DIAG", "internal error", "what():"):
            self.assertNotIn(bad, done.stderr, shown)


def main():
    unittest.main(verbosity=2)
