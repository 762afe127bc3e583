"""The parts of tests/gpu/run that hold or do not: every answer is compared with a run that nothing disturbed."""
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from gpu_place import differences, program

# Every ingredient, shared warm-ups, an ensemble, OOD and held-out images; stacks of up to four networks.
SPEC = """
name = "gpu"
seeds = {seeds}
[data]
dataset = "fashion-mnist"
ood = ["mnist"]
validation_size = 100
size = {size}
[model]
width = 128
[training]
learning_rate = 1e-3
epochs = {epochs}
batch_size = 64
[logging]
epoch_every = 1
[execution]
fuse = 4
unit_seconds = {unit_seconds}
checkpoint_seconds = {checkpoint_seconds}
max_attempts = 10
[grid]
model.depth = {depths}
[methods.baseline]
[methods.warm-up]
noise_warmup = {{ samples = {samples}, batch_size = 64 }}
[methods.mixup]
mixup = {{ alpha = 0.3 }}
[methods.both]
noise_warmup = {{ samples = {samples}, batch_size = 64 }}
mixup = {{ alpha = 0.3 }}
{ensemble}
"""
ENSEMBLE = '[methods.ensemble]\nensemble = { of = "baseline", size = 3 }'


def spec(seeds=8, size=200, epochs=5, depths="[2, 4]", samples=6400, checkpoint_seconds=60, unit_seconds=2,
         ensemble=ENSEMBLE):
    return SPEC.format(seeds=seeds, unit_seconds=unit_seconds, size=size, epochs=epochs, depths=depths, samples=samples,
                       checkpoint_seconds=checkpoint_seconds, ensemble=ensemble)


def ledger(folder, sql):
    return program.rows(folder / "ledger.db", sql)


def describe_device(place):
    import torch

    place.say(f"torch {torch.__version__}, Python {sys.version.split()[0]}, {os.cpu_count()} CPUs")
    if torch.cuda.is_available():
        place.say(f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}")
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.used", "--format=csv,noheader"]
        place.say(subprocess.run(query, capture_output=True, text=True).stdout.strip())
    place.say(place.calsweep("--version").strip())


def doctor(place):
    place.say(place.calsweep("doctor", place.scratch).strip())


def small_sweep(place):
    """A small sweep of every ingredient is trained and analysed."""
    sweep = place.write_spec(spec(), "small")
    folder, seconds, said = place.run(sweep, "small-1")
    place.calsweep("analyze", folder)
    (done,), = program.rows(folder / "results.db", "SELECT COUNT(*) FROM trial WHERE outcome = 'completed'")
    device, = program.rows(folder / "results.db", "SELECT DISTINCT device FROM provenance")
    place.say(f"{done} networks on {device[0]} in {seconds:.1f} s, analysed")
    place.say(place.calsweep("show", folder, "--color", "never", "--ascii").split("\n\nv better")[0])
    assert place.device in device[0], f"trained on {device[0]}"
    return {"networks": done, "seconds": seconds}


def same_sweep_twice(place):
    """The same sweep again gives the same bits."""
    folder, _, _ = place.run(place.scratch / "small.toml", "small-2")
    found = differences(place.scratch / "small-1", folder)
    place.say(f"the same sweep twice: {json.dumps(found)}")
    assert found["equal"] == found["sets"], "the same sweep twice gives different logits"
    return found


def per_method(folder):
    """{(depth, method, metric): {seed: value on the test images}}."""
    found = {}
    for depth, method, seed, metric, value in program.rows(
            folder / "results.db", "SELECT depth, method, seed, metric, value FROM replicate_metric "
                                   "WHERE set_name = 'test' AND metric IN ('accuracy', 'nll')"):
        found.setdefault((depth, method, metric), {})[seed] = value
    return found


def compare_means(place, ours, theirs):
    """Paired by seed; returns those that differ by more than chance and rounding explain."""
    far = []
    for key in sorted(ours):
        gaps = [ours[key][seed] - theirs[key][seed] for seed in ours[key]]
        mean, level = statistics.mean(gaps), statistics.mean(theirs[key].values())
        error = statistics.stdev(gaps) / len(gaps) ** 0.5
        # Some 20 comparisons of 8 pairs each: t = 5.4 has p = 0.001. Rounding alone has a direction, too.
        if abs(mean) > max(5.4 * error, 1e-4 * abs(level)):
            far.append(key)
        place.say(f"  depth {key[0]} {key[1]:9} {key[2]:8} GPU {statistics.mean(ours[key].values()):.4f} "
                  f"CPU {level:.4f}, mean difference {mean:+.2e}, standard error {error:.1e}")
    return far


def against_cpu(place):
    """A GPU's networks are a CPU's: the same start, the same first steps, the same statistics at the end."""
    short = place.write_spec(spec(seeds=4, size=128, epochs=1, samples=64, ensemble=""), "short")
    for device in {place.device, "cpu"}:
        place.run(short, f"short-{device}", device=device)
    found = differences(place.scratch / f"short-{place.device}", place.scratch / "short-cpu", methods=("plain",))
    place.say(f"two steps, without noise: {json.dumps(found)}")
    folder, seconds, _ = place.run(place.scratch / "small.toml", "small-cpu", device="cpu")
    place.calsweep("analyze", folder)
    place.say(f"the small sweep on CPUs: {seconds:.1f} s")
    whole = differences(place.scratch / "small-1", folder, methods=("plain",))
    place.say(f"whole training, without noise: {json.dumps(whole)}")
    ours, theirs = per_method(place.scratch / "small-1"), per_method(folder)
    assert ours.keys() == theirs.keys() and ours
    far = compare_means(place, ours, theirs)
    assert found["largest"] < 1e-3 * max(found["logit_sd"], 1.0), "the first steps differ"
    assert not far, f"means differ: {far}"
    return {"two_steps": found, "whole": whole}


