"""The parts of tests/gpu/run that measure; docs/benchmarks.md quotes them."""
import os
import sys

from gpu_checks import ledger


def steps(place):
    """Network steps per second by stack width, against plain PyTorch on the same card."""
    device = "cuda:0" if place.device == "cuda" else "cpu"
    command = [sys.executable, place.source / "tests/bench/steps_vs_pytorch.py", place.build / "tests/bench-steps",
               "--device", device, "--rounds", os.environ.get("CALSWEEP_GPU_ROUNDS", "2"), "--seconds", "1",
               "--widths", "1,8,32,128,512"]
    log = place.scratch / "steps.log"
    place.say(place.wait(place.start(command, log), log).strip())


def study(place, fuse, slots):
    """Wall seconds of the noise warm-up paper's Fig. 2d,e, 60 networks of depth 6; says what each unit took."""
    text = (place.source / "sweeps/warmup-calibration.toml").read_text()
    execution = f"[execution]\nfuse = {fuse}\nunit_seconds = 5\n\n"
    spec = place.write_spec(text.replace("[methods.baseline]", execution + "[methods.baseline]"), "study")
    folder, seconds, _ = place.run(spec, f"study-{fuse}-{slots}", "--slots-per-gpu", slots)
    place.say(f"fuse {fuse}, {slots} slots: 60 networks (30 of them warmed up) in {seconds:.1f} s, start included")
    for kind, unit_seconds, n in ledger(folder, "SELECT kind, seconds, (SELECT COUNT(*) FROM unit_members m WHERE "
                                                "m.unit = u.unit) FROM attempts a JOIN units u USING (unit) "
                                                "WHERE outcome = 'done' ORDER BY a.attempt"):
        place.say(f"  unit of kind {kind}: {unit_seconds:.1f} s" + (f", {n} networks" if n else ""))
    return seconds


def study_units(place):
    """A unit of the study, and whether several trainers on one GPU shorten it."""
    place.make_cifar()
    return {f"fuse {fuse}, {slots} slots": study(place, fuse, slots) for fuse, slots in ((30, 1), (30, 2), (10, 3))}
