"""One start of `calsweep run`: how it is launched, how it goes, how it may end."""
import os
import signal
import subprocess
import time

import nodes as simulated_nodes
import processes
from small_sweep import program

LONGEST_SECONDS = 120  # then it hangs: a finding; more where the undisturbed run is slow
STUCK_SECONDS = 10     # an mpirun all of whose ranks are gone
SILENT_SECONDS = 20    # an mpirun that says nothing after the crash of a node
STUCK = "mpirun-stuck"


class Leg:
    """`launch`: alone, mpirun, recovery, nodes, disk (alone, on a disk that gets full)."""

    def __init__(self, number, launch, ranks, slots, folder, data, spec, expected_seconds, token):
        self.number, self.launch, self.ranks, self.slots = number, launch, ranks, slots
        self.folder, self.data, self.spec = folder, data, spec
        self.run = folder / "disk" / "run"
        self.expected_seconds = expected_seconds
        self.token, self.mark = token, f"{token}-{number}"
        self.log = folder / f"leg-{number}.log"
        self.nodes = self.second = None
        self.delivered = []
        self.code = None
        self.ended_at = time.monotonic()  # until it is known

    def __str__(self):
        return self.launch + ("" if self.launch in ("alone", "disk") else f"-{self.ranks}")

    def n_sealed(self):
        try:
            return sum(name.endswith(".h5") for name in os.listdir(self.run / "units"))
        except OSError:
            return 0

    def _calsweep(self):
        return [program.CALSWEEP, "run", str(self.spec), "--dir", str(self.run), "--slots", str(self.slots),
                "--device", "cpu"]

    def _command(self):
        if self.launch in ("alone", "disk"):
            return self._calsweep()
        if self.launch == "nodes":
            return self.nodes.mpirun(self.ranks) + self._calsweep()
        if self.launch == "recovery":
            return ["mpirun", "--enable-recovery", "--mca", "async_mpi_finalize", "1", "-n", str(self.ranks),
                    *self._calsweep(), *self._agent_silence()]
        return ["mpirun", "-n", str(self.ranks), *self._calsweep()]

    def _agent_silence(self):
        help_text = subprocess.run([program.CALSWEEP, "run", "--help"], capture_output=True, text=True).stdout
        return ["--agent-silence", "3"] if "--agent-silence" in help_text else []

    def _environment(self, mark):
        # Killed jobs leave shared-memory segments and session folders behind: here they go with the round.
        return {**os.environ, **program.MPI_ENVIRONMENT, "CALSWEEP_DATA": str(self.data), "HOME": str(self.folder),
                "OMPI_MCA_btl_vader_backing_directory": str(self.folder),
                "OMPI_MCA_orte_tmpdir_base": str(self.folder), processes.MARK: mark,
                "PBS_JOBID": self.token,  # a job restarted on other nodes may take over its own lock at once
                **(self.nodes.environment() if self.nodes else {})}

    def _start(self, command, mark):
        with open(self.log, "ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=self._environment(mark), stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, start_new_session=True)

    def start(self):
        if self.launch == "nodes":
            self.nodes = simulated_nodes.Nodes(self.folder / f"nodes-{self.number}")
        self.sealed_before = self.n_sealed()
        self.started_at = time.monotonic()
        self.process = self._start(self._command(), self.mark)

    def start_second(self):
        """The same sweep again, while this one is at it: it must wait, refuse, or find everything done."""
        if self.second:
            return False
        self.second = self._start(self._calsweep(), self.mark)
        return True

    def is_running(self):
        return self.process.poll() is None

    def finish(self):
        """Waits for the end. Returns what is wrong with it."""
        problems = []
        deadline = self.started_at + max(LONGEST_SECONDS, 15 * self.expected_seconds)
        for process in filter(None, (self.process, self.second)):
            if not self._wait(process, deadline):
                left = ", ".join(f"{p.role} {p.pid} (rank {p.rank})" for p in processes.marked(self.mark))
                problems.append(f"leg {self.number} ({self}) did not end in time; there are still {left}")
                processes.kill_all(self.mark)
                process.wait()
        self.ended_at = time.monotonic()
        self.code = self.process.returncode
        if not problems:
            problems += self._judge_code() + self._judge_second()
        return problems

    def _wait(self, process, deadline):
        """False if it does not end in time."""
        last_seen = last_said = time.monotonic()
        said = 0
        while process.poll() is None:
            time.sleep(0.05)
            now = time.monotonic()
            if now > deadline:
                return False
            if now - last_seen > 1 and self._somebody_works():
                last_seen = now
            if self.log.stat().st_size != said:
                said, last_said = self.log.stat().st_size, now
            node_crashed = any(what.startswith("node-") for what in self.delivered)
            if now - last_seen > STUCK_SECONDS or node_crashed and now - last_said > SILENT_SECONDS:
                self._end_stuck_mpirun(process)
        return True

    def _somebody_works(self):
        return any(p.role in ("agent", "coordinator", "trainer") for p in processes.marked(self.mark))

    def _end_stuck_mpirun(self, process):
        """Open MPI's own: after a death, mpirun at times outlives its ranks, or waits for ever with some of them.

        A batch system ends such a job; so does this. It is counted apart.
        """
        self.delivered.append(STUCK)
        processes.kill_all(self.mark)
        process.wait()

    def close(self):
        if self.nodes:
            self.nodes.down()
            self.nodes = None

    def allowed_codes(self):
        """Documented codes, given what befell it; None: any, if it is not 0 for an incomplete run."""
        allowed = {0, 3} if self.launch == "disk" else {0}
        for what in self.delivered:
            role, _, how = what.partition("-")
            if "(unhandled)" in how or role == "node" or how in ("group", "kill") and role != "trainer":
                return None
            if role == "mpirun" and how != "usr1":
                return None  # mpirun ends by itself, with a code of its own
            elif how in ("term", "int", "usr1", "hup") and role != "trainer":
                allowed.add(75)
            elif role == "agent" and self.launch == "recovery":
                allowed.add(75)  # it was silent for longer than is allowed, and perhaps the last one
        return allowed

    def _judge_code(self):
        allowed = self.allowed_codes()
        if allowed is None or self.code in allowed:
            return []
        return [f"leg {self.number} ({self}) ended with {self.code}, allowed {sorted(allowed)}"]

    def _judge_second(self):
        if not self.second or self.second.returncode in (0, 2):
            return []
        if any(d.startswith("second") for d in self.delivered) and self.second.returncode == 75:
            return []  # it went on after the first, and was stopped
        if self.second.returncode < 0 and any(d.startswith("coordinator") for d in self.delivered):
            return []  # by then it was the coordinator, and was what was struck
        return [f"the second run of leg {self.number} ended with {self.second.returncode}"]

    def may_lie(self):
        """mpirun --enable-recovery gives 0 whatever the ranks say: only the status tells (docs/testing.md)."""
        return self.launch == "recovery"


def describe_code(code):
    return signal.Signals(-code).name if code < 0 else str(code)
