"""The sweep that a round disturbs, and what it gives undisturbed.

Every ingredient, a shared warm-up, an ensemble, an OOD set, two depths; seconds of work in dozens of units.
Checkpoints are as frequent as they can be, so that kills find some.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))
import program  # noqa: E402  (tests/integration/program.py)

SPEC = """
name = "chaos"
seeds = 2
[data]
dataset = "fashion-mnist"
ood = ["mnist?"]
validation_size = 20
[model]
width = 32
[training]
learning_rate = 3e-3
epochs = {epochs}
batch_size = 16
[logging]
epoch_every = 5
[execution]
unit_seconds = 0.1
heartbeat_seconds = 5
checkpoint_seconds = 0.1
max_attempts = 6
fuse = {fuse}
[grid]
model.depth = [2, 3]
data.size = [60, 160]
[methods.baseline]
[methods.warm-up]
noise_warmup = {{ samples = 1280 }}
[methods.mixup]
mixup = {{ alpha = 0.3 }}
[methods.both]
noise_warmup = {{ samples = 1280 }}
mixup = {{ alpha = 0.3 }}
[methods.ensemble]
ensemble = {{ of = "baseline", size = 2 }}
"""
FUSE = (1, 3)  # networks per stack, one sweep each
EPOCHS = 20
N_TRIALS = 2 * 2 * 2 * (4 + 2)  # seeds, depths, sizes; four methods and two members


def spec(fuse, epochs=EPOCHS):
    return SPEC.format(fuse=fuse, epochs=epochs)


def make_data(folder):
    program.write_idx_dataset(folder / "fashion-mnist", 200, 100)
    program.write_idx_dataset(folder / "mnist", 200, 100, seed=1)
