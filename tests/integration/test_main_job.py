"""The main job from the outside: run, continue, extend, analyse, ask; with 1 and 2 workers, with kills."""
import csv
import io
import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import program
from program import small_spec


class MainJob(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.make_data()
        self.run_folder = self.folder / "runs" / "small"

    def finish(self, spec, name="small", ranks=3, slots=1):
        """Runs to the end under mpirun and analyses; returns the run's stderr."""
        directory = self.folder / "runs" / name
        done = self.mpirun(ranks, "run", spec, "--dir", directory, "--slots", slots)
        self.assert_succeeded(done)
        self.assert_succeeded(self.calsweep("analyze", directory))
        return done.stderr

    def test_from_a_spec_to_a_table_without_a_launcher(self):
        spec = self.write_spec(small_spec())
        self.assert_succeeded(self.calsweep("run", spec))
        status = json.loads(self.calsweep("status", "runs/small", "--json").stdout)
        self.assertEqual(status["state"], "complete")
        self.assert_succeeded(self.calsweep("analyze", "runs/small"))
        show = self.calsweep("show", "runs/small")
        self.assert_succeeded(show)
        for text in ("baseline", "warm-up", "mixup", "ensemble", "±"):
            self.assertIn(text, show.stdout)
        cells = program.rows(self.run_folder / "results.db", "SELECT depth, size, method, n FROM cell_summary")
        self.assertEqual(len(cells), 16)
        self.assertEqual({n for *_, n in cells}, {5})

    def test_query_formats(self):
        self.finish(self.write_spec(small_spec(seeds=2, depths="[2]")))
        sql = "SELECT method, n FROM cell_summary WHERE size = 60 ORDER BY method"
        expected = [["baseline", 2], ["ensemble", 2], ["mixup", 2], ["warm-up", 2]]
        as_json = self.calsweep("query", "runs/small", sql, "--format", "json")
        self.assertEqual([list(r.values()) for r in json.loads(as_json.stdout)], expected)
        as_csv = self.calsweep("query", "runs/small", sql, "--format", "csv")
        self.assertEqual(list(csv.reader(io.StringIO(as_csv.stdout)))[1:],
                         [[m, str(n)] for m, n in expected])
        self.assertIn("| warm-up", self.calsweep("query", "runs/small", sql, "--format", "markdown").stdout)
        self.assertIn("warm-up", self.calsweep("query", "runs/small", sql).stdout)
        self.assertIn("comparison", self.calsweep("query", "runs/small").stdout)

    def test_the_same_numbers_for_one_and_two_workers_and_two_analysts(self):
        spec = self.write_spec(small_spec(execution="fuse = 2"))
        self.finish(spec, "one", ranks=2)
        self.finish(spec, "two", ranks=3)
        one = program.results_dump(self.folder / "runs/one/results.db")
        self.assertTrue(one["metric"])
        self.assertEqual(one, program.results_dump(self.folder / "runs/two/results.db"))
        os.remove(self.folder / "runs/two/results.db")
        self.assert_succeeded(self.mpirun(2, "analyze", "runs/two"))
        self.assertEqual(one, program.results_dump(self.folder / "runs/two/results.db"))

    def test_running_again_trains_nothing_and_analysing_again_changes_nothing(self):
        spec = self.write_spec(small_spec(seeds=2))
        self.finish(spec)
        before = program.trained_units(self.run_folder)
        dump = program.results_dump(self.run_folder / "results.db")
        self.finish(spec)
        self.assertEqual(before, program.trained_units(self.run_folder))
        self.assertEqual(dump, program.results_dump(self.run_folder / "results.db"))

    def count_trials(self):
        return sum(n for (n,) in program.rows(
            self.run_folder / "ledger.db",
            "SELECT COUNT(*) FROM unit_members JOIN attempts USING (unit) WHERE outcome = 'done'"))

    def test_an_extended_spec_trains_exactly_what_is_new(self):
        # One cell: baseline, warm-up, mixup and 2 members, per seed and size: 10 trials a seed and depth.
        self.finish(self.write_spec(small_spec(seeds=2, depths="[2]")))
        self.assertEqual(self.count_trials(), 20)
        self.finish(self.write_spec(small_spec(seeds=3, depths="[2]")))
        self.assertEqual(self.count_trials(), 30)
        self.finish(self.write_spec(small_spec(seeds=3, depths="[2, 3]")))
        self.assertEqual(self.count_trials(), 60)
        more = "[methods.smooth]\nlabel_smoothing = { alpha = 0.1 }\n"
        self.finish(self.write_spec(small_spec(seeds=3, depths="[2, 3]", methods=more)))
        self.assertEqual(self.count_trials(), 72)
        self.assertEqual(set(program.trained_units(self.run_folder).values()), {1})
        self.assertTrue((self.run_folder / "sweep.toml.3").exists())

    def undisturbed(self, spec):
        self.finish(spec, "undisturbed")
        return program.results_dump(self.folder / "runs/undisturbed/results.db")

    def test_a_trainer_killed_in_the_middle_is_replaced_and_the_sweep_says_so(self):
        spec = self.write_spec(small_spec(epochs=100))
        process = self.start("mpirun", "-n", 3, program.CALSWEEP, "run", spec, "--dir", self.run_folder,
                             "--slots", 1)
        program.wait_until(lambda: list((self.run_folder / "units").glob("*.h5")))
        victim = self.trainers_of(process)[0]
        os.kill(victim, signal.SIGSTOP)  # caught between two units, it is given the next one meanwhile
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        self.assertEqual(process.wait(timeout=100), 0, (self.folder / "started.log").read_text())
        log = (self.folder / "started.log").read_text()
        self.assertIn("SIGKILL", log)
        self.assertTrue(program.rows(self.run_folder / "ledger.db",
                                     "SELECT * FROM attempts WHERE outcome <> 'done'"))
        self.assert_succeeded(self.calsweep("analyze", self.run_folder))
        self.assertEqual(self.undisturbed(spec), program.results_dump(self.run_folder / "results.db"))

    def trainers_of(self, process):
        """Trainers that descend from `process` (other tests run theirs at the same time)."""
        def parent(pid):
            try:
                return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                return 0

        def descends(pid):
            while pid > 1:
                if pid == process.pid:
                    return True
                pid = parent(pid)
            return False
        return program.wait_until(lambda: [p for p in program.processes_named("calsweep-trainer") if descends(p)])

    def test_mpirun_killed_in_the_middle_is_continued_by_the_same_command(self):
        spec = self.write_spec(small_spec(epochs=30))
        for _ in range(2):
            process = self.start("mpirun", "-n", 3, program.CALSWEEP, "run", spec, "--dir",
                                 self.run_folder, "--slots", 1)
            sealed = len(list((self.run_folder / "units").glob("*.h5")))
            program.wait_until(
                lambda: len(list((self.run_folder / "units").glob("*.h5"))) >= sealed + 2
                or process.poll() is not None)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        done_before = program.wait_until(lambda: self.ledger_units())
        self.finish(spec)
        trained = program.trained_units(self.run_folder)
        self.assertTrue(set(done_before) <= set(trained))
        self.assertLess(len(done_before), len(trained), "the kills came too late to test anything")
        self.assertEqual(set(trained.values()), {1}, "a sealed unit was trained again")
        self.assertEqual(self.undisturbed(spec), program.results_dump(self.run_folder / "results.db"))

    def ledger_units(self):
        try:
            return program.trained_units(self.run_folder)
        except sqlite3.Error:  # still locked by the coordinator that is dying
            time.sleep(0.2)
            return None

    def test_an_interrupted_run_says_incomplete_and_continues(self):
        spec = self.write_spec(small_spec(epochs=60))
        process = self.start(program.CALSWEEP, "run", spec)
        program.wait_until(lambda: list((self.run_folder / "units").glob("*.h5")))
        os.kill(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(timeout=20), 75, (self.folder / "started.log").read_text())
        status = json.loads(self.calsweep("status", "runs/small", "--json").stdout)
        self.assertEqual(status["state"], "incomplete")
        self.finish(spec)
        self.assertEqual(set(program.trained_units(self.run_folder).values()), {1})

    def test_no_process_is_left_after_the_coordinator_is_killed(self):
        spec = self.write_spec(small_spec(epochs=20000))
        process = self.start(program.CALSWEEP, "run", spec)
        trainers = self.trainers_of(process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        program.wait_until(lambda: not any(os.path.exists(f"/proc/{p}") for p in trainers), seconds=5)

    def test_fused_networks_agree_with_unfused_ones(self):
        self.finish(self.write_spec(small_spec(execution="fuse = 1")), "unfused")
        self.finish(self.write_spec(small_spec(execution="fuse = 5")), "fused")
        sql = ("SELECT depth, size, method, nll_mean FROM cell_summary ORDER BY depth, size, method")
        for a, b in zip(program.rows(self.folder / "runs/unfused/results.db", sql),
                        program.rows(self.folder / "runs/fused/results.db", sql)):
            self.assertEqual(a[:3], b[:3])
            self.assertAlmostEqual(a[3], b[3], delta=0.02)


if __name__ == "__main__":
    program.main()
