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


# Small enough for seconds, with every ingredient, a shared stage, an ensemble and an OOD set.
SMALL_SPEC = """
name = "small"
seeds = {seeds}
[data]
dataset = "fashion-mnist"
ood = ["mnist?"]
validation_size = 20
[model]
width = 16
[training]
learning_rate = 3e-3
weight_decay = 0.0
epochs = {epochs}
batch_size = 16
[logging]
epoch_every = 2
[execution]
unit_seconds = 0.1
{execution}
[grid]
model.depth = {depths}
data.size = [60, 120]
[methods.baseline]
[methods.warm-up]
noise_warmup = {{ samples = 640 }}
[methods.mixup]
mixup = {{ alpha = 0.3 }}
[methods.ensemble]
ensemble = {{ of = "baseline", size = 2 }}
{methods}
"""


def small_spec(seeds=5, epochs=3, depths="[2, 3]", execution="", methods=""):
    return SMALL_SPEC.format(seeds=seeds, epochs=epochs, depths=depths, execution=execution, methods=methods)


def rows(database, sql, parameters=()):
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.close()


# The table of results.db that says when and where, not what; see docs/results-db.md.
TIMING_TABLES = ("provenance",)


def results_dump(database):
    """Every row of every table but the timings, in the order of the tables: {table: [rows]}."""
    tables = [name for (name,) in rows(database, "SELECT name FROM sqlite_master WHERE type = 'table' "
                                                 "AND name NOT LIKE 'sqlite_%' ORDER BY name")]
    return {t: rows(database, f'SELECT * FROM "{t}"') for t in tables if t not in TIMING_TABLES}


def trained_units(run):
    """Per unit, how often an attempt at it was completed, from the ledger."""
    return dict(rows(run / "ledger.db", "SELECT unit, COUNT(*) FROM attempts WHERE outcome = 'done' "
                                        "GROUP BY unit"))


def processes_named(text):
    """Ids of live processes whose command line holds `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if text in line and state != "Z" and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def wait_until(condition, seconds=60, every=0.01):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"nothing happened in {seconds} s: {condition}")


class ProgramTest(unittest.TestCase):
    """A scratch folder, and `calsweep` run in it."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="calsweep-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = self.folder / "data"
        self.environment = dict(os.environ, **MPI_ENVIRONMENT, CALSWEEP_DATA=str(self.data),
                                HOME=str(self.folder), XDG_CACHE_HOME=str(self.folder / "cache"))

    def make_data(self, n_train=200, n_test=100):
        write_idx_dataset(self.data / "fashion-mnist", n_train, n_test)
        write_idx_dataset(self.data / "mnist", n_train, n_test, seed=1)

    def start(self, *command):
        """Starts a program in its own session; its output goes to files in the scratch folder."""
        output = open(self.folder / "started.log", "ab")
        process = subprocess.Popen([str(c) for c in command], cwd=self.folder, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   start_new_session=True)
        output.close()
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def run_program(self, command, timeout=250, **kwargs):
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
