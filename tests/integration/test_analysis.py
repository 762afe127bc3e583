"""The analysis from outside: outputs made here, imported, analysed by one process and by several ranks, asked, exported."""
import csv
import json
import math
import os
import pathlib
import random
import sqlite3
import subprocess
import tempfile
import unittest

from program import CALSWEEP, MPI_ENVIRONMENT, SOURCE, results_dump

CLASSES = 4
MANIFEST = """name = "made-up"
outputs = "logits"
{records}
[[ensemble]]
name = "pairs"
of = "plain"
size = 2
[analysis]
reference = "plain"
calibrators = ["temperature", "vector", "matrix", "matrix-odir", "dirichlet", "histogram-binning", "bbq",
               "isotonic", "isotonic-top-label", "enir", "beta"]
resamples = 100
"""
RECORD = """[[record]]
method = "{method}"
seed = {seed}
cell = {{ depth = {depth}, size = {size} }}
test = {{ outputs = "{stem}.test.csv:z*", labels = "{stem}.test.csv:label" }}
validation = {{ outputs = "{stem}.val.csv:z*", labels = "{stem}.val.csv:label" }}
ood = {{ noise = "{stem}.ood.csv:z*" }}
"""


def write_csv(file, rows, labels):
    with open(file, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([f"z{k}" for k in range(CLASSES)] + (["label"] if labels else []))
        for i, row in enumerate(rows):
            writer.writerow([f"{z:.6f}" for z in row] + ([labels[i]] if labels else []))


def made_up_rows(generator, labels, sharpness):
    rows = []
    for label in labels:
        row = [generator.gauss(0, 1) for _ in range(CLASSES)]
        if label is not None:
            row[label] += 1.5
        rows.append([sharpness * z for z in row])
    return rows


def make_inputs(folder):
    """Two methods, depth x size, 6 seeds; "sharp" is overconfident. Logits of one seed differ in sharpness alone."""
    labels = {"test": [i * 7 % CLASSES for i in range(300)], "val": [i * 5 % CLASSES for i in range(200)]}
    records = ""
    for depth in (2, 4):
        for size in (500, 2000):
            for seed in range(6):
                for method, sharpness in (("plain", 1.0), ("sharp", 8.0 + 0.01 * seed)):
                    stem = f"{method}-{depth}-{size}-{seed}"
                    generator = random.Random(1000 * depth + size + seed)
                    for part in ("test", "val"):
                        write_csv(folder / f"{stem}.{part}.csv",
                                  made_up_rows(generator, labels[part], sharpness), labels[part])
                    write_csv(folder / f"{stem}.ood.csv",
                              made_up_rows(generator, [None] * 150, 0.5 * sharpness), None)
                    records += RECORD.format(method=method, seed=seed, depth=depth, size=size, stem=stem)
    manifest = folder / "made-up.toml"
    manifest.write_text(MANIFEST.format(records=records))
    return manifest


class AnalysisTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory(prefix="calsweep-analysis-")
        cls.folder = pathlib.Path(cls.place.name)
        cls.run_directory = cls.folder / "run"
        cls.call("import", make_inputs(cls.folder), "--dir", cls.run_directory)
        cls.call("analyze", cls.run_directory)
        cls.results = cls.run_directory / "results.db"

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    @classmethod
    def call(cls, *arguments, expect=0):
        result = subprocess.run([CALSWEEP, *map(str, arguments)], text=True, capture_output=True,
                                cwd=cls.folder, check=False)
        assert result.returncode == expect, result.stderr + result.stdout
        return result.stdout if expect == 0 else result.stderr

    def ask(self, sql):
        return json.loads(self.call("query", self.run_directory, sql, "--format", "json"))

    def test_ranks_and_rebuilding_change_no_bit(self):
        before = results_dump(self.results)
        self.assertGreater(len(before["metric"]), 5000)
        for ranks in (None, 3):
            self.results.unlink()
            if ranks is None:
                self.call("analyze", self.run_directory)
            else:
                subprocess.run(["mpirun", "-n", str(ranks), CALSWEEP, "analyze", self.run_directory], check=True,
                               env={**os.environ, **MPI_ENVIRONMENT}, capture_output=True)
            after = results_dump(self.results)
            for table, rows in before.items():
                self.assertEqual(rows, after[table], f"table {table}, {ranks} ranks")

    def test_nothing_is_done_when_nothing_is_new(self):
        before = self.results.stat().st_mtime_ns
        self.call("analyze", self.run_directory)
        self.assertEqual(self.results.stat().st_mtime_ns, before)

    def test_the_documented_question_is_answered(self):
        text = (SOURCE / "docs/results-db.md").read_text()
        sql = text.split("## One question, one query")[1].split("```sql\n")[1].split("```")[0]
        self.assertLess(len(sql.strip().splitlines()), 10)
        sql = sql.replace("'noise-warmup'", "'sharp'").replace("'better'", "'not significant'")
        with sqlite3.connect(self.results) as db:
            rows = db.execute(sql).fetchall()
        # 6 seeds: the smallest exact p is 1/32, and over 4 cells nothing survives Holm's correction.
        self.assertEqual([row[:2] for row in rows], [(2, 500), (2, 2000), (4, 500), (4, 2000)])
        for _, _, change, p_holm, accuracy_change, _ in rows:
            self.assertGreater(change, 0.05)
            self.assertEqual(p_holm, 4 / 32)
            self.assertEqual(accuracy_change, 0.0)

    def test_temperature_scaling_undoes_sharpness(self):
        rows = self.ask("SELECT m.name AS method, avg(p.value) AS t FROM replicate r JOIN method m USING (method_id) JOIN "
                        "calibrator_parameter p USING (predictor_id) WHERE p.calibrator = 'temperature' AND "
                        "p.parameter = 'T' GROUP BY m.name")
        temperature = {row["method"]: row["t"] for row in rows}
        self.assertAlmostEqual(temperature["sharp"] / temperature["plain"], 8.025, delta=0.02)
        same = self.ask("SELECT max(abs(a.value - b.value)) AS difference FROM metric a JOIN metric b USING (predictor_id, "
                        "set_name, metric, convention) WHERE a.calibrator = 'none' AND b.calibrator = 'temperature' AND "
                        "metric = 'accuracy'")
        self.assertEqual(same[0]["difference"], 0.0)  # the predicted class never moves

    def test_replicate_table_marks_what_changes(self):
        rows = self.ask("replicate-table")
        mine = [r for r in rows if r["method"] == "sharp" and r["metric"] == "ece_guo2017"]
        self.assertEqual(len(mine), 4)
        for row in mine:
            self.assertEqual((row["n"], row["W"]), (6, 0.0))
            self.assertAlmostEqual(row["P"], 0.0277, delta=1e-4)  # the normal approximation: "significant"
            self.assertAlmostEqual(row["p_exact"], 2 / 64)
            self.assertAlmostEqual(row["p_maxt"], 2 / 64)  # all cells agree, whole seeds are flipped
            self.assertEqual(row["changes"], "Holm")

    def test_every_calibrator_has_results_or_a_reason(self):
        rows = self.ask("SELECT calibrator, count(*) AS n, sum(null_reason IS NOT NULL) AS without FROM calibration "
                        "GROUP BY calibrator")
        self.assertEqual({r["calibrator"] for r in rows},
                         {"temperature", "vector", "matrix", "matrix-odir", "dirichlet", "histogram-binning", "bbq",
                          "isotonic", "isotonic-top-label", "enir", "beta", "temperature-per-member"})
        with_results = self.ask("SELECT DISTINCT calibrator FROM metric WHERE calibrator <> 'none' AND set_name = 'test' "
                                "AND metric = 'ece' AND value IS NOT NULL")
        self.assertEqual(len(with_results), 12)

    def test_the_null_is_beside_the_number(self):
        rows = self.ask("SELECT method, value, floor, floor_q95, p_consistent, ci_low, ci_high FROM replicate_metric WHERE "
                        "set_name = 'test' AND metric = 'ece' AND convention = 'guo2017' AND method <> 'pairs'")
        self.assertEqual(len(rows), 48)
        for row in rows:
            self.assertLess(0.0, row["floor"])
            self.assertLess(row["floor"], row["floor_q95"])
            self.assertLessEqual(row["ci_low"], row["ci_high"])
            if row["method"] == "sharp":
                self.assertAlmostEqual(row["p_consistent"], 1 / 101)

    def test_explains_why_conventions_differ(self):
        table = self.call("explain-ece", self.run_directory, "--method", "sharp", "--cell", "size=500 depth=4", "--seed", 2,
                          "--format", "csv")
        rows = {row["convention"]: row for row in csv.DictReader(table.splitlines())}
        stored = self.ask("SELECT value FROM replicate_metric WHERE method = 'sharp' AND depth = 4 AND size = 500 AND seed = 2 "
                          "AND set_name = 'test' AND metric = 'ece' AND convention = 'noise2026'")
        self.assertEqual(float(rows["noise2026"]["ece"]), stored[0]["value"])
        self.assertIn("midpoint", rows["noise2026"]["why"])
        message = self.call("explain-ece", self.run_directory, "--method", "sharp", expect=2)
        self.assertIn('--cell "depth=2 size=2000"', message)

    def test_exports_what_the_database_holds(self):
        self.call("export", self.run_directory, "--to", "out", "metric", "comparison", "verdicts")
        self.assertEqual({p.name for p in (self.folder / "out").iterdir()},
                         {"metric.csv", "comparison.csv", "verdicts.csv"})
        with open(self.folder / "out/metric.csv", newline="") as file:
            exported = {(r["predictor_id"], r["calibrator"], r["set_name"], r["metric"], r["convention"]): r["value"]
                        for r in csv.DictReader(file)}
        with sqlite3.connect(self.results) as db:
            for *key, value in db.execute("SELECT predictor_id, calibrator, set_name, metric, convention, value FROM metric"):
                text = exported.pop(tuple(key))
                self.assertTrue(text == "" if value is None else float(text) == value, key)
        self.assertEqual(exported, {})
        self.call("export", self.run_directory, "--to", "tex", "--format", "latex", "ranking")
        self.assertIn("\\toprule", (self.folder / "tex/ranking.tex").read_text())
        self.assertIn("did you mean \"ranking\"", self.call("export", self.run_directory, "rankin", expect=2))

    def test_ensembles_split_their_uncertainty(self):
        rows = self.ask("SELECT max(CASE WHEN metric = 'entropy' THEN value END) AS total, max(CASE WHEN metric = "
                        "'aleatoric_entropy' THEN value END) AS aleatoric, max(CASE WHEN metric = 'mutual_information' "
                        "THEN value END) AS epistemic FROM replicate_metric WHERE method = 'pairs' AND set_name = 'test' "
                        "GROUP BY depth, size, seed")
        self.assertEqual(len(rows), 12)
        for row in rows:
            self.assertTrue(math.isclose(row["total"], row["aleatoric"] + row["epistemic"], rel_tol=1e-9))
            self.assertGreater(row["epistemic"], 0.01)
        curve = self.ask("SELECT n_members, avg(value) AS nll FROM ensemble_curve WHERE metric = 'nll' GROUP BY n_members")
        self.assertLess(curve[1]["nll"], curve[0]["nll"])


if __name__ == "__main__":
    unittest.main()
