"""`calsweep doctor` from the outside: what it finds well, what it finds broken, and what it leaves behind."""
import json
import os
import shutil
import subprocess
import unittest

import program


class Doctor(program.ProgramTest):
    def findings(self, *arguments, **kwargs):
        done = self.calsweep("doctor", *arguments, "--json", **kwargs)
        found = json.loads(done.stdout)["findings"]
        return done.returncode, {f["subject"]: f for f in found}

    def test_a_sound_place(self):
        self.make_data()
        code, found = self.findings("runs")
        for subject in ("file locks", "creation", "rename", "flush", "HDF5", "SQLite", "mpirun", "trainer",
                        "data sets"):
            self.assertEqual(found[subject]["verdict"], "ok", found[subject])
        self.assertEqual(code, 0, found)
        self.assertIn("fashion-mnist", found["data sets"]["text"])
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["data"])  # nothing is left behind

    def test_a_line_per_finding_and_an_arrow_for_what_to_do(self):
        shown = self.calsweep("doctor", environment={"CALSWEEP_DATA": str(self.folder)}).stdout
        self.assertRegex(shown, r"(?m)^  ok    file locks ")
        self.assertRegex(shown, r"(?m)^launch$")

    def test_several_ranks_measure_the_shared_directory(self):
        done = self.mpirun(3, "doctor", self.folder, "--json")
        self.assert_succeeded(done)
        found = {f["subject"]: f for f in json.loads(done.stdout)["findings"]}
        self.assertEqual(found["shared files"]["verdict"], "ok", found)
        self.assertIn("3 ranks", found["shared files"]["text"])

    def test_what_is_broken_is_told_with_advice(self):
        alone = self.folder / "bin"
        alone.mkdir()
        shutil.copy2(program.CALSWEEP, alone)
        done = self.run_program([alone / "calsweep", "doctor", self.folder, "--json"])
        found = {f["subject"]: f for f in json.loads(done.stdout)["findings"]}
        self.assertEqual(done.returncode, 1)
        self.assertEqual(found["trainer"]["verdict"], "fail")
        self.assertIn("quickstart", found["trainer"]["advice"])

    def test_a_directory_nobody_can_write_to(self):
        code, found = self.findings("/proc/self")
        self.assertEqual(code, 1)
        self.assertEqual(found["directory"]["verdict"], "fail")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "mounting a small file system needs root")
    def test_a_full_and_volatile_file_system(self):
        script = (f"mount -t tmpfs -o size=16m small {self.folder} && "
                  f"exec {program.CALSWEEP} doctor {self.folder} --json")
        done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, timeout=100,
                              env=self.environment)
        if not done.stdout:
            self.skipTest(f"no mount namespaces here: {done.stderr}")
        found = {f["subject"]: f for f in json.loads(done.stdout)["findings"]}
        self.assertEqual(done.returncode, 1)
        self.assertEqual(found["file system"]["verdict"], "warn")
        self.assertEqual(found["free space"]["verdict"], "fail", found["free space"])

    def test_gpus_of_others(self):
        played = self.folder / "played"
        played.mkdir()
        script = played / "nvidia-smi"
        script.write_text("#!/bin/sh\ncase $1 in\n"
                          "--query-gpu*) echo '0, NVIDIA A100, 0, 40960, 0'; echo '1, NVIDIA A100, 30000, 40960, 97';;\n"
                          "*) echo '1, python, 30000';;\nesac\n")
        script.chmod(0o755)
        _, found = self.findings(environment={"PATH": f"{played}:{os.environ['PATH']}"})
        self.assertEqual(found["GPU 0"]["verdict"], "ok")
        self.assertEqual(found["GPU 1"]["verdict"], "warn")
        self.assertIn("process 1 (python", found["GPU process"]["text"])

    def test_a_trainer_without_its_calsweep_is_named_and_left_alone(self):
        pretended = self.folder / "calsweep-trainer"
        shutil.copy2(shutil.which("sleep"), pretended)
        orphan = self.start(pretended, 100)
        _, found = self.findings()
        self.assertEqual(found["trainers"]["verdict"], "warn")
        self.assertIn(str(orphan.pid), found["trainers"]["advice"])
        self.assertIsNone(orphan.poll())


if __name__ == "__main__":
    program.main()
