"""What must hold after each leg and at the end of a round. Every function returns a list of problems."""
import json
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path

import small_sweep
from small_sweep import program

CRASH_WORDS = re.compile(r"terminate called|Segmentation|HDF5-DIAG|internal error|what\(\):|Assertion|CHECK failed|"
                         r"Traceback")


def ask(run, sql):
    """Asks a copy of the ledger, so that the journal of a killed run is played back there and not in the original."""
    with tempfile.TemporaryDirectory(dir=run.parent.parent) as scratch:
        for name in ("ledger.db", "ledger.db-journal"):
            if (run / name).exists():
                shutil.copy(run / name, scratch)
        connection = sqlite3.connect(Path(scratch) / "ledger.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


def header_checksum(file):
    """The checksum a unit file states of itself: a file that was written anew states another one."""
    return file.read_bytes()[:512].split(b"\n")[2].decode(errors="replace")


def acknowledged(run):
    """{unit: checksum} of what the ledger says is sealed."""
    if not (run / "ledger.db").exists():
        return {}
    try:
        return dict(ask(run, "SELECT unit, checksum FROM units WHERE state = 'sealed' AND kind = 'trials'"))
    except sqlite3.Error:  # killed before it made its tables
        return {}


def sealed_files(run):
    return {f.stem: header_checksum(f) for f in sorted((run / "units").glob("*.h5"))}


def still_there(run, known, damaged):
    """What was sealed is neither lost nor made again."""
    present = sealed_files(run)
    problems = []
    for unit, checksum in known.items():
        if unit in damaged:
            continue
        if unit not in present:
            problems.append(f"sealed unit {unit} was lost")
        elif present[unit] != checksum:
            problems.append(f"sealed unit {unit} was trained again")
    return problems


def output_is_clean(files):
    problems = []
    for file in files:
        text = file.read_text(errors="replace")
        # Open MPI's mpirun itself crashes now and then when it is interrupted while it aborts a job.
        text = re.sub(r"\[\S+:(\d+)\] \*\*\* Process received signal \*\*\*\n(?:\[\S+:\1\].*\n)*?.* mpirun\(\+0x.*\n", "", text)
        found = CRASH_WORDS.search(text)
        if found:
            problems.append(f"{file.name} says '{found.group()}'")
    return problems


def is_complete(run):
    try:
        return json.loads((run / "status.json").read_text())["state"] == "complete"
    except (OSError, ValueError, KeyError):
        return False


def all_are_sealed(run):
    try:
        return ask(run, "SELECT count(DISTINCT trial) FROM unit_members JOIN units USING (unit) "
                        "WHERE state = 'sealed'") == [(small_sweep.N_TRIALS,)]
    except sqlite3.Error:
        return False


def zero_means_complete(leg):
    if leg.code != 0 or leg.may_lie():
        return []
    problems = []
    if not all_are_sealed(leg.run):
        problems.append(f"leg {leg.number} ({leg}) ended with 0, but not all trials are sealed")
    if not leg.second and not is_complete(leg.run):  # a second run says its own
        problems.append(f"leg {leg.number} ({leg}) ended with 0, but its status is not complete")
    return problems


LEDGER_CHECKS = {
    "a sealed unit was handed out again":
        "SELECT a.unit FROM attempts a JOIN units u USING (unit) "
        "WHERE u.state = 'sealed' AND a.attempt > u.attempt",
    "a trial was sealed twice":
        "SELECT trial FROM unit_members JOIN units USING (unit) WHERE state = 'sealed' "
        "GROUP BY trial HAVING count(*) > 1",
    "an attempt is still open": "SELECT attempt FROM attempts WHERE outcome IS NULL OR ended_at IS NULL",
    "a run is still open": "SELECT run FROM runs WHERE outcome IS NULL OR ended_at IS NULL",
    "a trial is still set aside": "SELECT trial FROM set_aside",
}


def ledger_is_consistent(run, harm):
    # A stage that was damaged is made again, by the same unit if nothing else was left to make.
    makers = {unit for stage, unit in ask(run, "SELECT stage, unit FROM stages") if stage in harm.stages}
    damaged = harm.units | makers
    problems = []
    for what, sql in LEDGER_CHECKS.items():
        found = [str(x) for (x,) in ask(run, sql)]
        if found:
            problems.append(f"{what}: {', '.join(found[:3])}")
    twice = ask(run, "SELECT unit, count(*) FROM attempts WHERE outcome = 'done' GROUP BY unit HAVING count(*) > 1")
    problems += [f"unit {unit} was done {n} times" for unit, n in twice if unit not in damaged]
    if acknowledged(run) != sealed_files(run):
        problems.append("the ledger and the unit files do not agree")
    return problems


def every_trial_is_in_one_file(run):
    trials = [t.encode() for (t,) in ask(run, "SELECT DISTINCT trial FROM unit_members JOIN units USING (unit) "
                                              "WHERE state = 'sealed'")]
    problems = []
    if len(trials) != small_sweep.N_TRIALS:
        problems.append(f"{len(trials)} trials are sealed, {small_sweep.N_TRIALS} there are")
    contents = [f.read_bytes() for f in (run / "units").glob("*.h5")]
    for trial in trials:
        n = sum(trial in content for content in contents)
        if n != 1:
            problems.append(f"trial {trial.decode()} is in {n} unit files")
    return problems


def nothing_is_left_over(run):
    found = [str(f.relative_to(run)) for pattern in ("*.partial", "*/*.partial", "checkpoints/*.pt")
             for f in run.glob(pattern)]
    return [f"left behind: {', '.join(found[:3])}"] if found else []


def results_differ(run, expected):
    got = program.results_dump(run / "results.db")
    tables = sorted(t for t in set(got) | set(expected) if got.get(t) != expected.get(t))
    if not tables:
        return []
    text = f"results.db differs in {', '.join(tables)}"
    for table in tables:
        ours, theirs = set(got.get(table, ())), set(expected.get(table, ()))
        text += f"; {table}: only here {sorted(map(str, ours - theirs))[:1]}, " \
                f"only undisturbed {sorted(map(str, theirs - ours))[:1]}"
    return [text[:1500]]
