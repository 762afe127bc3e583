"""Every failure there is an answer to, provoked for real: what is said, the exit code, and the final result."""
import json
import os
import signal
import time
import unittest
from pathlib import Path

import program

WRAPPER = Path(__file__).resolve().parent / "failing_trainer.py"

SPEC = """
name = "failures"
seeds = 4
[data]
dataset = "fashion-mnist"
ood = ["mnist?"]
validation_size = 20
size = 80
[model]
width = 16
[training]
learning_rate = 3e-3
epochs = {epochs}
batch_size = 16
[logging]
epoch_every = 0
[execution]
heartbeat_seconds = 5
checkpoint_seconds = 0.1
{execution}
[methods.baseline]
[methods.warm-up]
noise_warmup = {{ samples = 640 }}
[methods.mixup]
mixup = {{ alpha = 0.3 }}
"""
N_TRIALS = 12
LONG = 300  # epochs: enough to be struck in the middle, also on a fast machine

# Large enough to be seen in a memory limit: about 55 MB a network while it trains.
WIDE_SPEC = """
name = "wide"
seeds = {seeds}
[data]
dataset = "fashion-mnist"
size = 64
[model]
width = 1536
depth = 3
[training]
epochs = 1
batch_size = 64
learning_rate = 1e-3
[logging]
epoch_every = 0
[execution]
fuse = 8
unit_seconds = 100
[methods.baseline]
"""


def spec(epochs=60, execution="unit_seconds = 0.1"):
    return SPEC.format(epochs=epochs, execution=execution)


class FailureTest(program.ProgramTest):
    in_peace = {}  # text of a spec: its results

    def setUp(self):
        super().setUp()
        self.make_data()
        self.environment["CALSWEEP_BIN"] = str(program.BIN)
        self.run_folder = self.folder / "run"
        self.log = self.folder / "started.log"

    def run_it(self, sweep, *options, failing=None, folder=None, **kwargs):
        environment = {"FAILING_TRAINER": json.dumps(failing)} if failing else {}
        trainer = ["--trainer", WRAPPER] if failing else []
        return self.calsweep("run", sweep, "--dir", folder or self.run_folder, "--device", "cpu", *trainer, *options,
                             environment=environment, **kwargs)

    def begin(self, sweep, *options):
        """Starts a run without a launcher and waits until it has sealed something."""
        process = self.start(program.CALSWEEP, "run", sweep, "--dir", self.run_folder, "--device", "cpu", *options)
        program.wait_until(lambda: list(self.run_folder.glob("units/*.h5")) or process.poll() is not None)
        return process

    def assert_ended(self, process, code, *texts):
        self.assertEqual(process.wait(timeout=60), code, self.log.read_text())
        for text in texts:
            self.assertIn(text, self.log.read_text())

    def trainers_of(self, process):
        def parent(pid):
            try:
                return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                return 0
        return [p for p in program.processes_named("calsweep-trainer") if parent(p) == process.pid]

    def stop_one_at_work(self, process):
        """SIGSTOP to a trainer that has a unit, or is given one meanwhile; returns its pid."""
        victim = program.wait_until(lambda: self.trainers_of(process))[0]
        os.kill(victim, signal.SIGSTOP)
        return victim

    def assert_as_undisturbed(self, sweep, folder=None):
        """Everything is trained, and results.db is that of a run in peace."""
        folder = folder or self.run_folder
        self.assert_succeeded(self.calsweep("analyze", folder))
        expected = self.undisturbed(sweep)
        self.assertTrue(expected["metric"])
        self.assertEqual(expected, program.results_dump(folder / "results.db"))

    def undisturbed(self, sweep):
        text = sweep.read_text()
        if text not in FailureTest.in_peace:
            peace = self.folder / "undisturbed"
            self.assert_succeeded(self.run_it(sweep, folder=peace))
            self.assert_succeeded(self.calsweep("analyze", peace))
            FailureTest.in_peace[text] = program.results_dump(peace / "results.db")
        return FailureTest.in_peace[text]

    def status(self):
        return json.loads(self.calsweep("status", self.run_folder, "--json").stdout)

    def ledger(self, sql):
        return program.rows(self.run_folder / "ledger.db", sql)


