"""Whole runs under real mpirun: who may die when, and what the ledger says afterwards.

Only the training is fake (fake_trainer.cpp). Reads the ledger with Python's own sqlite3.
"""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ["CALSWEEP_TEST_BIN"])
N_TRIALS = 60  # of tests/support/small_sweep.hpp: 4 cells x (3 methods + 2 ensemble members) x 3 seeds


def children(pid):
    """Process ids below `pid`, however deep."""
    found, parents = [], {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry))
    queue = [pid]
    while queue:
        for child in parents.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def name_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def named(pids, name):
    return sorted(pid for pid in pids if name_of(pid) == name)


def rank_of(pid):
    environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ranks = [e for e in environment if e.startswith(b"OMPI_COMM_WORLD_RANK=")]
    return int(ranks[0].split(b"=")[1]) if ranks else None


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class MpiRunTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="calsweep-mpi-"))
        self.run_directory = self.folder / "run"
        self.started = []

    def tearDown(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, ranks, behaviour="", slots=2, heartbeat=60, environment=None):
        command = [str(BIN / "run-driver"), str(self.run_directory), str(BIN / "fake-trainer"),
                   str(slots), str(heartbeat)]
        if ranks:
            command = ["mpirun", "-n", str(ranks), *command]
        # Killed jobs leave their shared-memory segments and session folders: here they go with ours.
        variables = {**os.environ, "FAKE_TRAINER": behaviour,
                     "OMPI_MCA_btl_vader_backing_directory": str(self.folder),
                     "OMPI_MCA_orte_tmpdir_base": str(self.folder), **(environment or {})}
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.started.append(process)
        return process

    def finish(self, process, seconds=60):
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output

    def ask(self, sql):
        with sqlite3.connect(f"file:{self.run_directory}/ledger.db?mode=ro", uri=True) as ledger:
            return ledger.execute(sql).fetchall()

    def status(self):
        return json.loads((self.run_directory / "status.json").read_text())

    def wait_for(self, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        self.fail("what was waited for did not happen")

    def n_sealed(self):
        return len(list((self.run_directory / "units").glob("*.h5")))

    def expect_all_done_once(self):
        self.assertEqual(self.ask("SELECT count(*), count(DISTINCT trial) FROM unit_members"),
                         [(N_TRIALS, N_TRIALS)])
        # No unit was trained again after it had been sealed.
        self.assertEqual(self.ask(
            "SELECT a.unit FROM attempts a JOIN units u USING(unit) "
            "WHERE u.state = 'sealed' AND a.attempt > u.attempt"), [])
        self.assertEqual(self.ask(
            "SELECT unit FROM attempts WHERE outcome = 'done' GROUP BY unit HAVING count(*) > 1"), [])
        self.assertEqual(self.status()["state"], "complete")
        self.assertEqual(self.status()["trials"]["done"], N_TRIALS)

    def test_completes_with_1_2_and_4_ranks(self):
        for ranks in (1, 2, 4):
            with self.subTest(ranks=ranks):
                shutil.rmtree(self.run_directory, ignore_errors=True)
                code, output = self.finish(self.start(ranks, slots=1))
                self.assertEqual(code, 0, output)
                self.expect_all_done_once()
                agents = self.ask("SELECT DISTINCT agent FROM attempts ORDER BY agent")
                self.assertEqual(agents, [(a,) for a in range(1, ranks)] or [(0,)])

    def test_default_binding_is_undone_and_an_explicit_one_respected(self):
        cores = len(os.sched_getaffinity(0))
        for policy, slots in ((None, cores), ("core", 1)):
            with self.subTest(policy=policy):
                shutil.rmtree(self.run_directory, ignore_errors=True)
                variables = dict(os.environ)
                del os.environ["OMPI_MCA_hwloc_base_binding_policy"]
                try:
                    added = {"OMPI_MCA_hwloc_base_binding_policy": policy} if policy else {}
                    code, output = self.finish(self.start(2, slots=0, environment=added))
                finally:
                    os.environ.update(variables)
                self.assertEqual(code, 0, output)
                self.assertEqual(self.ask("SELECT count(DISTINCT slot) FROM attempts"), [(slots,)])

    def test_trainer_killed_from_outside(self):
        process = self.start(3, "hang-once", slots=1, heartbeat=1000)
        # One trainer hangs in the middle of a unit while the other does the rest and then idles.
        self.wait_for(lambda: self.status()["units"]["running"] == 1 and self.n_sealed() >= 50)
        victims = named(children(process.pid), "fake-trainer")
        self.assertEqual(len(victims), 2)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        code, output = self.finish(process)
        self.assertEqual(code, 0, output)
        self.expect_all_done_once()
        self.assertEqual(self.ask("SELECT cause FROM attempts WHERE outcome = 'failed'"),
                         [("killed by signal 9 (SIGKILL)",)])
        self.assertIn("it was retried and completed", output)

    def test_mpirun_killed_then_continued(self):
        process = self.start(3, "slow", slots=2)
        self.wait_for(lambda: self.n_sealed() >= 6)
        ours = children(process.pid)
        self.assertEqual(len(named(ours, "fake-trainer")), 4)
        process.kill()
        process.communicate()
        begun = time.monotonic()
        self.wait_for(lambda: not any(is_alive(pid) for pid in ours), 5)
        print(f"all processes gone {time.monotonic() - begun:.2f} s after kill -9 of mpirun")
        sealed = {path.stem for path in (self.run_directory / "units").glob("*.h5")}
        code, output = self.finish(self.start(3, slots=2))
        self.assertEqual(code, 0, output)
        self.expect_all_done_once()
        again = self.ask("SELECT unit FROM attempts WHERE run = 2")
        self.assertFalse(sealed & {unit for (unit,) in again})

    def test_mpirun_killed_and_continued_at_once(self):
        process = self.start(3, "slow", slots=2)
        self.wait_for(lambda: self.n_sealed() >= 6)
        process.kill()
        code, output = self.finish(self.start(3, slots=2))
        self.assertEqual(code, 0, output)
        self.expect_all_done_once()

    def test_terminated_mpirun_leaves_a_consistent_ledger(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=sig):
                shutil.rmtree(self.run_directory, ignore_errors=True)
                process = self.start(3, "slow", slots=1)
                self.wait_for(lambda: self.n_sealed() >= 4)
                ours = children(process.pid)
                process.send_signal(sig)
                code, output = self.finish(process)
                self.assertNotEqual(code, 0)
                # (mpirun passes on nothing that a rank says after the signal; the file does.)
                self.assertEqual(self.status()["state"], "incomplete")
                self.assertEqual(self.ask("SELECT count(*) FROM attempts WHERE outcome IS NULL"),
                                 [(0,)])
                self.wait_for(lambda: not any(is_alive(pid) for pid in ours), 5)
                code, output = self.finish(self.start(2))
                self.assertEqual(code, 0, output)
                self.expect_all_done_once()

    def test_terminated_rank_zero_ends_with_the_incomplete_code(self):
        process = self.start(3, "slow", slots=1)
        self.wait_for(lambda: self.n_sealed() >= 4)
        ranks = named(children(process.pid), "run-driver")
        os.kill(next(pid for pid in ranks if rank_of(pid) == 0), signal.SIGTERM)
        code, output = self.finish(process)
        self.assertEqual(code, 75, output)
        self.assertEqual(self.status()["state"], "incomplete")

    def test_killed_ranks_end_the_job_and_the_same_command_continues(self):
        for victim_rank in (0, 2):
            with self.subTest(rank=victim_rank):
                shutil.rmtree(self.run_directory, ignore_errors=True)
                process = self.start(3, "slow", slots=1)
                self.wait_for(lambda: self.n_sealed() >= 4)
                ours = children(process.pid)
                ranks = named(ours, "run-driver")
                os.kill(next(pid for pid in ranks if rank_of(pid) == victim_rank), signal.SIGKILL)
                code, _ = self.finish(process)
                self.assertNotEqual(code, 0)
                self.wait_for(lambda: not any(is_alive(pid) for pid in ours), 5)
                code, output = self.finish(self.start(3, slots=1))
                self.assertEqual(code, 0, output)
                self.expect_all_done_once()

    def test_error_on_rank_zero_ends_all_ranks_with_one_message(self):
        first = self.start(0, "hang-once", slots=1)
        self.wait_for(lambda: (self.run_directory / "fake-hang").exists())
        code, output = self.finish(self.start(3), 30)
        self.assertEqual(code, 2, output)
        self.assertEqual(output.count("is in use by process"), 1)
        first.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(first)[0], 75)

    def test_missing_trainer_ends_with_an_error(self):
        self.run_directory.mkdir()
        command = ["mpirun", "-n", "3", str(BIN / "run-driver"), str(self.run_directory),
                   "/nowhere/trainer", "1", "60"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("/nowhere/trainer", result.stderr)

    def test_singletons_are_refused(self):
        for variables in ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"},
                          {"PMI_SIZE": "4", "PMI_RANK": "0"}):
            with self.subTest(variables=variables):
                code, output = self.finish(self.start(0, environment=variables), 10)
                self.assertEqual(code, 2)
                self.assertEqual(output.count("\n"), 1, output)

    def test_waiting_costs_next_to_nothing(self):
        process = self.start(3, "hang-once", slots=1, heartbeat=1000)
        # One trainer hangs, the other does the rest; then all wait.
        self.wait_for(lambda: self.status()["units"]["running"] == 1, 30)
        time.sleep(1)
        ranks = named(children(process.pid), "run-driver")
        self.assertEqual(len(ranks), 3)
        # The best of several windows: on a busy machine every wake-up costs more, never less.
        shares = {}
        for _ in range(6):
            before = {pid: cpu_seconds(pid) for pid in ranks}
            begun = time.monotonic()
            time.sleep(3)
            seconds = time.monotonic() - begun
            for pid in ranks:
                share = (cpu_seconds(pid) - before[pid]) / seconds
                shares[rank_of(pid)] = min(share, shares.get(rank_of(pid), 1.0))
            if max(shares.values()) < 0.02:
                break
        print("CPU share of waiting ranks:", {r: f"{100 * s:.1f} %" for r, s in shares.items()})
        process.send_signal(signal.SIGTERM)
        self.finish(process)
        for rank, share in shares.items():
            self.assertLess(share, 0.02, f"rank {rank}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
