"""Failures of what is around the trainers: hosts, disks, files, locks, the end of the time. See test_failures.py."""
import json
import os
import signal
import socket
import subprocess
import unittest

import program
from test_failures import LONG, FailureTest, WRAPPER, spec


def only_root_mounts(folder, size):
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
                      capture_output=True).returncode != 0:
        raise unittest.SkipTest("mounting a small tmpfs needs privileges")


class Hosts(FailureTest):
    def test_a_host_that_fails_what_passes_elsewhere_is_left_out(self):
        if subprocess.run(["unshare", "-u", "true"], capture_output=True).returncode != 0:
            raise unittest.SkipTest("a second host name needs a UTS namespace, and that privileges")
        # Enough for the healthy host to be at it while the sick one starts and fails three times.
        sweep = self.write_spec(spec(epochs=150).replace("seeds = 4", "seeds = 12"))
        calsweep = [program.CALSWEEP, "run", sweep, "--dir", self.run_folder, "--slots", "1", "--device", "cpu",
                    "--trainer", WRAPPER]
        elsewhere = ["unshare", "-u", "bash", "-c", 'hostname sick && exec "$@"', "-", *calsweep]
        done = self.run_program(["mpirun", "-n", "2", *calsweep, ":", "-n", "1", *elsewhere],
                                timeout=250, environment={"FAILING_TRAINER": json.dumps({"bad_host": "sick"})})
        self.assert_succeeded(done)
        self.assertRegex(done.stderr, "(host|slot 0 of) sick leaves the run")
        self.assertEqual(self.ledger("SELECT DISTINCT host FROM attempts WHERE outcome = 'failed'"), [("sick",)])
        self.assertEqual(self.ledger("SELECT DISTINCT host FROM attempts WHERE outcome = 'done'"),
                         [(socket.gethostname(),)])
        self.assert_as_undisturbed(sweep)


class Disks(FailureTest):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.run_folder = self.disk / "run"

    def mount(self, size):
        only_root_mounts(self.disk, size)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.disk)])

    def test_a_disk_that_gets_full_stops_the_sweep_and_room_continues_it(self):
        self.mount("400k")
        # Without checkpoints, which would fill it before anything is done.
        sweep = self.write_spec(spec().replace("checkpoint_seconds = 0.1", "checkpoint_seconds = 100"))
        done = self.run_it(sweep, "--slots", 2)
        self.assert_refused(done, 3, "No space left on device", str(self.run_folder), "same command")
        self.assertGreater(len(list(self.run_folder.glob("units/*.h5"))), 0, "it was full before anything was done")
        subprocess.run(["mount", "-o", "remount,size=100m", str(self.disk)], check=True)
        self.assert_succeeded(self.run_it(sweep))
        self.assert_as_undisturbed(sweep)

    def test_folders_that_became_read_only_stop_the_sweep(self):
        self.mount("100m")
        sweep = self.write_spec(spec(LONG))
        process = self.begin(sweep, "--slots", 2)
        units, prepared = str(self.run_folder / "units"), self.disk / "prepared"
        prepared.mkdir()
        for command in (["mount", "--bind", units, prepared], ["mount", "-o", "remount,ro,bind", prepared],
                        ["mount", "--bind", prepared, units]):  # at one blow: a writer would keep it writable
            subprocess.run(command, check=True)
        self.assert_ended(process, 3, "Read-only file system", units, "same command")
        for folder in (units, prepared):
            subprocess.run(["umount", folder], check=True)
        self.assert_succeeded(self.run_it(sweep))
        self.assert_as_undisturbed(sweep)

    def test_a_directory_that_cannot_be_written_is_named(self):
        self.mount("100m")
        sweep = self.write_spec(spec())
        self.begin(sweep).wait(timeout=60)
        subprocess.run(["mount", "-o", "remount,ro", str(self.disk)], check=True)
        self.assert_refused(self.run_it(sweep), 3, str(self.run_folder))
        subprocess.run(["mount", "-o", "remount,rw", str(self.disk)], check=True)
        self.assert_succeeded(self.run_it(sweep))


