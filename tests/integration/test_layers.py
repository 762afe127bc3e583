"""Who may include whom: sweeps <- orchestrator | worker | analysis <- cli, LibTorch in worker/ alone."""
import re
import subprocess
import unittest

import program

ALLOWED = {
    "sweeps": {"sweeps"},
    "orchestrator": {"sweeps", "orchestrator"},
    "worker": {"sweeps", "worker"},
    "analysis": {"sweeps", "analysis"},
    "cli": {"sweeps", "orchestrator", "analysis", "cli"},
}


class Layers(unittest.TestCase):
    def test_folders_include_only_what_they_may_know(self):
        seen = 0
        for folder, allowed in ALLOWED.items():
            for path in sorted((program.SOURCE / folder).rglob("*.[ch]pp")):
                for line in path.read_text().splitlines():
                    match = re.match(r'#include "([a-z_]+)/', line)
                    if match:
                        seen += 1
                        self.assertIn(match.group(1), allowed, f"{path}: {line}")
                    if re.match(r"#include <(torch|ATen|c10)/", line):
                        self.assertEqual(folder, "worker", f"{path}: {line}")
                    if re.match(r"#include <mpi.h>", line):
                        self.assertEqual(folder, "orchestrator", f"{path}: {line}")
        self.assertGreater(seen, 100)

    def test_calsweep_does_not_load_libtorch(self):
        libraries = subprocess.run(["ldd", program.CALSWEEP], text=True, capture_output=True).stdout
        self.assertIn("libmpi", libraries)
        self.assertNotIn("libtorch", libraries)
        self.assertNotIn("libc10", libraries)

    def test_reference_in_docs_is_the_one_printed(self):
        printed = subprocess.run([program.CALSWEEP, "reference"], text=True, capture_output=True).stdout
        self.assertEqual(printed, (program.SOURCE / "docs/spec-reference.md").read_text())


if __name__ == "__main__":
    program.main()
