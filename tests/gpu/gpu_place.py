"""Where tests/gpu/run works: binaries, data, run directories, time limits; and how two sweeps' results are compared."""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))
import program  # noqa: E402  (tests/integration/program.py)

N_TRAIN, N_TEST = 2000, 1000
CIFAR_TRAIN, CIFAR_TEST = 4000, 10000


class Place:
    """Owns a scratch folder, removed at the end; `output` keeps what is worth reading."""

    def __init__(self, output, build, device):
        self.output, self.build, self.device = output, build, device
        self.source = Path(__file__).resolve().parent.parent.parent
        self.scratch = Path(tempfile.mkdtemp(prefix="calsweep-gpu-"))
        self.data = self.scratch / "data"
        self.environment = dict(os.environ, CALSWEEP_DATA=str(self.data))
        self.deadline = 0.0
        self.say = print
        program.write_idx_dataset(self.data / "fashion-mnist", N_TRAIN, N_TEST)
        program.write_idx_dataset(self.data / "mnist", 10, N_TEST, seed=1)

    def begin(self, seconds):
        self.deadline = time.monotonic() + seconds

    def left(self):
        return max(self.deadline - time.monotonic(), 0.1)

    def start(self, command, log, **kwargs):
        with open(log, "wb") as stream:
            return subprocess.Popen([str(c) for c in command], env=self.environment, stdin=subprocess.DEVNULL,
                                    stdout=stream, stderr=subprocess.STDOUT, start_new_session=True, **kwargs)

    def wait(self, process, log, expected=0):
        """Waits within the part's time; returns what was printed. Throws AssertionError unless it ended as expected."""
        try:
            code = process.wait(timeout=self.left())
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = f"none: killed after the part's time; {process.wait()}"
        said = Path(log).read_text(errors="replace")
        if code != expected:
            raise AssertionError(f"{' '.join(map(str, process.args))}\nexit code {code}\n{said[-1500:]}"
                                 + self.trainer_logs(process.args))
        return said

    def trainer_logs(self, command):
        """The ends of the logs of a failed run's units, which also go to the output folder."""
        if "--dir" not in command:
            return ""
        folder = Path(command[command.index("--dir") + 1])
        logs = sorted((folder / "logs").glob("*.log"), key=lambda log: log.stat().st_mtime)[-2:]
        for log in logs:
            shutil.copy(log, self.output / f"{folder.name}-{log.name}")
        return "".join(f"\n{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)

    def calsweep(self, *arguments, expected=0):
        log = self.scratch / "command.log"
        return self.wait(self.start([self.build / "bin/calsweep", *arguments], log), log, expected)

    def write_spec(self, text, name):
        path = self.scratch / f"{name}.toml"
        path.write_text(text)
        return path

    def run_command(self, spec, folder, *options, device=None):
        return [self.build / "bin/calsweep", "run", spec, "--dir", folder, "--device", device or self.device, *options]

    def run(self, spec, name, *options, device=None):
        """Runs a sweep to its end; returns (run directory, wall seconds, what it said)."""
        folder, log = self.scratch / name, self.scratch / f"{name}.log"
        begun = time.monotonic()
        said = self.wait(self.start(self.run_command(spec, folder, *options, device=device), log), log)
        return folder, time.monotonic() - begun, said

    def make_cifar(self):
        """Random bytes in CIFAR-10's layout: how long a network trains does not depend on what it sees."""
        folder, rng = self.data / "cifar-10", random.Random(0)
        folder.mkdir(exist_ok=True)
        for i in range(1, 6):
            (folder / f"data_batch_{i}.bin").write_bytes(records(CIFAR_TRAIN // 5, rng))
        (folder / "test_batch.bin").write_bytes(records(CIFAR_TEST, rng))


def records(n, rng):
    return b"".join(bytes([i % 10]) + rng.randbytes(3072) for i in range(n))


def logits_of(folder):
    """{(trial, set): float32 array} of a run directory."""
    import h5py

    found = {}
    for file in sorted((folder / "units").glob("*.h5")):
        with h5py.File(file) as content:
            for trial, group in content["trials"].items():
                method = "warm-up" if "noise_warmup" in group.attrs["settings"] else "plain"
                group["logits"].visititems(lambda name, item: found.__setitem__(
                    (method, trial, name), item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def differences(one, other, methods=("plain", "warm-up")):
    """How far the logits of two run directories are apart: {sets compared, equal to the bit, largest difference}."""
    import numpy as np

    a, b = logits_of(one), logits_of(other)
    assert a and a.keys() == b.keys(), f"{one.name} and {other.name} hold other trials"
    keys = [key for key in a if key[0] in methods]
    gaps = [float(np.abs(a[key] - b[key]).max()) for key in keys]
    spread = float(np.mean([a[key].std() for key in keys]))
    return {"sets": len(keys), "equal": sum(a[key].tobytes() == b[key].tobytes() for key in keys),
            "largest": max(gaps), "median_of_largest": float(np.median(gaps)), "logit_sd": spread}
