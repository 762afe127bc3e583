"""What can be wrong around a run: each gives one clear message and a non-zero exit, and loses nothing."""
import os
import sqlite3
import subprocess
import unittest

import program
from program import small_spec


class BrokenSituations(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.spec = self.write_spec(small_spec(seeds=2, depths="[2]", epochs=2))
        self.run_folder = self.folder / "runs" / "small"

    def finished_run(self):
        self.make_data()
        self.assert_succeeded(self.calsweep("run", self.spec))
        return self.run_folder

    def test_data_missing(self):
        self.write_spec(small_spec().replace("fashion-mnist", "cifar-10").replace('"mnist?"', ""), "c.toml")
        done = self.calsweep("run", "c.toml")
        self.assert_refused(done, 3, "the data set 'cifar-10' is not on this machine", "looked in", "to get it")
        self.assertFalse(self.run_folder.exists())

    def test_data_truncated(self):
        self.make_data()
        images = self.data / "fashion-mnist/train-images-idx3-ubyte"
        images.write_bytes(images.read_bytes()[:-1000])
        done = self.calsweep("run", self.spec)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("train-images-idx3-ubyte", done.stderr)
        self.assertNotIn("terminate called", done.stderr)

    def test_data_that_is_no_data(self):
        self.make_data()
        (self.data / "fashion-mnist/train-images-idx3-ubyte").write_bytes(os.urandom(50000))
        done = self.calsweep("run", self.spec)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("train-images-idx3-ubyte", done.stderr)
        self.assertNotIn("tried again", done.stderr, "bad data stays bad: one try is enough")

    def test_warm_up_file_damaged(self):
        run = self.finished_run()
        for unit in (run / "units").glob("*.h5"):
            unit.unlink()
        for stage in (run / "stages").glob("*.pt"):
            stage.write_bytes(stage.read_bytes()[:-50])
        done = self.calsweep("run", self.spec)
        self.assertEqual(done.returncode, 1)
        self.assertIn("trains its warm-up again", done.stderr)
        self.assert_succeeded(self.calsweep("run", self.spec))

    def test_data_with_fewer_images_than_the_spec_wants(self):
        self.make_data(n_train=100)
        done = self.calsweep("run", self.spec)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("100", done.stderr)

    def test_data_changed_since_the_sweep_started(self):
        self.finished_run()
        program.write_idx_dataset(self.data / "fashion-mnist", 200, 100, seed=7)
        self.assert_refused(self.calsweep("run", self.spec), 2, "changed since this sweep started",
                            "--accept-new-data")

    def test_spec_missing(self):
        self.assert_refused(self.calsweep("run", "none.toml"), 2, "none.toml", "No such file")

    def test_directory_in_use(self):
        self.make_data()
        spec = self.write_spec(small_spec(epochs=20000))  # far longer than the wait for the lock
        process = self.start(program.CALSWEEP, "run", spec)
        program.wait_until(lambda: (self.run_folder / "status.json").exists())
        done = self.calsweep("run", spec)
        self.assert_refused(done, 2, "in use", str(process.pid))

    def test_another_sweeps_directory(self):
        self.finished_run()
        other = self.write_spec(small_spec().replace('"small"', '"other"'), "other.toml")
        self.assert_refused(self.calsweep("run", other, "--dir", self.run_folder), 2,
                            "holds the sweep 'small', not 'other'")

    def test_directory_with_other_things_in_it(self):
        self.make_data()
        (self.folder / "mine").mkdir()
        (self.folder / "mine/thesis.tex").write_text("x")
        self.assert_refused(self.calsweep("run", self.spec, "--dir", "mine"), 2, "is not empty and holds no sweep")
        self.assertEqual(os.listdir(self.folder / "mine"), ["thesis.tex"])

    def test_directory_is_a_file(self):
        self.make_data()
        (self.folder / "file").write_text("x")
        self.assert_refused(self.calsweep("run", self.spec, "--dir", "file"), 2, "is a file")

    def test_directory_cannot_be_written(self):
        self.make_data()
        done = self.calsweep("run", self.spec, "--dir", "/proc/calsweep")
        self.assert_refused(done, 3, "/proc/calsweep")

    def test_trainer_missing(self):
        self.make_data()
        done = self.calsweep("run", self.spec, "--trainer", self.folder / "none")
        self.assert_refused(done, 3, str(self.folder / "none"))

    def test_trainer_is_another_program(self):
        self.make_data()
        done = self.calsweep("run", self.spec, "--trainer", "/bin/true", timeout=60)
        self.assert_refused(done, 3, "/bin/true")

    def test_a_launcher_that_started_singletons(self):
        self.make_data()
        for environment in ({"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "4",
                             "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"},
                            {"PMI_SIZE": "4", "PMI_RANK": "0"}):
            done = self.calsweep("run", self.spec, environment=environment)
            self.assert_refused(done, 2, "4")
            self.assertFalse(self.run_folder.exists())

    def test_unit_file_truncated(self):
        run = self.finished_run()
        victim = sorted((run / "units").glob("*.h5"))[0]
        victim.write_bytes(victim.read_bytes()[:-100])
        done = self.calsweep("analyze", run)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(victim.name, done.stderr)
        self.assertIn("calsweep run", done.stderr)
        again = self.calsweep("run", self.spec)
        self.assert_succeeded(again)
        self.assertIn("quarantine", again.stderr)
        self.assertTrue(list((run / "quarantine").iterdir()))
        self.assert_succeeded(self.calsweep("analyze", run))

    def test_unit_file_with_flipped_bits(self):
        run = self.finished_run()
        victim = sorted((run / "units").glob("*.h5"))[0]
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 0xFF
        victim.write_bytes(content)
        done = self.calsweep("analyze", run)
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not match its checksum", done.stderr)
        self.assertIn("are missing", done.stderr)
        # The size is right, so only the analysis can notice; afterwards the same command repairs it.
        self.assertTrue((run / "quarantine" / (victim.name + ".1")).exists())
        self.assert_succeeded(self.calsweep("run", self.spec))
        self.assert_succeeded(self.calsweep("analyze", run))

    def test_ledger_damaged_or_lost_is_rebuilt(self):
        run = self.finished_run()
        for damage in (lambda f: f.write_bytes(b"garbage" * 1000), lambda f: f.unlink()):
            damage(run / "ledger.db")
            done = self.calsweep("run", self.spec)
            self.assert_succeeded(done)
            self.assertEqual(program.rows(run / "ledger.db", "SELECT COUNT(*) FROM attempts"), [(0,)],
                             "nothing may be trained again")
            self.assertGreater(program.rows(run / "ledger.db", "SELECT COUNT(*) FROM unit_members")[0][0], 0)

    def test_no_run_directory(self):
        for command in ("status", "analyze", "show", "query"):
            self.assert_refused(self.calsweep(command, self.folder), 2, str(self.folder))

    def test_not_analysed_yet(self):
        run = self.finished_run()
        self.assert_refused(self.calsweep("show", run), 2, "calsweep analyze")
        self.assert_refused(self.calsweep("query", run, "summary"), 2, "calsweep analyze")

    def test_results_of_a_newer_version(self):
        run = self.finished_run()
        self.assert_succeeded(self.calsweep("analyze", run))
        connection = sqlite3.connect(run / "results.db")
        connection.execute("PRAGMA user_version = 9999")
        connection.close()
        for command in (("analyze", run), ("show", run), ("query", run, "summary")):
            done = self.calsweep(*command)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("9999", done.stderr)

    def test_queries_cannot_write(self):
        run = self.finished_run()
        self.assert_succeeded(self.calsweep("analyze", run))
        before = program.results_dump(run / "results.db")
        for sql in ("DELETE FROM metric", "DROP TABLE metric", "CREATE TABLE t (x)", "ATTACH 'x.db' AS x",
                    "PRAGMA user_version = 3", "SELECT 1; DELETE FROM metric"):
            done = self.calsweep("query", run, sql)
            self.assertNotEqual(done.returncode, 0, sql)
        self.assertEqual(before, program.results_dump(run / "results.db"))
        self.assertFalse((self.folder / "x.db").exists())

    def test_query_mistakes_are_explained(self):
        run = self.finished_run()
        self.assert_succeeded(self.calsweep("analyze", run))
        self.assert_refused(self.calsweep("query", run, "SELECT nothing FROM cell_summary"), 2, "nothing")
        self.assert_refused(self.calsweep("query", run, "comparisson"), 2, "comparison")

    def test_bad_arguments(self):
        for arguments in ((), ("fly",), ("run",), ("run", self.spec, "--slots", "0"), ("run", self.spec, "--device", "tpu"),
                          ("query", ".", "summary", "--format", "xml")):
            self.assertEqual(self.calsweep(*arguments).returncode, 2, arguments)

    def test_disk_full(self):
        self.make_data()
        mount = self.folder / "small-disk"
        mount.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(mount)],
                          capture_output=True).returncode != 0:
            raise unittest.SkipTest("mounting a small tmpfs needs privileges")
        self.addCleanup(subprocess.run, ["umount", "-l", str(mount)])
        done = self.calsweep("run", self.spec, "--dir", mount / "run")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("terminate called", done.stderr)
        self.assertRegex(done.stderr, "full|No space")
        subprocess.run(["mount", "-o", "remount,size=100m", str(mount)], check=True)
        self.assert_succeeded(self.calsweep("run", self.spec, "--dir", mount / "run"))


if __name__ == "__main__":
    program.main()
