"""One round: a fresh run directory, disturbed again and again, then left in peace until it is complete, then judged.

Everything a round does follows from its seed; when exactly it happens depends on the machine as well.
"""
import random
import shutil
import subprocess
import time
from dataclasses import dataclass, field

import damage
import disturbances
import processes
import small_disk
import verdict
from leg import STUCK, Leg, describe_code
from small_sweep import FUSE, program

MAX_QUIET_LEGS = 5
GONE_SECONDS = 5  # nothing may outlive a run by more


@dataclass
class Result:
    seed: str
    steps: list = field(default_factory=list)
    counts: list = field(default_factory=list)  # kinds that were really delivered
    problems: list = field(default_factory=list)
    restarts: int = 0
    n_stuck: int = 0  # launchers that hung by themselves
    seconds: float = 0.0
    folder: object = None


class Round:
    """`bench`: what all rounds share: folder, data, specs, expected results, what is possible here."""

    def __init__(self, seed, bench):
        self.rng = random.Random(seed)
        self.bench = bench
        self.result = Result(seed)
        self.folder = bench.folder / f"round-{seed}"
        self.result.folder = self.folder
        self.run = self.folder / "disk" / "run"
        self.token = f"{bench.token}-{seed}"
        self.fuse = self.rng.choice(FUSE)
        self.harm = damage.Harm()
        self.known = {}     # units that were sealed at some time, and their checksums
        self.legs = []

    def _draw_leg(self, n_disturbed):
        only = self.bench.only
        launches = [name for name in self.bench.launches if not only or
                    any(k in only for k in disturbances.BY_LAUNCH[name]) or
                    name == "disk" and disturbances.DISK_FULL in only] or ["alone", "mpirun"]
        weights = {"alone": 5, "mpirun": 9, "recovery": 3, "nodes": 2, "disk": 2}
        launch = self.rng.choices(launches, [weights[name] for name in launches])[0]
        if launch == "disk" and self.legs:
            launch = "alone"  # the disk is small only once
        if launch == "nodes" and self.harm.stale_lock:
            launch = "mpirun"
        ranks = self.rng.choice((2, 3, 3, 4)) if launch in ("mpirun", "recovery") else 3
        kinds = [k for k in disturbances.BY_LAUNCH[launch] if not only or k in only]
        drawn = [disturbances.draw(self.rng, kinds) for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3)))] if kinds else []
        drawn.sort(key=lambda d: (d.after == "sealed", d.amount))
        return self._leg(launch, ranks if launch not in ("alone", "disk") else 0, 2 if ranks < 3 else 1), drawn

    def _leg(self, launch, ranks, slots):
        if launch in ("alone", "disk"):
            slots = 2
        leg = Leg(len(self.legs), launch, ranks, slots, self.folder, self.bench.data,
                  self.bench.specs[self.fuse], self.bench.seconds, self.token)
        self.legs.append(leg)
        return leg

    def play(self):
        begun = time.monotonic()
        self.folder.mkdir(parents=True)
        try:
            self._disturbed_legs()
            if not self.result.problems:
                self._to_completion()
            if not self.result.problems:
                self._judge_end()
        finally:
            self._tidy()
            self.result.seconds = time.monotonic() - begun
        return self.result

    def _disturbed_legs(self):
        n_legs = self.rng.choice((1, 1, 2, 2, 3))
        for _ in range(n_legs):
            leg, drawn = self._draw_leg(n_legs)
            if leg.launch == "disk":
                small_disk.mount(self.folder / "disk", int(self.bench.kilobytes * self.rng.uniform(0.15, 0.85)))
            self._one_leg(leg, drawn)
            if leg.launch == "disk":
                small_disk.enlarge(self.folder / "disk")
            if self.result.problems:
                return
            damaged = self._perhaps_damage()
            if leg.code == 0 and not damaged and verdict.is_complete(self.run):
                return

    def _one_leg(self, leg, drawn):
        leg.start()
        try:
            for disturbance in drawn:
                done = disturbances.deliver(disturbance, leg)
                if done:
                    leg.delivered.append(done)
                    self.result.counts.append(disturbance.kind)
            self.result.problems += self._finish(leg)
        finally:
            # A restart often comes at once, while the last of the killed are still leaving.
            if leg.launch == "nodes" or self.rng.random() < 0.5:
                self._nobody_left(leg)
                self._take_stock()
            leg.close()
        if leg.launch == "disk" and leg.code == 3:
            leg.delivered.append(disturbances.DISK_FULL)
            self.result.counts.append(disturbances.DISK_FULL)
        done = ",".join(leg.delivered) or "-"
        slow = f"({leg.ended_at - leg.started_at:.0f}s)" if leg.ended_at - leg.started_at > 15 else ""
        self.result.steps.append(f"{leg}[{done}]={describe_code(leg.code)}{slow}")
        self.result.problems += verdict.zero_means_complete(leg) + verdict.output_is_clean([leg.log])

    def _finish(self, leg):
        """Trials whose warm-up was damaged are set aside once (exit 1), and trained by the next run."""
        problems = leg.finish()
        self.result.n_stuck += STUCK in leg.delivered
        return [] if leg.code == 1 and self.harm.stages else problems

    def _nobody_left(self, leg):
        left = processes.wait_gone(leg.mark, leg.ended_at + GONE_SECONDS)
        if left:
            self.result.problems.append(f"{GONE_SECONDS} s after leg {leg.number} ({leg}): still there " +
                                        ", ".join(f"{p.role} {p.pid}" for p in left))

    def _take_stock(self):
        """What is sealed now must be there at the end. Call it when nobody is at work."""
        self.result.problems += verdict.still_there(self.run, self.known, self.harm.units)
        self.known.update(verdict.sealed_files(self.run))

    def _perhaps_damage(self):
        kinds = [k for k in damage.DAMAGES if not self.bench.only or k in self.bench.only]
        wanted = self.rng.choice((0, 0, 1, 1, 2)) if kinds else 0
        rng = random.Random(self.rng.random())  # so that what follows does not depend on what was there to damage
        if not wanted:
            return False
        self._nobody_left(self.legs[-1])
        self._take_stock()
        for _ in range(wanted):
            kind = rng.choice(kinds)
            done = damage.do(kind, rng, self.run, self.harm)
            if done:
                self.result.steps.append(done)
                self.result.counts.append(kind)
        return True

    def _to_completion(self):
        for _ in range(MAX_QUIET_LEGS):
            launch = self.rng.choice(("alone", "alone", "mpirun"))
            leg = self._leg(launch, 3 if launch == "mpirun" else 0, 1)
            self.result.restarts += 1
            leg.start()
            self.result.problems += self._finish(leg)
            self.result.steps.append(f"{leg}={describe_code(leg.code)}")
            self.result.problems += verdict.zero_means_complete(leg) + verdict.output_is_clean([leg.log])
            if self.result.problems or leg.code == 0:
                return
        self.result.problems.append(f"not complete after {MAX_QUIET_LEGS} runs without a disturbance")

    def _analyze(self):
        log = self.folder / "analyze.log"
        with open(log, "ab") as output:
            code = subprocess.run([program.CALSWEEP, "analyze", str(self.run)], stdin=subprocess.DEVNULL,
                                  stdout=output, stderr=output, timeout=120).returncode
        self.result.problems += verdict.output_is_clean([log])
        return code

    def _judge_end(self):
        code = self._analyze()
        if code == 1 and self.harm.silent:  # the analysis found the flipped bits: the same command repairs them
            self._to_completion()
            code = self._analyze()
        if code != 0:
            self.result.problems.append(f"calsweep analyze ended with {code}")
            return
        for leg in self.legs:
            self._nobody_left(leg)
        self._take_stock()
        problems = self.result.problems
        problems += verdict.ledger_is_consistent(self.run, self.harm)
        problems += verdict.every_trial_is_in_one_file(self.run)
        problems += verdict.nothing_is_left_over(self.run)
        problems += verdict.output_is_clean((self.run / "logs").glob("*.log"))
        problems += verdict.results_differ(self.run, self.bench.expected[self.fuse])

    def _tidy(self):
        for leg in self.legs:
            processes.kill_all(leg.mark)
            leg.close()
        if self.result.problems or self.bench.keep:
            self._save_from_the_small_disk()
        small_disk.unmount(self.folder / "disk")
        if not self.result.problems and not self.bench.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _save_from_the_small_disk(self):
        disk = self.folder / "disk"
        if disk.is_mount():
            shutil.copytree(disk, self.folder / "disk-copy", dirs_exist_ok=True)
