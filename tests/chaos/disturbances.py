"""What can happen to a run while it lives: drawn from a seed, carried out on the real processes.

A kind is named ROLE-WHAT. `deliver` returns what was done, or None if the run had ended before or the victim was
not there: such a one is not counted.
"""
import signal
import time
from dataclasses import dataclass

import processes

SIGNALS = {"kill": signal.SIGKILL, "segv": signal.SIGSEGV, "term": signal.SIGTERM, "int": signal.SIGINT,
           "usr1": signal.SIGUSR1, "hup": signal.SIGHUP, "hang": signal.SIGSTOP}

TRAINER = ("trainer-kill", "trainer-segv", "trainer-term", "trainer-pause", "trainer-hang")
RANK = ("agent-kill", "agent-term", "agent-pause", "agent-group")
COORDINATOR = ("coordinator-kill", "coordinator-term", "coordinator-pause", "coordinator-group")
MPIRUN = ("mpirun-kill", "mpirun-term", "mpirun-int", "mpirun-usr1")
ALONE = ("coordinator-kill", "coordinator-term", "coordinator-int", "coordinator-usr1", "coordinator-hup",
         "coordinator-pause")
NODES = ("node-crash", "node-power")
# Per way of starting: what may befall it. With recovery, mpirun lets the others live on after a rank's death.
BY_LAUNCH = {
    "alone": TRAINER + ALONE + ("second-run",),
    "mpirun": TRAINER + RANK + COORDINATOR + MPIRUN + ("second-run",),
    "recovery": ("trainer-kill", "trainer-segv", "agent-kill", "agent-kill", "agent-group", "agent-pause",
                 "mpirun-kill", "mpirun-usr1"),
    "nodes": ("trainer-kill",) + NODES * 3,
    "disk": ("trainer-kill", "trainer-pause", "coordinator-pause"),
}
DISK_FULL = "disk-full"  # by itself, where the launch is "disk"
KINDS = sorted({kind for kinds in BY_LAUNCH.values() for kind in kinds} | {DISK_FULL})


@dataclass(frozen=True)
class Disturbance:
    kind: str
    after: str      # "seconds" of the run's expected length, or "sealed" units more than there were
    amount: float   # share of that length; number of units
    delay: float    # seconds after the moment
    choice: float   # picks one of several victims, 0 to 1
    length: float   # of a pause, seconds

    def __str__(self):
        when = f"{self.amount:.2f}T" if self.after == "seconds" else f"{int(self.amount)} units"
        return f"{self.kind}@{when}"


def draw(rng, kinds):
    after = rng.choice(("seconds", "sealed", "sealed"))
    return Disturbance(rng.choice(kinds), after, rng.uniform(0.02, 0.9) if after == "seconds" else rng.randrange(0, 14),
                       rng.uniform(0, 0.06), rng.random(), rng.uniform(0.2, 1.5))


def _victims(kind, leg):
    role = kind.split("-")[0]
    return [p for p in processes.marked(leg.mark) if p.role == role]


def _reach(leg, condition):
    while leg.is_running() and not condition():
        time.sleep(0.01)
    return leg.is_running()


def wait_for_moment(disturbance, leg):
    """False if the run ended before."""
    if disturbance.after == "seconds":
        moment = leg.started_at + disturbance.amount * leg.expected_seconds
        reached = _reach(leg, lambda: time.monotonic() >= moment)
    else:
        reached = _reach(leg, lambda: leg.n_sealed() - leg.sealed_before >= disturbance.amount)
    if reached:
        time.sleep(disturbance.delay)
    return reached and leg.is_running()


def deliver(disturbance, leg):
    """Waits for its moment and does it. Returns what was done, for the record, or None."""
    if not wait_for_moment(disturbance, leg):
        return None
    if disturbance.kind == "second-run":
        return disturbance.kind if leg.start_second() else None
    if disturbance.kind in NODES:
        name = leg.nodes.names[int(disturbance.choice * len(leg.nodes.names))]
        crashed = leg.nodes.crash(name, silently=disturbance.kind == "node-power")
        return f"{disturbance.kind}({name})" if crashed else None
    victims = []
    if not _reach(leg, lambda: victims.extend(_victims(disturbance.kind, leg)) or victims):
        return None
    return _strike(disturbance, victims[int(disturbance.choice * len(victims))], leg)


def _strike(disturbance, victim, leg):
    what = disturbance.kind.split("-")[1]
    if what == "pause":
        if not processes.send(victim.pid, signal.SIGSTOP):
            return None
        time.sleep(disturbance.length)
        processes.send(victim.pid, signal.SIGCONT)
        return disturbance.kind
    if what == "group":  # all that belongs to one rank at one blow
        everyone = processes.marked(leg.mark)
        doomed = [p.pid for p in everyone if p.role == "trainer" and processes.parent(p.pid) == victim.pid]
        delivered = processes.send(victim.pid, signal.SIGKILL)
        for pid in doomed:
            processes.send(pid, signal.SIGKILL)
        return disturbance.kind if delivered else None
    number = SIGNALS[what]
    handled = _is_handled(victim, number, leg)
    if not processes.send(victim.pid, number):
        return None
    return disturbance.kind + ("" if handled or what in ("kill", "segv", "hang") else "(unhandled)")


def _is_handled(victim, number, leg):
    """A signal that comes before its handler is set ends the process, as it ends every program."""
    if victim.role != "mpirun":
        return processes.catches(victim.pid, number)
    ranks = [p for p in processes.marked(leg.mark) if p.role in ("agent", "coordinator")]
    return len(ranks) == leg.ranks and all(processes.catches(p.pid, number) for p in ranks)
