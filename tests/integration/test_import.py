"""`calsweep import`: files of outputs in every format, and everything that must be refused.

The files are made here with struct and zipfile, so neither NumPy nor h5py is needed; HDF5 input is a
unit file that calsweep wrote itself.
"""
import gzip
import math
import os
import random
import resource
import shutil
import struct
import subprocess
import unittest
import warnings
import zipfile

import program

N, K = 40, 3


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def softmax_rows(seed, n=N, k=K):
    """Rows that sum to 1, each value a float32."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        e = [math.exp(rng.gauss(0, 2)) for _ in range(k)]
        rows.append([float32(x / sum(e)) for x in e])
    return rows


def some_labels(rows, seed):
    rng = random.Random(seed)
    return [rng.choices(range(len(row)), row)[0] for row in rows]


CODES = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "u1": "B", "i2": "h", "i4": "i", "i8": "q", "u8": "Q"}


def npy_bytes(values, descr="<f4", fortran=False, version=1, header=None):
    """An .npy of a list (1-D) or a list of rows (2-D)."""
    matrix = bool(values) and isinstance(values[0], (list, tuple))
    shape = (len(values), len(values[0])) if matrix else (len(values),)
    if matrix:
        flat = [x for column in zip(*values) for x in column] if fortran else [x for row in values for x in row]
    else:
        flat = values
    text = header or f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    text += " " * (-(len(text) + (11 if version == 1 else 13)) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    order = ">" if descr[0] == ">" else "<"
    return (b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()
            + struct.pack(f"{order}{len(flat)}{CODES[descr[1:]]}", *flat))


MANIFEST = """
name = "{name}"
[[record]]
method = "first"
outputs = "{outputs}"
[record.test]
outputs = "{test}"
labels = "{labels}"
{more}
"""


class ImportTest(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.rows = softmax_rows(1)
        self.labels = some_labels(self.rows, 2)
        self.write("probs.npy", npy_bytes(self.rows))
        self.write("labels.npy", npy_bytes(self.labels, "<i8"))

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def manifest(self, text=None, **values):
        defaults = dict(name="small", outputs="probabilities", test="probs.npy", labels="labels.npy", more="")
        return self.write_spec(text or MANIFEST.format(**{**defaults, **values}), "manifest.toml")

    def import_into(self, directory, text=None, **values):
        done = self.calsweep("import", self.manifest(text, **values), "--dir", directory)
        self.assert_succeeded(done)
        return self.folder / directory

    def metrics(self, directory):
        self.assert_succeeded(self.calsweep("analyze", directory))
        return program.rows(self.folder / directory / "results.db",
                            "SELECT set_name, metric, convention, value FROM metric ORDER BY 1, 2, 3")

    def trials(self, directory):
        self.assert_succeeded(self.calsweep("analyze", directory))
        return {t for (t,) in program.rows(self.folder / directory / "results.db",
                                           "SELECT trial_id FROM trial")}


class GoodImports(ImportTest):
    def test_the_metrics_are_those_of_the_rows(self):
        self.import_into("run")
        found = {(m, c): v for s, m, c, v in self.metrics("run") if s == "test"}
        best = [max(range(K), key=row.__getitem__) for row in self.rows]
        accuracy = sum(b == y for b, y in zip(best, self.labels)) / N
        nll = -sum(math.log(row[y]) for row, y in zip(self.rows, self.labels)) / N
        self.assertAlmostEqual(found["accuracy", ""], accuracy, 14)
        self.assertAlmostEqual(found["nll", ""], nll, 12)

    def test_every_format_gives_equal_results(self):
        def npz(name, method):
            with zipfile.ZipFile(self.folder / name, "w", method) as archive:
                archive.writestr("probs.npy", npy_bytes(self.rows))
                archive.writestr("y.npy", npy_bytes(self.labels, ">i2"))
        npz("stored.npz", zipfile.ZIP_STORED)
        npz("deflated.npz", zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(self.folder / "zip64.npz", "w") as archive, \
                archive.open("probs.npy", "w", force_zip64=True) as entry:
            entry.write(npy_bytes(self.rows))
        with zipfile.ZipFile(self.folder / "fortran.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("only.npy", npy_bytes(self.rows, fortran=True))
        self.write("big.npy", npy_bytes(self.rows, ">f4"))
        self.write("fortran.npy", npy_bytes(self.rows, fortran=True, version=3))
        self.write("double.npy", npy_bytes(self.rows, "<f8", version=2))
        self.write("bytes.npy", npy_bytes(self.labels, "|u1"))
        lines = [",".join(map(repr, row)) for row in self.rows]
        self.write("plain.csv", "\n".join(lines) + "\n\n")
        self.write("quoted.csv", "\n".join(",".join(f'"{p!r}"' for p in row) for row in self.rows))
        self.write("header.csv", "\ufeffid,class,\"p_0\",p_1, p_2\r\n" + "".join(
            f"r{i},{y},{line}\r\n" for i, (y, line) in enumerate(zip(self.labels, lines))))
        self.write("beside.csv", "a,b,label,c\n" + "".join(
            f"{a},{b},{y},{c}\n" for (a, b, c), y in zip(self.rows, self.labels)))
        first = self.import_into("npy")
        expected = self.metrics("npy")
        unit = next((first / "units").glob("*.h5"))
        trial = self.trials("npy").pop()
        shutil.copy(unit, self.folder / "own.h5")
        cases = {
            "stored": ("stored.npz:probs", "stored.npz:y"), "deflated": ("deflated.npz:probs", "deflated.npz:y"),
            "zip64": ("zip64.npz:probs", "labels.npy"), "quoted": ("quoted.csv", "labels.npy"),
            "fortran-npz": ("fortran.npz", "labels.npy"), "big": ("big.npy", "labels.npy"),
            "fortran": ("fortran.npy", "bytes.npy"), "double": ("double.npy", "labels.npy"),
            "plain": ("plain.csv", "labels.npy"), "header": ("header.csv:p_*", "header.csv:class"),
            "beside": ("beside.csv", "beside.csv:label"), "named": ("beside.csv:a,b,c", "labels.npy"),
            "hdf5": (f"own.h5:/trials/{trial}/probabilities/test", "own.h5:/labels/test")}
        for name, (test, labels) in cases.items():
            with self.subTest(format=name):
                self.import_into(name, test=test, labels=labels)
                self.assertEqual(self.metrics(name), expected)
                if name not in ("double", "plain", "header", "beside", "named", "quoted"):  # stored as float64
                    self.assertEqual(self.trials(name), {trial})

        done = self.calsweep("import", self.manifest(test=f"own.h5:/trials/{trial}/probs"), "--dir", "none")
        self.assert_refused(done, 2, "no such dataset", f"/trials/{trial}/ holds: epochs, probabilities")
        self.assert_refused(self.calsweep("import", self.manifest(test="own.h5"), "--dir", "none"), 2,
                            "say which dataset", "/ holds: labels, trials")

    def test_half_precision_and_logits(self):
        rows = [[0.5, 0.25, 0.25]] * 4 + [[0.25, 0.5, 0.25]] * 4
        self.write("half.npy", npy_bytes(rows, "<f2"))
        self.write("few.npy", npy_bytes([0, 0, 0, 1, 1, 1, 1, 1], "<i4"))
        self.import_into("half", test="half.npy", labels="few.npy")
        found = {(m, c): v for _, m, c, v in self.metrics("half")}
        self.assertEqual(found["accuracy", ""], 7 / 8)
        self.write("logits.npy", npy_bytes([[math.log(p) + 3 for p in row] for row in rows], "<f8"))
        self.import_into("logits", test="logits.npy", labels="few.npy", outputs="logits")
        self.assertAlmostEqual(dict(((m, c), v) for _, m, c, v in self.metrics("logits"))["nll", ""],
                               found["nll", ""], 6)

    def test_cells_seeds_splits_and_ensembles(self):
        for seed in range(4):
            for size in (10, 20):
                rows = softmax_rows(100 * seed + size)
                self.write(f"net-{size}-{seed}.npy", npy_bytes(rows))
            self.write(f"other-{seed}.npy", npy_bytes(softmax_rows(seed + 50)))
        text = """
            name = "grid"
            outputs = "probabilities"
            """ + "".join(f"""
            [[record]]
            method = "net"
            seeds = 4
            cell = {{ dataset = "made-up", size = {size} }}
            test = {{ outputs = "net-{{size}}-{{seed}}.npy", labels = "labels.npy" }}
            validation = {{ outputs = "net-{size}-{{seed}}.npy", labels = "labels.npy" }}
            ood.noise = "other-{{seed}}.npy"
            """ for size in (10, 20)) + """
            [[record]]
            method = "other"
            seeds = [0, 1, 2, 3]
            cell = { dataset = "made-up", size = 10 }
            test = { outputs = "other-{seed}.npy", labels = "labels.npy" }
            [[ensemble]]
            name = "pooled"
            of = "net"
            size = 2
            [analysis]
            reference = "other"
            """
        run = self.import_into("grid", text)
        self.assert_succeeded(self.calsweep("analyze", "grid"))
        counted = program.rows(run / "results.db", "SELECT size, method, n FROM cell_summary ORDER BY 1, 2")
        self.assertEqual(counted, [(10, "net", 4), (10, "other", 4), (10, "pooled", 2),
                                   (20, "net", 4), (20, "pooled", 2)])
        pooled = program.rows(run / "results.db", "SELECT value FROM replicate_metric WHERE method = 'pooled' AND "
                              "size = 10 AND seed = 0 AND set_name = 'test' AND metric = 'nll'")[0][0]
        members = [softmax_rows(10), softmax_rows(110)]
        expected = -sum(math.log((members[0][i][y] + members[1][i][y]) / 2)
                        for i, y in enumerate(self.labels)) / N
        self.assertAlmostEqual(pooled, expected, 12)
        self.assertEqual(program.rows(run / "results.db", "SELECT count(DISTINCT predictor_id) FROM metric WHERE metric = 'auroc' AND "
                                      "set_name = 'ood/noise'")[0][0], 12)  # 8 networks, 4 ensembles
        done = self.calsweep("status", "grid")
        self.assert_succeeded(done)
        self.assertIn("12 of 12 sealed", done.stdout)
        self.assert_succeeded(self.calsweep("show", "grid", "--metric", "accuracy"))

    def test_twice_gives_the_same_files_and_a_change_a_new_trial(self):
        files = []
        for directory in ("a", "b", "a"):
            run = self.import_into(directory)
            files.append({p.name: p.read_bytes() for p in (run / "units").iterdir()})
        self.assertEqual(files[0], files[1])
        self.assertEqual(files[0], files[2])
        before = self.trials("a")
        self.write("labels.npy", npy_bytes([(y + 1) % K for y in self.labels], "<i8"))
        self.import_into("a")
        after = self.trials("a")
        self.assertEqual(len(after), 1)
        self.assertFalse(before & after)

    def test_a_killed_import_is_completed_and_a_damaged_unit_replaced(self):
        run = self.import_into("run")
        whole = {p.name: p.read_bytes() for p in (run / "units").iterdir()}
        unit = run / "units" / next(iter(whole))
        for name in ("sweep.toml", "data.json"):  # as a kill before the end leaves it
            (run / name).unlink()
        unit.rename(unit.with_suffix(".h5.1.partial"))
        self.assert_refused(self.calsweep("analyze", "run"), 2, "is not a run directory")
        self.import_into("run")
        self.assertEqual({p.name: p.read_bytes() for p in (run / "units").iterdir()}, whole)
        unit.write_bytes(whole[unit.name][:-10])
        self.import_into("run")
        self.assertEqual({p.name: p.read_bytes() for p in (run / "units").iterdir()}, whole)

    def test_a_manifest_named_without_a_folder(self):
        self.manifest()
        self.assert_succeeded(self.calsweep("import", "manifest.toml"))
        self.assertTrue((self.folder / "runs/small/sweep.toml").exists())

    def test_the_data_may_lie_elsewhere(self):
        (self.folder / "elsewhere").mkdir()
        (self.folder / "probs.npy").rename(self.folder / "elsewhere/probs.npy")
        (self.folder / "labels.npy").rename(self.folder / "elsewhere/labels.npy")
        manifest = self.manifest()
        self.assert_refused(self.calsweep("import", manifest), 2, "there is no file", "--data")
        self.assert_succeeded(self.calsweep("import", manifest, "--data", "elsewhere"))
        self.assertTrue((self.folder / "runs/small/sweep.toml").exists())

    def test_what_trains_refuses_a_manifest_and_import_refuses_a_sweep(self):
        manifest = self.manifest()
        for command in ("plan", "run", "slurm"):
            self.assert_refused(self.calsweep(command, manifest), 2, "trained elsewhere", "calsweep import")
        self.assert_refused(self.calsweep("import", self.write_spec(program.small_spec())), 2, "calsweep run")
        other = self.folder / "other"
        other.mkdir()
        (other / "notes.txt").write_text("mine")
        self.assert_refused(self.calsweep("import", manifest, "--dir", other), 2, "is not empty")
        self.assertEqual([p.name for p in other.iterdir()], ["notes.txt"])


def changed(rows, row, column, value):
    rows = [list(r) for r in rows]
    rows[row][column] = value
    return rows


def malformed(t):
    """Every way to be wrong: (name, files {name: bytes}, manifest values, texts in the message)."""
    rows, labels = t.rows, t.labels
    good = npy_bytes(rows)
    wide = softmax_rows(3, k=4)
    with zipfile.ZipFile(t.folder / "some.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("probs.npy", good)
        archive.writestr("y.npy", npy_bytes(labels, "<i8"))
    zipped = (t.folder / "some.npz").read_bytes()
    middle = len(zipped) // 4
    with warnings.catch_warnings(), zipfile.ZipFile(t.folder / "twice.npz", "w") as archive:
        warnings.simplefilter("ignore")  # that the name is there already
        archive.writestr("probs.npy", good)
        archive.writestr("probs.npy", npy_bytes(rows[::-1]))
    with zipfile.ZipFile(t.folder / "lzma.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("probs.npy", good)
    broken_zip = zipped[:middle] + bytes(b ^ 0x55 for b in zipped[middle:middle + 8]) + zipped[middle + 8:]
    csv = "".join(",".join(map(repr, r)) + "\n" for r in rows)
    head = "p0,p1,p2,label\n"
    full = [",".join(map(repr, r)) + f",{y}" for r, y in zip(rows, labels)]
    test = dict(test="x.npy")
    return [
        ("NaN", {"x.npy": npy_bytes(changed(rows, 7, 1, math.nan))}, test, ["x.npy: row 7 (from 0) has NaN for class 1"]),
        ("infinity", {"x.npy": npy_bytes(changed(rows, 8, 2, -math.inf))}, test, ["row 8", "infinity"]),
        ("NaN logit", {"x.npy": npy_bytes(changed(rows, 3, 0, math.nan))}, dict(test="x.npy", outputs="logits"),
         ["x.npy: row 3 (from 0) has NaN for class 0"]),
        ("infinite logit", {"x.npy": npy_bytes(changed(rows, 3, 0, -math.inf))}, dict(test="x.npy", outputs="logits"),
         ["row 3", "a logit is finite"]),
        ("logit beyond float32", {"x.npy": npy_bytes(changed(rows, 5, 0, 1e39), "<f8")},
         dict(test="x.npy", outputs="logits"), ["row 5", "too large for float32"]),
        ("a row that does not sum to one", {"x.npy": npy_bytes(changed(rows, 9, 0, rows[9][0] + 2e-3 * (1 - 2 * (rows[9][0] > .5))))},
         test, ["x.npy: row 9 (from 0) sums to", "tolerance"]),
        ("logits called probabilities", {"x.npy": npy_bytes(changed(rows, 0, 0, -2.5))}, test,
         ["row 0", "not in [0, 1]", 'outputs = "logits"']),
        ("probabilities called logits", {}, dict(outputs="logits"), ["probs.npy", 'say outputs = "probabilities"']),
        ("a label too large", {"y.npy": npy_bytes(labels[:20] + [K] + labels[21:], "<i8")}, dict(labels="y.npy"),
         ["y.npy: row 20 (from 0) has the label 3", "subtract 1"]),
        ("a negative label", {"y.npy": npy_bytes([-1] + labels[1:], "<i1")}, dict(labels="y.npy"),
         ["y.npy: row 0", "the label -1"]),
        ("a huge unsigned label", {"y.npy": npy_bytes(labels[:-1] + [2**64 - 1], "<u8")}, dict(labels="y.npy"),
         ["y.npy: row 39"]),
        ("real labels", {"y.npy": npy_bytes([float(y) for y in labels])}, dict(labels="y.npy"), ["y.npy", "astype"]),
        ("one-hot labels", {"y.npy": npy_bytes([[int(y == k) for k in range(K)] for y in labels], "<i8")},
         dict(labels="y.npy"), ["y.npy has the shape (40, 3)", "argmax"]),
        ("labels in a column", {"y.npy": npy_bytes([[y] for y in labels], "<i8")}, dict(labels="y.npy"), ["reshape(-1)"]),
        ("fewer labels than rows", {"y.npy": npy_bytes(labels[:-1], "<i8")}, dict(labels="y.npy"),
         ["probs.npy has 40 rows", "39 labels"]),
        ("fewer rows than labels", {"x.csv": csv[:csv.rindex("\n", 0, -1) + 1]}, dict(test="x.csv"), ["x.csv has 39 rows", "40 labels"]),
        ("percent", {"x.npy": npy_bytes([[100 * p for p in row] for row in rows])}, test, ["divide them by 100"]),
        ("one dimension", {"x.npy": npy_bytes([0.5] * N)}, test, ["x.npy has the shape (40,)", "numpy.stack"]),
        ("one class", {"x.npy": npy_bytes([[1.0]] * N)}, test, ["one class", "numpy.hstack"]),
        ("three dimensions", {"x.npy": npy_bytes([0.5] * 8, header="{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2), }")},
         test, ["shape (2, 2, 2)"]),
        ("integers as outputs", {"x.npy": npy_bytes([[1, 0, 0]] * N, "<i8")}, test, ["holds integers"]),
        ("no rows", {"x.npy": npy_bytes([], header="{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }")}, test, ["is empty"]),
        ("a file cut off", {"x.npy": good[:-5]}, test, ["x.npy", "cut off"]),
        ("bytes too many", {"x.npy": good + b"\0\0\0\0"}, test, ["x.npy", "promises 120 numbers"]),
        ("a header cut off", {"x.npy": good[:30]}, test, ["x.npy: it ends in its header"]),
        ("no npy at all", {"x.npy": b"PK\3\4 nothing of the kind"}, test, ["x.npy: it is no .npy file"]),
        ("a broken header", {"x.npy": npy_bytes(rows, header="{'descr': '<f4', 'shape': (40, 3), }")}, test, ["header is damaged"]),
        ("a shape too large", {"x.npy": npy_bytes(rows, header="{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 1024), }")},
         test, ["no file can hold"]),
        ("pickled objects", {"x.npy": npy_bytes(rows, header="{'descr': '|O', 'fortran_order': False, 'shape': (40, 3), }")}, test, ["pickled"]),
        ("complex numbers", {"x.npy": npy_bytes(rows, header="{'descr': '<c8', 'fortran_order': False, 'shape': (40, 3), }")}, test, ["'<c8'"]),
        ("records with fields", {"x.npy": npy_bytes(rows, header="{'descr': [('p', '<f4')], 'fortran_order': False, 'shape': (40,), }")},
         test, ["structured"]),
        ("a damaged archive", {"x.npz": broken_zip}, dict(test="x.npz:probs"), ["x.npz"]),
        ("an archive cut off", {"x.npz": zipped[:-30]}, dict(test="x.npz:probs"), ["x.npz is no readable .npz"]),
        ("an unknown key", {}, dict(test="some.npz:prob"), ["no array 'prob'", "did you mean 'probs'?"]),
        ("no key", {}, dict(test="some.npz"), ["say which array", "probs, y"]),
        ("no HDF5", {"x.h5": b"x" * 3000}, dict(test="x.h5:/a"), ["x.h5 is no readable HDF5"]),
        ("text in a CSV", {"x.csv": csv + "0.5,oops,0.5\n"}, dict(test="x.csv"),
         ["x.csv: row 40 (from 0; line 41) has \"oops\" in column 1"]),
        ("a short row in a CSV", {"x.csv": csv + "0.5,0.5\n"}, dict(test="x.csv"), ["row 40", "has 2 fields"]),
        ("NaN in a CSV", {"x.csv": head + "\n".join(full[:5] + ["nan,0.5,0.5,0"] + full[6:])}, dict(test="x.csv", labels="x.csv:label"),
         ["row 5 (from 0; line 7) has NaN"]),
        ("a label that is no integer", {"x.csv": head + "\n".join(full[:5] + ["1,0,0,1.5"])}, dict(test="x.csv", labels="x.csv:label"),
         ["row 5", "1.5", "no integer"]),
        ("an unknown column", {"x.csv": head + "\n".join(full)}, dict(test="x.csv", labels="x.csv:lable"), ["did you mean 'label'?"]),
        ("semicolons", {"x.csv": csv.replace(",", ";")}, dict(test="x.csv"), ["not divided by commas"]),
        ("a header of numbers", {"x.csv": "0,1,2\n" + csv}, dict(test="x.csv"), ["header = true"]),
        ("an index of pandas", {"x.csv": ",a,b,c\n" + "".join(f"{i},{line}\n" for i, line in enumerate(csv.split()))}, dict(test="x.csv"),
         ["index=False"]),
        ("an empty CSV", {"x.csv": b""}, dict(test="x.csv"), ["is empty"]),
        ("an unclosed quote", {"x.csv": csv + "\"0.5,0.5,0\n"}, dict(test="x.csv"), ["line 41 has a quote"]),
        ("a missing file", {}, dict(test="nothing.npy"), ["there is no file", "nothing.npy"]),
        ("another number of classes", {"v.npy": npy_bytes(wide), "vy.npy": npy_bytes([0] * N, "<i8")},
         dict(more='[record.validation]\noutputs = "v.npy"\nlabels = "vy.npy"'), ["3 classes", "4"]),
        ("an array twice in an archive", {}, dict(test="twice.npz:probs"), ["holds 2 arrays called 'probs'"]),
        ("an archive compressed otherwise", {}, dict(test="lzma.npz:probs"), ["savez_compressed"]),
        ("a key twice in a header", {"x.npy": npy_bytes(rows, header="{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (40, 3), }")},
         test, ["header is damaged"]),
        ("2^31 rows declared", {"x.npy": npy_bytes(rows, header="{'descr': '<f4', 'fortran_order': False, 'shape': (2147483648, 3), }")},
         test, ["promises 6442450944 numbers"]),
        ("extended precision", {"x.npy": npy_bytes(rows, header="{'descr': '<f16', 'fortran_order': False, 'shape': (40, 3), }")},
         test, ["'<f16'"]),
        ("true/false as labels", {"y.npy": npy_bytes(labels, "|i1").replace(b"|i1", b"|b1")}, dict(labels="y.npy"), ["'|b1'"]),
        ("a label beyond 32 bits", {"y.npy": npy_bytes([2**32] + labels[1:], "<i8")}, dict(labels="y.npy"),
         ["y.npy: row 0 (from 0) has the label 4294967296"]),
        ("just above one", {"x.npy": npy_bytes([[1 + 2**-40, 0.0, 0.0]] + rows[1:], "<f8")}, test,
         ["x.npy: row 0 (from 0) has the probability 1.0000000000009095"]),
        ("UTF-16", {"x.csv": csv.encode("utf-16")}, dict(test="x.csv"), ["x.csv: line 1 holds the byte 0x00", "UTF-16"]),
        ("a compressed CSV", {"x.csv": gzip.compress(csv.encode())}, dict(test="x.csv"), ["x.csv: line 1 holds the byte", "compressed"]),
        ("lines that end with CR", {"x.csv": csv.replace("\n", "\r")}, dict(test="x.csv"), ["line 1 holds a carriage return"]),
        ("an empty first line", {"x.csv": "\n" + csv}, dict(test="x.csv"), ["its first line is empty"]),
        ("empty lines between rows", {"x.csv": csv.replace("\n", "\n\n")}, dict(test="x.csv"), ["line 2 is empty, but rows follow"]),
        ("decimal commas", {"x.csv": "a,b,c\n" + "\n".join(",".join('"' + repr(p).replace(".", ",") + '"' for p in r) for r in rows)},
         dict(test="x.csv"), ["row 0 (from 0; line 2)", "decimal comma"]),
        ("decimal commas between commas", {"x.csv": "0,25,0,0625,0,6875\n" * N}, dict(test="x.csv", outputs="logits"),
         ["header = true"]),
        ("decimal commas between commas, below names", {"x.csv": "a,b,c,d,e,f\n" + "0,25,0,0625,0,6875\n" * N},
         dict(test="x.csv", outputs="logits"), ['row 0 (from 0; line 2) has "0625"', "decimal comma"]),
        ("a column chosen twice", {"x.csv": "a,b,c\n" + csv}, dict(test="x.csv:a,a,b", outputs="logits"), ["'a' is chosen twice"]),
        ("columns of one name", {"x.csv": "a,a,c\n" + csv}, dict(test="x.csv"), ["2 of its columns are called 'a'"]),
        ("a first row of missing values", {"x.csv": "NA,NA,NA\n" + csv}, dict(test="x.csv"), ["3 of its columns are called 'NA'"]),
        ("labels with a point", {"x.csv": head + "\n".join(",".join(map(repr, r)) + f",{y}.0" for r, y in zip(rows, labels))},
         dict(test="x.csv", labels="x.csv:label"), ["row 0", "no integer"]),
        ("one-hot labels in a CSV", {"x.csv": "a,b,c,y0,y1,y2\n" + "\n".join(
            ",".join(map(repr, r)) + "," + ",".join(str(int(y == k)) for k in range(K)) for r, y in zip(rows, labels))},
         dict(test="x.csv:a,b,c", labels="x.csv:y*"), ["argmax"]),
        ("HDF5 records with fields", {}, dict(test="odd.h5:/compound"), ["odd.h5:/compound: it holds neither"]),
        ("HDF5 words", {}, dict(labels="odd.h5:/words"), ["odd.h5:/words: it holds neither"]),
        ("HDF5 true/false", {}, dict(labels="odd.h5:/flags"), ["odd.h5:/flags: it holds neither"]),
        ("HDF5 complex", {}, dict(test="odd.h5:/complex"), ["odd.h5:/complex: it holds neither"]),
        ("HDF5 rows of any length", {}, dict(test="odd.h5:/ragged"), ["odd.h5:/ragged: it holds neither"]),
        ("an HDF5 scalar", {}, dict(test="odd.h5:/scalar"), ["odd.h5:/scalar has the shape ()"]),
        ("an HDF5 dataset of nothing", {}, dict(test="odd.h5:/nothing"), ["odd.h5:/nothing has the shape ()"]),
        ("HDF5 labels never written", {}, dict(labels="odd.h5:/unwritten"), ["odd.h5:/unwritten: the dataset was made but never written"]),
        ("HDF5 labels partly written", {}, dict(labels="odd.h5:/partly"), ["odd.h5:/partly: parts of the dataset were never written"]),
        ("an HDF5 filter that is not there", {}, dict(test="odd.h5:/lzf"), ["odd.h5:/lzf: it is compressed with 'lzf'", "gzip"]),
        ("a virtual HDF5 dataset", {}, dict(test="odd.h5:/virtual"), ["odd.h5:/virtual: it is a virtual dataset"]),
        ("an HDF5 link to itself", {}, dict(test="odd.h5:/loop"), ["odd.h5:/loop: it cannot be opened", "link"]),
        ("an HDF5 group", {}, dict(test="odd.h5:/group"), ["there is no such dataset", "/group/ holds: inside"]),
        ("a link to itself", {}, dict(test="loop.npy"), ["loop.npy cannot be read", "symbolic links"]),
        ("a directory", {}, dict(test="folder.npy"), ["folder.npy is no file, but a directory"]),
        ("too many classes", {"x.npy": npy_bytes([[0.0] * 1_000_001])}, test, ["1000001 classes"]),
    ]


# Mistakes in the manifest itself: (name, text, texts in the message).
GOOD_TEST = 'test = { outputs = "probs.npy", labels = "labels.npy" }'
MISTAKES = [
    ("no outputs said", f'name = "x"\n[[record]]\nmethod = "a"\n{GOOD_TEST}', ["manifest.toml:2:", "never guesses"]),
    ("unknown outputs", f'name = "x"\n[[record]]\nmethod = "a"\noutputs = "logit"\n{GOOD_TEST}', [":4:", 'did you mean "logits"?']),
    ("no method", f'name = "x"\noutputs = "logits"\n[[record]]\n{GOOD_TEST}', ["lacks 'method'"]),
    ("no test", 'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"', ["no test split"]),
    ("no labels", 'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\ntest = { outputs = "a.npy" }', ["lacks 'labels'"]),
    ("labels for OOD", f'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\n{GOOD_TEST}\n'
     'ood.svhn = { outputs = "a.npy", labels = "b.npy" }', ["takes no labels"]),
    ("a misspelt key", f'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\nsed = 1\n{GOOD_TEST}', [":5:", "did you mean 'seed'?"]),
    ("an unknown kind of file", 'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\ntest = { outputs = "a.pt", labels = "b.npy" }',
     ["of no known kind", "numpy.save"]),
    ("what in the place of where", 'name = "x"\n[[record]]\nmethod = "a"\noutputs = "logits"\ntest = { outputs = "logits", labels = "b.npy" }',
     ["above it, in the record"]),
    ("the same record twice", 'name = "x"\noutputs = "logits"\n' + f'[[record]]\nmethod = "a"\n{GOOD_TEST}\n' * 2, ["the same method, cell and seed"]),
    ("seeds that share a file", f'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\nseeds = 2\n{GOOD_TEST}', ["{seed}"]),
    ("an unknown placeholder", 'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\ntest = { outputs = "{depht}.npy", labels = "b.npy" }',
     ["stands for nothing"]),
    ("other axes", 'name = "x"\noutputs = "logits"\n' + "".join(f'[[record]]\nmethod = "{m}"\ncell = {{ {m} = 1 }}\n{GOOD_TEST}\n' for m in "ab"),
     ["lacks 'a'", "'b' is not one of the first record"]),
    ("a reserved axis", f'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\ncell = {{ Seed = 1 }}\n{GOOD_TEST}', ["cannot be an axis"]),
    ("mixed types on an axis", 'name = "x"\noutputs = "logits"\n' + "".join(
        f'[[record]]\nmethod = "a"\ncell = {{ size = {v} }}\n{GOOD_TEST}\n' for v in ("1", '"one"')), ["of texts here and of integers"]),
    ("an ensemble too large", f'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "a"\n{GOOD_TEST}\n[[ensemble]]\nname = "e"\nof = "a"\nsize = 2',
     ["takes 2 networks of 'a'", "only 1"]),
    ("an ensemble of nothing", f'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "aa"\n{GOOD_TEST}\n[[ensemble]]\nname = "e"\nof = "ab"\nsize = 2',
     ['did you mean "aa"?']),
    ("an unknown reference", f'name = "x"\noutputs = "logits"\n[[record]]\nmethod = "aa"\n{GOOD_TEST}\n[analysis]\nreference = "ab"',
     ["analysis.reference"]),
    ("no records", 'name = "x"', ["no [[record]]"]),
    ("no TOML", 'name = ', ["this is not TOML"]),
]


class Warnings(ImportTest):
    def warned(self, *texts, **values):
        done = self.calsweep("import", self.manifest(**values), "--dir", "run")
        self.assert_succeeded(done)
        for text in texts:
            self.assertIn(text, done.stderr)
        return done.stderr

    def test_logits_that_look_like_outputs_of_a_sigmoid(self):
        sigmoid = [[float32(1 / (1 + math.exp(-3 * p))) for p in row] for row in self.rows]
        self.write("x.npy", npy_bytes(sigmoid))
        self.warned("x.npy (record of line 3): all its logits lie in [0, 1]", 'outputs = "probabilities"',
                    test="x.npy", outputs="logits")
        self.write("x.npy", npy_bytes(changed(sigmoid, 7, 1, 1.5)))
        shutil.rmtree(self.folder / "run")
        self.assertNotIn("warning", self.warned(test="x.npy", outputs="logits"))

    def test_validation_that_is_the_test_set(self):
        more = '[record.validation]\noutputs = "probs.npy"\nlabels = "labels.npy"'
        self.warned("the record of line 3 has the same outputs for validation and test", more=more)

    def test_an_ensemble_of_one_network(self):
        records = "".join(f"""
            [[record]]
            method = "first"
            seed = {seed}
            outputs = "probabilities"
            test = {{ outputs = "{name}.npy", labels = "labels.npy" }}
            """ for seed, name in enumerate(("probs", "probs", "other", "third")))
        self.write("other.npy", npy_bytes(softmax_rows(5)))
        self.write("third.npy", npy_bytes(softmax_rows(6)))
        ensemble = '[[ensemble]]\nname = "pairs"\nof = "first"\nsize = 2\n'
        run = self.import_into("pairs", 'name = "pairs"\n' + records + ensemble)
        done = self.calsweep("analyze", "pairs")
        self.assert_succeeded(done)
        self.assertIn("1 of the ensembles 'pairs' have members with the same outputs", done.stderr)
        marked = program.rows(run / "results.db", "SELECT seed, value FROM replicate_metric WHERE method = 'pairs' AND "
                              "set_name = 'test' AND metric = 'distinct_members' ORDER BY seed")
        self.assertEqual(marked, [(0, 1.0), (1, 2.0)])
        self.assertIn("'pairs' have members", self.calsweep("analyze", "pairs").stderr)  # up to date


class Memory(ImportTest):
    def test_what_does_not_fit_is_refused_before_the_work(self):
        rows = 4_000_000
        header = f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({rows}, 2), }}"
        self.write("x.npy", npy_bytes([], "<f2", header=header) + struct.pack("<2e", -1.5, 2.0) * rows)
        header = f"{{'descr': '|i1', 'fortran_order': False, 'shape': ({rows},), }}"
        self.write("y.npy", npy_bytes([], "|i1", header=header) + bytes(rows))
        run = self.import_into("large", test="x.npy", labels="y.npy", outputs="logits")
        limit = 900 << 20

        def with_limit(*arguments):
            return self.calsweep(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        if with_limit("--version").returncode != 0:
            self.skipTest("this build does not run in 900 MiB of address space")
        self.assert_refused(with_limit("analyze", "large"), 1, "its analysis needs about 1.2 GiB of memory, but 0.", "GiB are free")
        self.assertEqual(program.rows(run / "results.db", "SELECT count(*) FROM metric"), [(0,)])


class Odin(ImportTest):
    """Logits of perturbed inputs, from the outside; expected values are counted here."""

    SETTING = """
        [[record.odin]]
        temperature = {t}
        epsilon = 0.0014
        test = "odin.npy"
        ood.noise = "odin-noise.npy"
        """

    def setUp(self):
        super().setUp()
        rng = random.Random(11)
        self.sets = {name: [[float32(rng.gauss(0, scale)) for _ in range(K)] for _ in range(n)]
                     for name, n, scale in (("z", N, 2), ("noise", 25, 1), ("odin", N, 3), ("odin-noise", 25, 1))}
        for name, rows in self.sets.items():
            self.write(f"{name}.npy", npy_bytes(rows))

    def odin(self, t="1000", noise="noise", setting=None, **values):
        more = f'ood.noise = "{noise}.npy"\n' + (setting or self.SETTING.format(t=t))
        text = """
            name = "small"
            [[record]]
            method = "first"
            outputs = "logits"
            test = {{ outputs = "z.npy", labels = "labels.npy" }}
            {more}
            """.format(more=more)
        for old, new in values.items():
            text = text.replace(old, new)
        return text

    def test_scores_land_in_the_database(self):
        run = self.import_into("run", self.odin())
        self.assert_succeeded(self.calsweep("analyze", "run"))
        found = dict(program.rows(run / "results.db", "SELECT convention, value FROM metric WHERE set_name = 'ood/noise' "
                                                      "AND metric = 'auroc'"))

        def score(row, t):
            top = max(row)
            return 1 / sum(math.exp((z - top) / t) for z in row)
        for convention, t, inside, outside in (("odin, T=1000, eps=0.0014", 1000, "odin", "odin-noise"),
                                               ("max_softmax", 1, "z", "noise")):
            pairs = [(score(a, t), score(b, t)) for a in self.sets[inside] for b in self.sets[outside]]
            expected = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
            self.assertAlmostEqual(found[convention], expected, 12)
        self.assertIn("odin energy, T=1000, eps=0.0014", found)
        sets = program.rows(run / "results.db", "SELECT DISTINCT set_name FROM prediction_set ORDER BY 1")
        self.assertEqual(sets, [("ood/noise",), ("test",)])

    def test_two_settings_and_one_without_test(self):
        text = self.odin(setting=self.SETTING.format(t=1000) + self.SETTING.format(t="2.5").replace('test = "odin.npy"', ""))
        run = self.import_into("run", text)
        self.assert_succeeded(self.calsweep("analyze", "run"))
        found = program.rows(run / "results.db", "SELECT value IS NULL, null_reason FROM metric WHERE metric = 'auroc' AND "
                             "convention LIKE 'odin, %' ORDER BY convention")
        self.assertEqual(found, [(0, None), (1, "no ODIN logits of the test set at this setting")])

    def test_what_is_refused(self):
        self.write("short.npy", npy_bytes(self.sets["odin"][:-1]))
        cases = [
            (self.odin(**{'outputs = "logits"': 'outputs = "probabilities"'}), ['needs outputs = "logits"']),
            (self.odin(**{"temperature = 1000": ""}), ["lacks 'temperature'"]),
            (self.odin(t="0"), ["record.odin.temperature", "out of range"]),
            (self.odin(setting=self.SETTING.format(t=1).replace("ood.noise", "ood.other")), ["ODIN logits of 'ood/other'", "no such set"]),
            (self.odin(setting=self.SETTING.format(t=1) * 2), ["is given twice"]),
            (self.odin(setting="[[record.odin]]\ntemperature = 1\nepsilon = 0.1"), ["names no set"]),
            (self.odin(setting=self.SETTING.format(t=1) + "labels = 'labels.npy'"), ["unknown", "labels"]),
            (self.odin(**{'"odin.npy"': '"short.npy"'}), ["the ODIN logits of 'test' (short.npy) have 39 rows, the set itself has 40"]),
        ]
        for text, texts in cases:
            with self.subTest(texts=texts):
                self.assert_refused(self.calsweep("import", self.manifest(text), "--dir", "run"), 2, *texts)
                self.assertFalse((self.folder / "run").exists())


class Words(ImportTest):
    def test_an_unknown_command_is_named(self):
        self.assert_refused(self.calsweep("frobnicate"), 2, "there is no command 'frobnicate'", "analyze")
        self.assert_refused(self.calsweep("-q", "analyse", "x"), 2, "did you mean 'analyze'?")

    def test_what_is_named_and_not_there_is_a_wrong_argument(self):
        for command in ("plan", "run", "slurm", "import", "power"):
            with self.subTest(command=command):
                self.assert_refused(self.calsweep(command, "none.toml"), 2, "none.toml", "No such file")
                self.assert_refused(self.calsweep(command, "."), 2, "directory")
        for command in ("analyze", "status", "query", "export", "explain-ece", "show"):
            with self.subTest(command=command):
                self.assert_refused(self.calsweep(command, "none"), 2, "none is not a run directory")

    def test_show_with_a_single_seed(self):
        self.write("second.npy", npy_bytes(softmax_rows(9)))
        self.import_into("run", self.manifest().read_text() + """
            [[record]]
            method = "second"
            outputs = "probabilities"
            test = { outputs = "second.npy", labels = "labels.npy" }
            """)
        self.assert_succeeded(self.calsweep("analyze", "run"))
        shown = self.calsweep("show", "run").stdout
        self.assertIn("second: one pair cannot be tested", shown)
        self.assertIn("One seed: no standard deviation and no test.", shown)

    def test_a_folder_whose_name_is_not_utf_8(self):
        folder = os.fsencode(self.folder) + b"/d\xff"
        os.mkdir(folder)
        for name in ("probs.npy", "labels.npy"):
            shutil.copy(self.folder / name, os.fsdecode(folder))
        self.manifest()
        done = subprocess.run([program.CALSWEEP, "import", "manifest.toml", "--data", folder], cwd=self.folder,
                              env=self.environment, capture_output=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(b"is not UTF-8", done.stderr)


class Refusals(ImportTest):
    def refused(self, texts):
        shutil.rmtree(self.folder / "run", ignore_errors=True)  # of a case that failed
        done = self.calsweep("import", "manifest.toml", "--dir", "run")
        self.assert_refused(done, 2, *texts)
        self.assertFalse((self.folder / "run").exists())
        self.assertFalse((self.folder / "runs").exists())

    def test_malformed_data(self):
        shutil.copy(program.SOURCE / "tests/integration/data/odd.h5", self.folder)
        (self.folder / "loop.npy").symlink_to("loop.npy")
        (self.folder / "folder.npy").mkdir()
        cases = malformed(self)
        self.assertGreaterEqual(len(cases), 70)
        for name, files, values, texts in cases:
            with self.subTest(case=name):
                for file, content in files.items():
                    self.write(file, content)
                self.manifest(**values)
                self.refused(texts + ["record of line"])

    def test_mistakes_in_the_manifest(self):
        for name, text, texts in MISTAKES:
            with self.subTest(case=name):
                self.manifest(text)
                self.refused(texts + ["manifest.toml"])

    def test_all_bad_records_are_named_and_an_existing_import_stays(self):
        run = self.import_into("kept")
        before = {p.name: p.read_bytes() for p in run.rglob("*") if p.is_file()}
        self.write("bad.npy", npy_bytes(changed(self.rows, 1, 1, 7.0)))
        self.manifest(more="""
            [[record]]
            method = "second"
            outputs = "probabilities"
            test = { outputs = "bad.npy", labels = "labels.npy" }
            [[record]]
            method = "third"
            outputs = "probabilities"
            test = { outputs = "bad.npy", labels = "nothing.npy" }
            """)
        self.assert_refused(self.calsweep("import", "manifest.toml", "--dir", "kept"), 2,
                            "method=second", "method=third", "2 of 3 records")
        self.assertEqual({p.name: p.read_bytes() for p in run.rglob("*") if p.is_file()}, before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
