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
        self.assertEqual(found["directory"]["verdict"], "ok")
        self.assertIn(f"{self.folder}/runs does not exist yet; testing {self.folder}", found["directory"]["text"])
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["data"])  # nothing is left behind

    def test_a_line_per_finding_and_an_arrow_for_what_to_do(self):
        shown = self.calsweep("doctor", environment={"CALSWEEP_DATA": str(self.folder)}).stdout
        self.assertRegex(shown, r"(?m)^  ok    file locks ")
        self.assertRegex(shown, r"(?m)^launch$")
        self.assertIn(f"storage: {self.folder}\n", shown)
        self.assertNotIn("does not exist yet", shown)

    def test_a_file_is_no_directory(self):
        spec = self.write_spec("")
        self.assert_refused(self.calsweep("doctor", spec), 2, f"{spec} is a file")
        self.assert_refused(self.calsweep("doctor", spec / "below"), 2, f"{spec} is a file")

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
        found = self.findings_in_small_tmpfs("size=16m", "true")
        self.assertEqual(found["file system"]["verdict"], "warn")
        self.assertEqual(found["free space"]["verdict"], "fail", found["free space"])
        self.assertEqual(found["free space"]["text"], "only 16 MiB")
        self.assertEqual(found["SQLite"]["verdict"], "ok", found["SQLite"])

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "mounting a small file system needs root")
    def test_no_room_is_said_as_such(self):
        found = self.findings_in_small_tmpfs("size=16m", "head -c 17m /dev/zero >full 2>/dev/null || true")
        self.assertEqual(found["free space"]["text"], "only 0 KiB")
        for subject in ("SQLite", "flush"):
            self.assertEqual(found[subject]["verdict"], "fail")
            self.assertIn("no room", found[subject]["text"])
            self.assertIn("make room", found[subject]["advice"])
        found = self.findings_in_small_tmpfs("size=160m,nr_inodes=50", "true")
        self.assertRegex(found["free space"]["text"], r"only \d+ more files can be made \(160 MiB are free\)")

    def findings_in_small_tmpfs(self, options, before):
        script = (f"mount -t tmpfs -o {options} small {self.folder} && cd {self.folder} && {{ {before}; }} && "
                  f"exec {program.CALSWEEP} doctor {self.folder} --json")
        done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, timeout=100,
                              env=self.environment)
        if not done.stdout:
            self.skipTest(f"no mount namespaces here: {done.stderr}")
        self.assertEqual(done.returncode, 1, done.stdout)
        return {f["subject"]: f for f in json.loads(done.stdout)["findings"]}

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
