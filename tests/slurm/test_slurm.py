"""Sweeps on a real Slurm of three nodes, through the scripts of `calsweep slurm`, with everything that happens
to jobs: requeue, preemption, signals, the time limit, nodes that die, networks that are cut.

Every scenario has a cluster of its own (private_slurm.py); they run side by side, since most of their time is
Slurm's waiting. Each ends with the results of an undisturbed run, and no unit was trained to its end twice.
Skipped with the reason where a private Slurm cannot run; with CI=true in the environment that is a failure.

Run one by hand:
  CALSWEEP_BIN=build/release/bin CALSWEEP_SOURCE=. python3 tests/slurm/test_slurm.py Slurm.test_preemption
"""
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))
import program  # noqa: E402
from private_slurm import PrivateSlurm, why_not  # noqa: E402

PATIENCE = 360  # seconds, for anything a loaded machine does in the end
SPEC = program.small_spec(seeds=3, epochs=150, depths="[3]", execution="checkpoint_seconds = 1")


class Sweep:
    """A sweep in a scratch folder and a cluster to run it on."""

    def __init__(self, name, folder):
        self.folder = Path(folder) / name
        self.folder.mkdir()
        self.run_folder = self.folder / "run"
        self.spec = self.folder / "sweep.toml"
        self.spec.write_text(SPEC)
        self.data = Path(folder) / "data"
        self.environment = dict(os.environ, CALSWEEP_DATA=str(self.data), OMPI_ALLOW_RUN_AS_ROOT="1",
                                OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")

    def __enter__(self):
        self.slurm = PrivateSlurm(nodes=3, cpus=4)
        self.environment["SLURM_CONF"] = self.slurm.environment["SLURM_CONF"]
        self.slurm.start()
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            sys.stderr.write(f"\n{self.folder.name}: {error}\n{self.log()}\n{self.queue()}\n{self.slurm.logs()}\n")
        self.slurm.stop()

    def calsweep(self, *arguments):
        return self.slurm.run(program.CALSWEEP, *arguments, env=self.environment, timeout=PATIENCE)

    def command(self, *command):
        done = self.slurm.run(*command, env=self.environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def submit(self, *options, nodes=2):
        done = self.calsweep("slurm", self.spec, "--dir", self.run_folder, "--nodes", nodes, "--cpus-per-task", 1,
                             "--submit", *options)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        self.job = done.stdout.strip()
        return self.job

    # -- what can be seen

    def sealed(self):
        return len(list((self.run_folder / "units").glob("*.h5")))

    def log(self):
        return "".join(file.read_text(errors="replace") for file in sorted(self.run_folder.glob("slurm/*.out")))

    def queue(self):
        return self.slurm.run("squeue", "-t", "all").stdout

    def nodes_of(self, job):
        names = self.command("squeue", "-h", "-j", job, "-o", "%N").strip()
        return self.command("scontrol", "show", "hostnames", names).split()

    def restarts(self, job):
        text = self.command("scontrol", "show", "job", job)
        return int(text.split("Restarts=")[1].split()[0])

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
            time.sleep(0.05)

    def wait_sealed(self, more=2):
        """Until `more` units are sealed than now."""
        goal = self.sealed() + more
        self.wait(lambda: self.sealed() >= goal, f"{goal} units sealed")

    def wait_ended(self, job=None):
        job = job or self.job
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
        self.wait(lambda: self.slurm.job_state(job).splitlines()
                  and all(state in ended for state in self.slurm.job_state(job).splitlines()), "the job ended")
        return self.slurm.job_state(job)

    def check_complete(self, reference):
        status = json.loads(self.calsweep("status", self.run_folder, "--json").stdout)
        assert status["state"] == "complete", status
        done = self.calsweep("analyze", self.run_folder)
        assert done.returncode == 0, done.stderr
        assert program.results_dump(self.run_folder / "results.db") == reference, "the results differ"
        twice = {unit: n for unit, n in program.trained_units(self.run_folder).items() if n != 1}
        assert not twice, f"trained more than once: {twice}"


# -- The scenarios

def to_the_end(sweep):
    job = sweep.submit("--time", "30", nodes=3)
    sweep.wait_sealed(1)
    status = sweep.calsweep("status", sweep.run_folder).stdout
    assert "RUNNING" in status, status
    assert len(sweep.nodes_of(job)) == 3
    assert sweep.wait_ended() == "COMPLETED"
    assert sweep.restarts(job) == 0
    assert "the sweep is complete" in sweep.log()


def with_mpirun(sweep):
    job = sweep.submit("--launcher", "mpirun")
    sweep.wait_sealed()
    sweep.command("scancel", "--batch", "--signal=USR1", job)
    assert sweep.wait_ended() == "COMPLETED"
    assert sweep.restarts(job) == 1


def preemption(sweep):
    job = sweep.submit()
    sweep.wait_sealed()
    urgent = sweep.command("sbatch", "--parsable", "-p", "high", "-N3", "--exclusive", "-o", "/dev/null",
                           "--wrap", "sleep 1").strip()
    sweep.wait(lambda: sweep.slurm.job_state(urgent) == "COMPLETED", "the urgent job ended")
    assert sweep.wait_ended() == "COMPLETED"
    assert sweep.restarts(job) == 1


def signals(sweep):
    job = sweep.submit()
    sweep.wait_sealed()
    sweep.command("scancel", "--signal=USR1", job)  # to every task
    sweep.wait(lambda: sweep.restarts(job) == 1 and sweep.slurm.job_state(job) == "RUNNING", "restarted")
    sweep.wait_sealed(1)
    sweep.command("scancel", "--batch", "--signal=USR1", job)  # to the script
    assert sweep.wait_ended() == "COMPLETED"
    assert sweep.restarts(job) == 2
    assert "goes back to the queue" in sweep.log()


def time_limit(sweep):
    # One minute is Slurm's smallest limit. The trainers are held until it comes near, however fast they are.
    job = sweep.submit("--time", "1", "--signal-before", "15", nodes=1)
    sweep.wait_sealed()
    node = sweep.slurm.machines[sweep.nodes_of(job)[0]]
    held = node.processes("calsweep-train")
    assert held
    for process in held:
        os.kill(process, signal.SIGSTOP)
    sweep.wait(lambda: "stopping (" in sweep.log(), "the sweep stops")
    for process in held:
        os.kill(process, signal.SIGCONT)
    assert sweep.wait_ended() == "COMPLETED"
    assert sweep.restarts(job) >= 1
    assert "left for this run" in sweep.log()  # it knew its end from Slurm


def array_in_turn(sweep):
    job = sweep.submit("--array", "2")
    first, second = f"{job}_1", f"{job}_2"
    sweep.wait_sealed(1)
    sweep.command("scancel", "--batch", "--signal=USR1", first)
    sweep.wait(lambda: sweep.slurm.job_state(second) == "RUNNING", "the second job of the array runs")
    sweep.wait_sealed(1)
    sweep.command("scancel", "--batch", "--signal=USR1", second)  # the last one goes back to the queue itself
    assert sweep.wait_ended(second) == "COMPLETED"
    assert sweep.restarts(second) == 1
    assert "the next job of the array continues" in sweep.log()


def node_crash(sweep):
    job = sweep.submit()
    sweep.wait_sealed()
    sweep.slurm.crash(int(sweep.nodes_of(job)[-1][1:]))
    sweep.wait(lambda: sweep.restarts(job) >= 1, "requeued")
    assert sweep.wait_ended() == "COMPLETED"


def coordinators_node_crash(sweep):
    job = sweep.submit()
    sweep.wait_sealed()
    sweep.slurm.crash(int(sweep.nodes_of(job)[0][1:]))
    sweep.wait(lambda: sweep.restarts(job) >= 1, "requeued")
    assert sweep.wait_ended() == "COMPLETED"


def cut_link(sweep):
    job = sweep.submit()
    sweep.wait_sealed()
    number = int(sweep.nodes_of(job)[-1][1:])
    sweep.slurm.cut(number)
    sweep.wait(lambda: sweep.restarts(job) >= 1 and sweep.slurm.job_state(job) == "RUNNING", "restarted")
    sweep.slurm.heal(number)
    assert sweep.wait_ended() == "COMPLETED"


def coordinators_cut_link(sweep):
    # The first start goes on where Slurm cannot see it; the second waits for its lock.
    job = sweep.submit()
    sweep.wait_sealed()
    number = int(sweep.nodes_of(job)[0][1:])
    sweep.slurm.cut(number)
    sweep.wait(lambda: sweep.restarts(job) >= 1 and sweep.slurm.job_state(job) == "RUNNING", "restarted")
    sweep.slurm.heal(number)
    assert sweep.wait_ended() == "COMPLETED"


def survivors(sweep):
    job = sweep.submit("--survive-node-loss", "--agent-silence", "5", nodes=3)
    sweep.wait_sealed()
    sweep.slurm.crash(int(sweep.nodes_of(job)[-1][1:]))
    assert sweep.wait_ended() == "COMPLETED"
    assert sweep.restarts(job) == 0


def submitted_twice(sweep):
    first = sweep.submit()
    second = sweep.submit()
    sweep.wait_sealed()
    assert sweep.slurm.job_state(second) == "PENDING"
    assert sweep.wait_ended(first) == "COMPLETED"
    assert sweep.wait_ended(second) == "COMPLETED"


SCENARIOS = (time_limit, signals, array_in_turn, preemption, node_crash, coordinators_node_crash, cut_link,
             coordinators_cut_link, survivors, with_mpirun, submitted_twice, to_the_end)


class Slurm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason and os.environ.get("CI") == "true":
            raise AssertionError(f"CI must run this, but: {reason}")
        if reason:
            raise unittest.SkipTest(reason)
        cls.folder = Path(tempfile.mkdtemp(prefix="calsweep-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        program.write_idx_dataset(cls.folder / "data" / "fashion-mnist")
        program.write_idx_dataset(cls.folder / "data" / "mnist", seed=1)
        cls.pool = concurrent.futures.ThreadPoolExecutor(max_workers=6)
        cls.addClassCleanup(cls.pool.shutdown, wait=True, cancel_futures=True)
        cls.reference = cls.pool.submit(cls.undisturbed)
        asked = [word.split(".test_")[1] for word in sys.argv[1:] if ".test_" in word]
        cls.outcomes = {scenario.__name__: cls.pool.submit(cls.play, scenario)
                        for scenario in SCENARIOS if not asked or scenario.__name__ in asked}

    @classmethod
    def undisturbed(cls):
        folder = cls.folder / "undisturbed"
        folder.mkdir()
        (folder / "sweep.toml").write_text(SPEC)
        environment = dict(os.environ, CALSWEEP_DATA=str(cls.folder / "data"))
        for command in (("run", "sweep.toml", "--dir", "run", "--slots", "1"), ("analyze", "run")):
            subprocess.run([program.CALSWEEP, *command], cwd=folder, env=environment, check=True,
                           capture_output=True, timeout=PATIENCE)
        return program.results_dump(folder / "run" / "results.db")

    @classmethod
    def play(cls, scenario):
        with Sweep(scenario.__name__, cls.folder) as sweep:
            scenario(sweep)
            sweep.check_complete(cls.reference.result())


def test_of(name):
    def test(self):
        self.outcomes[name].result()
    return test


for _scenario in SCENARIOS:
    setattr(Slurm, f"test_{_scenario.__name__}", test_of(_scenario.__name__))

if __name__ == "__main__":
    program.main()
