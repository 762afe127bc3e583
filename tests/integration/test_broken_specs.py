"""Every broken spec in broken_specs/ is refused with exit code 2 and the texts in its .expected file."""
from pathlib import Path

import program


class BrokenSpecs(program.ProgramTest):
    def test_each_gives_its_message_and_a_non_zero_exit(self):
        specs = sorted((Path(__file__).parent / "broken_specs").glob("*.toml"))
        self.assertGreaterEqual(len(specs), 30)
        for spec in specs:
            with self.subTest(spec=spec.name):
                expected = spec.with_suffix(".expected").read_text().splitlines()
                self.assert_refused(self.calsweep("plan", spec), 2, *expected)

    def test_run_refuses_it_too_and_makes_nothing(self):
        spec = Path(__file__).parent / "broken_specs" / "unknown_key.toml"
        self.assert_refused(self.calsweep("run", spec), 2, "did you mean 'learning_rate'?")
        self.assertFalse((self.folder / "runs").exists())


if __name__ == "__main__":
    program.main()