class Files(FailureTest):
    def test_a_damaged_checkpoint_is_not_used(self):
        sweep = self.write_spec(spec(epochs=2000).replace("seeds = 4", "seeds = 1"))
        process = self.start(program.CALSWEEP, "run", sweep, "--dir", self.run_folder, "--slots", "1")
        checkpoints = program.wait_until(lambda: list(self.run_folder.glob("checkpoints/*.pt")))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        self.assertTrue(checkpoints)
        for file in self.run_folder.glob("checkpoints/*.pt"):
            content = bytearray(file.read_bytes())
            for at in range(100, len(content), 997):
                content[at] ^= 0x40
            file.write_bytes(content)
        self.assert_succeeded(self.run_it(sweep))
        self.assertIn("checkpoint", "".join(f.read_text() for f in self.run_folder.glob("logs/*.log")))
        self.assertEqual(list(self.run_folder.glob("checkpoints/*.pt")), [])
        self.assert_as_undisturbed(sweep)

    def test_a_unit_file_with_a_wrong_bit_in_a_trials_name_is_found(self):
        sweep = self.write_spec(spec(epochs=150))
        self.assert_succeeded(self.run_it(sweep))
        unit, trial = self.ledger("SELECT unit, trial FROM unit_members GROUP BY unit HAVING count(*) = 1")[0]
        file = self.run_folder / "units" / f"{unit}.h5"
        content = file.read_bytes()
        at = content.index(trial.encode())
        file.write_bytes(content[:at] + (b"1" if content[at:at + 1] == b"0" else b"0") + content[at + 1:])
        done = self.calsweep("analyze", self.run_folder)
        self.assert_refused(done, 1, "does not match its checksum", file.name)
        self.assert_succeeded(self.run_it(sweep))
        self.assert_as_undisturbed(sweep)

    def test_the_lock_of_a_killed_run_is_explained_and_taken_over(self):
        sweep = self.write_spec(spec(LONG))
        process = self.begin(sweep)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done = self.run_it(sweep)
        self.assert_succeeded(done)
        self.assertIn("ended without tidying up; its lock is taken over", done.stderr)

    def test_the_lock_of_a_lost_host_is_explained_and_taken_over_on_request(self):
        sweep = self.write_spec(spec())
        self.assert_succeeded(self.run_it(sweep))
        lock = json.loads((self.run_folder / "lock.json").read_text())
        lock.update(state="held", host="node17", pid=4711, heartbeat=lock["heartbeat"] - 3600)
        (self.run_folder / "lock.json").write_text(json.dumps(lock).ljust(511) + "\n")
        self.assert_refused(self.run_it(sweep), 2, "node17", "gone silent", "--take-over")
        self.assert_succeeded(self.run_it(sweep, "--take-over"))


class Stops(FailureTest):
    def expect_continuation(self, number, *options):
        sweep = self.write_spec(spec(LONG))
        process = self.begin(sweep, "--slots", "2", *options)
        os.kill(process.pid, number)
        self.assert_ended(process, 75, "same command")
        self.assertEqual(self.status()["state"], "incomplete")
        self.assertEqual(self.ledger("SELECT * FROM attempts WHERE outcome IS NULL"), [])
        self.assert_succeeded(self.run_it(sweep))
        self.assertEqual(set(program.trained_units(self.run_folder).values()), {1})
        self.assertEqual(list(self.run_folder.glob("checkpoints/*.pt")), [])
        self.assert_as_undisturbed(sweep)

    def test_sigterm(self):
        self.expect_continuation(signal.SIGTERM)

    def test_the_warning_signal_of_the_batch_system(self):
        self.expect_continuation(signal.SIGUSR1)

    def test_a_warning_signal_of_ones_choice(self):
        self.expect_continuation(signal.SIGUSR2, "--stop-signal", "USR2")

    def test_the_end_of_the_time(self):
        sweep = self.write_spec(spec(epochs=200000))  # not to be done in any such time
        for _ in range(2):
            done = self.run_it(sweep, "--slots", 2, "--time", "0:0:06", "--time-margin", 1)
            self.assert_refused(done, 75, "same command")
            self.assertEqual(self.status()["state"], "incomplete")
            self.assertTrue(list(self.run_folder.glob("checkpoints/*.pt")), "nothing of the work was kept")
            self.assertEqual(self.ledger("SELECT * FROM attempts WHERE outcome IS NULL"), [])
        logs = "".join(f.read_text() for f in self.run_folder.glob("logs/*.log"))
        self.assertIn("continues from its checkpoint", logs)


if __name__ == "__main__":
    program.main()
