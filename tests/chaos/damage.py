"""What can happen to a run directory between two runs: torn writes, flipped bits, lost files, leavings of the dead.

Each function damages something and returns what, or None if there was nothing to damage. `Harm` remembers what
the checks must allow for.
"""
import json
import os
import shutil
from dataclasses import dataclass, field


@dataclass
class Harm:
    """What was done to the directory that a correct run may have to make good."""
    units: set = field(default_factory=set)  # unit ids whose files were damaged
    silent: bool = False                     # a file of the right size is wrong: only the analysis can see it
    stages: set = field(default_factory=set) # ids of damaged stages: a run that meets one sets trials aside (exit 1)
    stale_lock: bool = False                 # of this host: a run on another would rightly ask for --take-over


def _pick(rng, folder, pattern):
    files = sorted(p for p in folder.glob(pattern) if p.stat().st_size > 0)
    return rng.choice(files) if files else None


def _truncate(rng, path):
    os.truncate(path, rng.randrange(0, path.stat().st_size))


def _flip(rng, path):
    content = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 20)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _unit(how):
    def damage(rng, run, harm):
        victim = _pick(rng, run / "units", "*.h5")
        if not victim:
            return None
        harm.units.add(victim.stem)
        harm.silent = harm.silent or how is _flip
        how(rng, victim)
        return victim.name
    return damage


def _stage(how):
    def damage(rng, run, harm):
        victim = _pick(rng, run / "stages", "*.pt")
        if not victim:
            return None
        harm.stages.add(victim.stem)
        how(rng, victim)
        return victim.name
    return damage


def _checkpoint(how):
    def damage(rng, run, harm):
        victim = _pick(rng, run / "checkpoints", "*.pt")
        if victim:
            how(rng, victim)
        return victim and victim.name
    return damage


def _file(name, how):
    def damage(rng, run, harm):
        path = run / name
        if not path.exists() or path.stat().st_size == 0:
            return None
        how(rng, path)
        return name
    return damage


def _garbage(rng, path):
    path.write_bytes(rng.randbytes(rng.randrange(1, 20000)))


def _torn_page(rng, path):
    """A page of the database that never reached the disk whole."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(rng.randrange(max(size // 4096, 1)) * 4096)
        file.write(rng.randbytes(min(4096, size)))


def _remove(rng, path):
    path.unlink()


def _lose_ledger(rng, run, harm):
    found = None
    for name in ("ledger.db", "ledger.db-journal"):
        if (run / name).exists():
            (run / name).unlink()
            found = "ledger.db"
    return found


def _stale_lock(rng, run, harm):
    harm.stale_lock = True
    (run / "lock.json").write_text(json.dumps({
        "version": 1, "state": "held", "host": os.uname().nodename, "pid": 2 ** 22 - 1, "process_started": "1",
        "job": "", "since": "2026-01-01T00:00:00.000Z", "heartbeat": 1767225600.0}).ljust(511) + "\n")
    return "lock.json"


def _leavings(rng, run, harm):
    """What writers that were killed leave behind."""
    units = sorted(run.glob("units/*.h5"))
    for folder, suffix in (("units", ".h5"), ("stages", ".pt"), ("checkpoints", ".pt")):
        if (run / folder).is_dir():
            name = "%020x" % rng.getrandbits(80) + suffix
            (run / folder / f"{name}.{rng.randrange(99)}.partial").write_bytes(rng.randbytes(3000))
            (run / folder / f"{name}.partial").write_bytes(b"")
    if units:
        shutil.copy(units[0], f"{units[0]}.{rng.randrange(99)}.partial")
    return "*.partial"


DAMAGES = {
    "unit-truncate": _unit(_truncate), "unit-flip": _unit(_flip), "unit-delete": _unit(_remove),
    "stage-truncate": _stage(_truncate), "stage-flip": _stage(_flip), "stage-delete": _stage(_remove),
    "checkpoint-truncate": _checkpoint(_truncate), "checkpoint-flip": _checkpoint(_flip),
    "ledger-truncate": _file("ledger.db", _truncate), "ledger-garbage": _file("ledger.db", _garbage),
    "ledger-page": _file("ledger.db", _torn_page), "ledger-delete": _lose_ledger,
    "status-garbage": _file("status.json", _garbage), "status-truncate": _file("status.json", _truncate),
    "lock-garbage": _file("lock.json", _garbage), "lock-stale": _stale_lock, "leavings": _leavings,
}


def do(kind, rng, run, harm):
    """Returns "kind(what)" or None."""
    what = DAMAGES[kind](rng, run, harm) if run.is_dir() else None
    return what and f"{kind}({what[:6] if '.' in what and len(what) > 20 else what})"
