"""Which live processes belong to a started run, and what each of them is.

Everything a round starts inherits one environment variable with the run's own mark; trainers keep it (only the
launcher's variables are taken from them), so a process is found wherever it was reparented to, also in another
pid namespace, and no process of anybody else is ever touched.
"""
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "CALSWEEP_CHAOS_MARK"


@dataclass(frozen=True)
class Process:
    pid: int
    role: str  # trainer, agent, coordinator, mpirun, other
    rank: int  # of its MPI process; -1 for none


def _environment(pid):
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(e.split(b"=", 1) for e in entries if b"=" in e)


def _program(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def _stat(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def parent(pid):
    try:
        return int(_stat(pid)[1])
    except OSError:
        return 0


def is_alive(pid):
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def _role(pid, environment):
    name = _program(pid)
    rank = int(environment.get(b"OMPI_COMM_WORLD_RANK", b"-1"))
    if name == "calsweep-trainer":
        return "trainer", rank
    if name == "calsweep" and _program(parent(pid)) != "calsweep":  # else: a trainer that is not one yet
        return ("agent" if rank > 0 else "coordinator"), rank
    if name in ("mpirun", "orterun"):
        return "mpirun", rank
    return "other", rank


def marked(mark):
    """Live processes with this mark."""
    needle = f"{MARK}={mark}\0".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if needle not in Path(f"/proc/{entry}/environ").read_bytes() or not is_alive(entry):
                continue
            found.append(Process(int(entry), *_role(int(entry), _environment(entry))))
        except OSError:
            continue
    return sorted(found, key=lambda p: p.pid)


def rank_of_trainer(trainer, processes):
    """Trainers carry no launcher's variables: their rank is their parent's."""
    above = parent(trainer.pid)
    return next((p.rank for p in processes if p.pid == above), -1)


def send(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def catches(pid, number):
    """True if the process has a handler for the signal now (it is past its start-up)."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except OSError:
        pass
    return False


def wait_gone(mark, deadline):
    """Waits until no marked process is left, until `deadline` (monotonic); returns who is left."""
    while True:
        left = marked(mark)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def kill_all(mark):
    """For the end of a round: nothing marked outlives it."""
    for _ in range(100):
        left = marked(mark)
        for process in left:
            send(process.pid, signal.SIGKILL)
        if not left:
            return
        time.sleep(0.05)
