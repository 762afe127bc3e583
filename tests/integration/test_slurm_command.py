"""`calsweep slurm` without a Slurm: what it prints, writes, refuses; sbatch is played by a script."""
import os

import program
from program import small_spec


class SlurmCommand(program.ProgramTest):
    def play_sbatch(self, script):
        folder = self.folder / "played"
        folder.mkdir()
        (folder / "sbatch").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "sbatch").chmod(0o755)
        self.environment["PATH"] = f"{folder}:{os.environ['PATH']}"

    def test_script_on_standard_output(self):
        done = self.calsweep("slurm", self.write_spec(small_spec()), "--nodes", 2, "--time", "90")
        self.assert_succeeded(done)
        self.assertTrue(done.stdout.startswith("#!/bin/bash\n"), done.stdout)
        self.assertIn("#SBATCH --time=01:30:00\n", done.stdout)
        self.assertIn(f"calsweep={program.CALSWEEP}\n", done.stdout)
        self.assertIn(f"directory={self.folder}/runs/small\n", done.stdout)
        # Slurm does not make the folder of a job's log.
        self.assertTrue((self.folder / "runs/small/slurm").is_dir())

    def test_the_run_accepts_the_folder_made_for_the_log(self):
        self.make_data()
        spec = self.write_spec(small_spec(seeds=2, epochs=1, depths="[2]"))
        self.assert_succeeded(self.calsweep("slurm", spec))
        self.assert_succeeded(self.calsweep("run", spec, "--exit-code-file", self.folder / "code"))
        self.assertEqual((self.folder / "code").read_text(), "0\n")

    def test_exit_code_file_holds_the_code_of_a_refusal(self):
        spec = self.write_spec("name = 7")
        done = self.calsweep("run", spec, "--exit-code-file", self.folder / "code")
        self.assert_refused(done, 2, "sweep.toml")
        self.assertEqual((self.folder / "code").read_text(), "2\n")

    def test_script_in_a_file_can_be_executed(self):
        done = self.calsweep("slurm", self.write_spec(small_spec()), "--output", "job.sh")
        self.assert_succeeded(done)
        self.assertTrue(os.access(self.folder / "job.sh", os.X_OK))
        self.assertIn("sbatch job.sh", done.stderr)

    def test_mistakes_are_found_before_anything_waits_in_a_queue(self):
        spec = self.write_spec(small_spec())
        broken = self.write_spec(small_spec().replace("epochs", "epoks"), "broken.toml")
        self.assert_refused(self.calsweep("slurm", broken), 2, "broken.toml", "epoks")
        self.assert_refused(self.calsweep("slurm", spec, "--time", "soon"), 2, "'soon' is no duration")
        self.assert_refused(self.calsweep("slurm", spec, "--mem", "lots"), 2, "--mem")
        self.assert_refused(self.calsweep("slurm", spec, "--survive-node-loss"), 2, "--nodes 2")
        for options, reason in ((("--array", 0), "--array"), (("--cpus-per-task", 0), "--cpus-per-task"),
                                (("--device", "cuda"), "add --gpus-per-node"),
                                (("--time", "10", "--time-margin", 600), "--time-margin 600 is not less"),
                                (("--setup", "nonexistent.sh"), "no such file"), (("--setup", "env/activate"), "no such file"),
                                (("--sbatch-option=--time=5",), "use --time"),
                                (("--output", "nowhere/x.sh"), "cannot write --output nowhere/x.sh: there is no folder")):
            done = self.calsweep("slurm", spec, *options)
            self.assert_refused(done, 2, reason)
            self.assertEqual(done.stdout, "")
        self.assertFalse((self.folder / "runs").exists())

    def test_lines_of_set_up_that_are_no_files_stay_lines(self):
        done = self.calsweep("slurm", self.write_spec(small_spec()), "--setup", "module load mpi/4.1", "--setup",
                             "A=/b", "--setup", "source /nope.sh")
        self.assert_succeeded(done)
        self.assertIn("\nmodule load mpi/4.1\nA=/b\nsource /nope.sh\n", done.stdout)

    def test_a_trainer_that_is_not_here_may_be_on_the_nodes(self):
        done = self.calsweep("slurm", self.write_spec(small_spec()), "--trainer", "/nope")
        self.assert_succeeded(done)
        self.assertIn("no program /nope here", done.stderr)
        self.assertIn("--trainer /nope", done.stdout)

    def test_submitting_prints_the_job_and_what_to_do_next(self):
        self.play_sbatch('[ "$1" = --parsable ] && [ -x "$2" ] && echo "4711;cluster"')
        done = self.calsweep("slurm", self.write_spec(small_spec()), "--submit")
        self.assert_succeeded(done)
        self.assertEqual(done.stdout, "4711\n")
        for text in ("squeue -j 4711", "calsweep status runs/small", "runs/small/slurm/4711.out", "scancel 4711"):
            self.assertIn(text, done.stderr)

    def test_refusal_of_sbatch_is_passed_on(self):
        self.play_sbatch("echo 'sbatch: error: invalid partition specified: gpuu' >&2; echo 'sbatch: error: no' >&2; exit 1")
        done = self.calsweep("slurm", self.write_spec(small_spec()), "--partition", "gpuu", "--submit")
        self.assert_refused(done, 2, "sbatch did not take the job. ", "sinfo",
                            "sbatch said:\n  sbatch: error: invalid partition specified: gpuu\n  sbatch: error: no\n")
        self.assertFalse((self.folder / "runs/small").exists())

    def test_without_sbatch_it_says_so(self):
        self.environment["PATH"] = "/nonexistent"
        done = self.calsweep("slurm", self.write_spec(small_spec()), "--submit")
        self.assert_refused(done, 2, "no sbatch", "--output")
        self.assertFalse((self.folder / "runs").exists())


if __name__ == "__main__":
    program.main()