class TrainerFailures(FailureTest):
    def test_a_trainer_that_segfaults_is_replaced_and_its_unit_tried_again(self):
        sweep = self.write_spec(spec(LONG))
        process = self.begin(sweep, "--slots", 1)
        victim = self.stop_one_at_work(process)
        time.sleep(0.5)
        os.kill(victim, signal.SIGSEGV)
        os.kill(victim, signal.SIGCONT)
        self.assert_ended(process, 0, "SIGSEGV", "tried again")
        self.assertEqual(self.status()["state"], "complete")
        self.assert_as_undisturbed(sweep)

    def test_a_trainer_that_hangs_is_killed_after_its_heartbeat_and_its_unit_tried_again(self):
        sweep = self.write_spec(spec(LONG))
        process = self.begin(sweep, "--slots", 2)
        self.stop_one_at_work(process)
        self.assert_ended(process, 0, "silent for more than 5 s, killed", "tried again")
        self.assert_as_undisturbed(sweep)

    def test_of_a_unit_with_a_poisonous_trial_only_that_trial_is_set_aside(self):
        sweep = self.write_spec(spec(execution="unit_seconds = 100\nmax_attempts = 1"))
        trials = json.loads(self.calsweep("plan", sweep, "--list", "--json").stdout)["trial_list"]
        poison = next(t["id"] for t in trials if t["seed"] == 2)
        done = self.run_it(sweep, failing={"segv_trial": poison})
        self.assert_refused(done, 1, "SIGSEGV", "divided")
        status = self.status()
        self.assertEqual([t for unit in status["set_aside"] for t in unit["trials"]], [poison])
        self.assertEqual(status["trials"]["done"], N_TRIALS - 1)
        shown = self.calsweep("status", self.run_folder).stdout
        self.assertIn("1 set aside", shown)
        self.assertIn(poison, shown)
        self.assertIn("SIGSEGV", shown)
        analysis = self.calsweep("analyze", self.run_folder)
        self.assertIn(f"{N_TRIALS - 1} of {N_TRIALS} replicates", analysis.stderr)
        self.assert_succeeded(self.run_it(sweep))  # without the poison it is tried again
        self.assertEqual(self.ledger("SELECT * FROM set_aside"), [])
        self.assert_as_undisturbed(sweep)

    def test_a_diverging_trial_is_recorded_and_not_tried_again(self):
        text = spec() + "[grid]\ntraining.learning_rate = [3e-3, 1e30]\n"
        sweep = self.write_spec(text.replace("learning_rate = 3e-3\n", "", 1).replace("seeds = 4", "seeds = 2"))
        done = self.run_it(sweep)
        self.assert_succeeded(done)
        self.assertEqual(self.status()["trials"]["diverged"], 6)
        self.assertEqual(self.ledger("SELECT count(*) FROM attempts WHERE outcome <> 'done'"), [(0,)])
        self.calsweep("analyze", self.run_folder)
        steps = program.rows(self.run_folder / "results.db",
                             "SELECT diverged_step FROM trial WHERE outcome = 'diverged'")
        self.assertEqual(len(steps), 6)
        self.assertTrue(all(step is not None and step >= 0 for (step,) in steps), steps)
        fine = program.rows(self.run_folder / "results.db", "SELECT count(*) FROM trial WHERE outcome = 'completed'")
        self.assertEqual(fine, [(6,)])
        self.assertIn("nothing", self.again_says(sweep))

    def again_says(self, sweep):
        before = self.ledger("SELECT count(*) FROM attempts")
        self.assert_succeeded(self.run_it(sweep))
        return "nothing" if self.ledger("SELECT count(*) FROM attempts") == before else "trained again"

    @unittest.skipUnless(os.path.exists("/dev/nvidia0"), "no GPU here that could be lost")
    def test_a_lost_gpu(self):
        sweep = self.write_spec(spec())
        done = self.calsweep("run", sweep, "--dir", self.run_folder, "--device", "cuda", "--slots", 1,
                             environment={"CUDA_VISIBLE_DEVICES": "999"})
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("terminate called", done.stderr)
        self.assert_succeeded(self.calsweep("run", sweep, "--dir", self.run_folder))


class MemoryFailures(FailureTest):
    def expect_narrower_stacks(self, failing, *said):
        sweep = self.write_spec(WIDE_SPEC.format(seeds=8))
        done = self.run_it(sweep, "--slots", 1, failing=failing, timeout=250)
        self.assert_succeeded(done)
        for text in said:
            self.assertIn(text, done.stderr)
        self.assertIn("at most 4 of shape", done.stderr)
        self.assertEqual(self.status()["trials"]["done"], 8)
        self.assert_succeeded(self.calsweep("analyze", self.run_folder))
        widths = program.rows(self.run_folder / "results.db", "SELECT DISTINCT fused_width FROM provenance")
        self.assertTrue(all(width <= 4 for (width,) in widths), widths)
        # It is remembered: more of the same shape fits at once.
        failures = self.ledger("SELECT count(*) FROM attempts WHERE outcome = 'failed'")
        more = self.write_spec(WIDE_SPEC.format(seeds=16))
        self.assert_succeeded(self.run_it(more, "--slots", 1, failing=failing, timeout=250))
        self.assertEqual(self.ledger("SELECT count(*) FROM attempts WHERE outcome = 'failed'"), failures)

    def test_out_of_memory_by_the_kernel_halves_the_width(self):
        group = self.make_cgroup(460 << 20)
        self.expect_narrower_stacks({"cgroup": str(group)}, "out of memory")

    def test_out_of_address_space_halves_the_width(self):
        # Eight networks need these 440 MB for their numbers alone; four take about 260, threads and all.
        self.environment["MALLOC_ARENA_MAX"] = "1"  # an arena reserves 64 MB for every thread, used or not
        self.expect_narrower_stacks({"more_address_space": 440 << 20}, "memory")

    def make_cgroup(self, limit):
        for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            group = Path(root) / self.folder.name
            try:
                group.mkdir()
                (group / name).write_text(str(limit))
            except OSError:
                if group.is_dir():
                    group.rmdir()
                continue
            self.addCleanup(self.remove_cgroup, group)
            return group
        raise unittest.SkipTest("no memory cgroup can be made here")

    @staticmethod
    def remove_cgroup(group):
        def gone():
            try:
                group.rmdir()
            except OSError:
                return False
            return True
        program.wait_until(gone, seconds=10)


if __name__ == "__main__":
    program.main()