def trainers_of(process):
    def parent(pid):
        try:
            return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return 0
    return [pid for pid in program.processes_named("calsweep-trainer") if parent(pid) == process.pid]


def checkpoint_comes(place, process, folder, sealed):
    """Waits for a new checkpoint while `sealed` units or more are sealed; False if the run ended first."""
    since = time.time()
    while process.poll() is None:
        assert place.left() > 1.0, "no checkpoint came"
        units = len(list(folder.glob("units/*.h5")))
        if units < sealed:
            since = time.time()
        elif trainers_of(process) and any(stat_time(c) > since for c in folder.glob("checkpoints/*.pt")):
            return True
        time.sleep(0.01)
    return False


def stat_time(path):
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def strike(place, process, folder):
    """kill -9 to a trainer in a warm-up and in a trial, SIGTERM to the run in a later trial; how many it came to."""
    for n, sealed in enumerate((0, 1)):
        if not checkpoint_comes(place, process, folder, sealed):
            return n
        os.kill(trainers_of(process)[0], signal.SIGKILL)
    if not checkpoint_comes(place, process, folder, 2):
        return 2
    process.send_signal(signal.SIGTERM)
    return 3


def kill_and_resume(place):
    """Killed twice and stopped once in the middle, a sweep ends with the bits of one left alone."""
    text = spec(seeds=4, size=1900, epochs=80, depths="[4]", samples=96000, checkpoint_seconds=0.3,
                unit_seconds=0.1, ensemble="")
    sweep = place.write_spec(text, "long")
    peace, seconds, _ = place.run(sweep, "long-peace")
    place.say(f"undisturbed: {seconds:.1f} s")
    folder, log = place.scratch / "long-struck", place.scratch / "long-struck.log"
    process = place.start(place.run_command(sweep, folder), log)
    strikes = strike(place, process, folder)
    place.wait(process, log, expected=75 if strikes == 3 else 0)
    place.run(sweep, "long-struck")
    resumed = ledger(folder, "SELECT kind, round(resumed_at, 2) FROM attempts a JOIN units u USING (unit) "
                             "WHERE outcome = 'done' AND resumed_at > 0")
    found = differences(peace, folder)
    place.say(f"{strikes} strikes; continued from a checkpoint (share of the unit done): {resumed}")
    place.say(f"struck against undisturbed: {json.dumps(found)}")
    assert strikes == 3 and len(resumed) == 3, "it was over before it could be struck"
    assert found["equal"] == found["sets"], "a resumed sweep has other logits"
    return {"resumed": resumed, **found}


# About 57 MB a network while it trains (784, 1536, 1536, 10).
WIDE_SPEC = """
name = "wide"
seeds = {seeds}
[data]
dataset = "fashion-mnist"
size = 64
[model]
width = 1536
depth = 3
[training]
epochs = 1
batch_size = 64
learning_rate = 1e-3
[logging]
epoch_every = 0
[execution]
fuse = 64
unit_seconds = 100
[methods.baseline]
"""

# Takes all memory of the GPU but so many GiB, says so, and keeps it until it is killed.
HOLDER = """
import sys, time, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(free - int(float(sys.argv[1]) * 2**30), dtype=torch.uint8, device="cuda")
print("holds", held.numel() >> 20, "MiB", flush=True)
time.sleep(300)
"""


def out_of_memory(place):
    """Too many networks for the GPU's memory: half as many are stacked, and that is remembered."""
    if place.device == "cpu":
        place.say("only on a GPU: skipped")
        return None
    log = place.scratch / "holder.log"
    holder = place.start([sys.executable, "-c", HOLDER, "3.0"], log)
    try:
        while not log.read_text().startswith("holds"):
            assert holder.poll() is None and place.left() > 1.0, "no memory was taken: " + log.read_text()[-500:]
            time.sleep(0.1)
        place.say("another process " + log.read_text().strip() + ", 3 GiB are left")
        folder, seconds, said = place.run(place.write_spec(WIDE_SPEC.format(seeds=64), "wide"), "wide")
        place.say("\n".join(line for line in said.splitlines() if "out of memory" in line))
        limits = ledger(folder, "SELECT shape, device, width FROM fusion_limits")
        failed, = ledger(folder, "SELECT COUNT(*) FROM attempts WHERE outcome = 'failed'")[0]
        place.say(f"64 networks in {seconds:.1f} s, {failed} attempts without enough memory, limits {limits}")
        assert limits and failed, "there was enough memory"
        place.run(place.write_spec(WIDE_SPEC.format(seeds=96), "wider"), "wide")
        again, = ledger(folder, "SELECT COUNT(*) FROM attempts WHERE outcome = 'failed'")[0]
        done, = ledger(folder, "SELECT COUNT(*) FROM unit_members")[0]
        place.say(f"32 seeds more: {done} networks done, {again - failed} attempts more without enough memory")
        assert again == failed and done == 96, "the limit was not remembered"
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    return {"limits": limits, "failed": failed}


def shared_gpu(place):
    """Several trainers on one GPU: the same bits."""
    seconds = {}
    for n in (2, 4):
        folder, seconds[n], _ = place.run(place.scratch / "small.toml", f"small-slots-{n}", "--slots-per-gpu", n)
        found = differences(place.scratch / "small-1", folder)
        place.say(f"--slots-per-gpu {n}: {seconds[n]:.1f} s, {json.dumps(found)}")
        assert found["equal"] == found["sets"], "sharing the GPU changes logits"
    return seconds
