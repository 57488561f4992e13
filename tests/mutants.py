"""Plant one defect at a time in a copy of the project, and see whether the tests notice.

    python tests/mutants.py                 # all of them: half an hour on two cores
    python tests/mutants.py zero_grad eval  # those whose names contain one of these words

Every defect is a line that somebody could have written. For each, the part of the suite that is responsible for the
line runs on the copy, and must fail; the table names the test that failed first. Before that, each part must pass
without a defect. Returns 1 if a defect went unnoticed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue
from typing import NamedTuple

import nbformat

from reading import code_cells, failed_tests

ROOT = Path(__file__).resolve().parent.parent
WORKERS = min(os.cpu_count() or 1, 4)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", ".*_cache", "__pycache__", "*.egg-info")


class Mutant(NamedTuple):
    """A defect: in ``file``, ``old``, which stands there once, becomes ``new``; ``tests`` are responsible."""

    name: str
    file: str
    old: str
    new: str
    tests: str


class Verdict(NamedTuple):
    """What became of a mutant: the test that caught it, or None, and the seconds that this took."""

    mutant: Mutant
    caught_by: str | None
    seconds: float


TRAINING, MODEL, DEVICE = "tests/test_training.py", "tests/test_model.py", "tests/test_device.py"
DATA, DATA_FILES = "tests/test_data.py", "tests/test_data_files.py"
RECIPE, CHECKPOINT, DISTRIBUTED = "tests/test_recipe.py", "tests/test_checkpoint.py", "tests/test_distributed.py"
PLOTS, STORAGE = "tests/test_plots.py", "tests/test_storage_plot.py"
SPEED = "tests/test_data.py::test_at_least_20_times_faster_than_the_per_sample_pipeline"
REFRESHER, INTERNALS = "notebooks/01_deep_learning_refresher.ipynb", "notebooks/02_tensor_internals.ipynb"
CONVNET = "notebooks/03_mnist_convnet.ipynb"


def in_file(file: str, tests: str, *mutants: tuple[str, str, str]) -> list[Mutant]:
    """Mutants of one file, each given as name, old and new."""
    return [Mutant(name, file, old, new, tests) for name, old, new in mutants]


MUTANTS = [
    *in_file(
        "helpers/training.py",
        TRAINING,
        ("zero_grad dropped", "            optim.zero_grad()\n", ""),
        ("step before backward", "            loss.backward()\n            optim.step()", "            optim.step()\n            loss.backward()"),
        ("train() leaves evaluation mode on", "    model.train()\n", ""),
        ("eval() forgotten in test", "    model.eval()\n", ""),
        ("no_grad forgotten in test", "@torch.no_grad()\n", ""),
        ("loss summed, not averaged", "loss = loss_function(model(images), labels)", "loss = loss_function(model(images), labels) * len(labels)"),
        ("labels shuffled against images", "labels.to(device)\n            optim", "labels[torch.randperm(len(labels))].to(device)\n            optim"),
        ("argmax over the batch", "argmax(dim=1)", "argmax(dim=0)"),
        ("test loss: a mean of means", 'reduction="sum").item()', 'reduction="mean").item()'),
        ("accuracy over batches", "correct / seen)", "correct / len(test_dataloader))"),
        ("one epoch too few", "range(1, epochs + 1)", "range(1, epochs)"),
        ("scheduler never steps", "                scheduler.step()\n", "                pass\n"),
        ("infinite loss accepted", "if not math.isfinite(loss)", "if math.isnan(loss)"),
        ("other loss ignored", "loss = loss_function(", "loss = F.nll_loss("),
        ("lack of memory not explained", "            error.add_note(", "            str("),
        ("advice on memory for any error", "if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or", "if True or"),
        ("images seen miscounted", "            seen += len(images)", "            seen += 32"),
    ),
    *in_file(
        "helpers/data.py",
        DATA,
        ("normalisation off by 255/256", ".div_(255)", ".div_(256)"),
        ("another data set's mean", "MNIST_MEAN, MNIST_STD = 0.1302", "MNIST_MEAN, MNIST_STD = 0.1307"),
        ("std before mean", ".sub_(mean).div_(std)", ".div_(std).sub_(mean)"),
        ("test loader shuffled", "batch_loader(test_set, test_batch_size)", "batch_loader(test_set, test_batch_size, shuffle=True)"),
        ("test loader on the training set", "test_set = mnist_dataset(False", "test_set = mnist_dataset(True"),
        ("last batch dropped", "drop_last=False", "drop_last=True"),
        ("seed ignored", "None if seed is None else torch.Generator().manual_seed(seed)", "None"),
        ("generators not shared", "batch_size=None, generator=generator)", "batch_size=None)"),
        ("labels out of step with images", "files.targets[:size].to", "files.targets[:size].roll(1).to"),
        ("labels left on another device", "files.targets[:size].to(device)", "files.targets[:size]"),
    ),
    *in_file(
        "helpers/data.py",
        DATA_FILES,
        ("truncated file trusted", "return path.is_file() and _md5(path) == md5", "return path.is_file()"),
        ("damaged archive unpacked", "    if found != expected:", "    if not found:"),
    ),
    *in_file(
        "helpers/files.py",
        DATA_FILES,
        ("written in place", 'target.with_name(f"{target.name}.{uuid4().hex}.part")', "target"),
        ("leftovers stay", "        part.unlink(missing_ok=True)", "        pass"),
        ("one temporary name for all", "{uuid4().hex}.part", "{len(target.name)}.part"),
    ),
    *in_file(
        "helpers/model.py",
        MODEL,
        ("leaky ReLU for ReLU", "x = F.relu(self.cn1(images))", "x = F.leaky_relu(self.cn1(images))"),
        ("dropout always on", "self.dp2(F.relu(self.fc1(x)))", "F.dropout(F.relu(self.fc1(x)), 0.25)"),
        ("dropout rate swapped", "nn.Dropout2d(0.10)", "nn.Dropout2d(0.25)"),
        ("units dropped, not maps", "nn.Dropout2d(0.10)", "nn.Dropout(0.10)"),
        ("softmax over the batch", "self.fc2(x), dim=1)", "self.fc2(x), dim=0)"),
        ("mean pooling", "F.max_pool2d(x, 2)", "F.avg_pool2d(x, 2)"),
        ("a bias too few", "nn.Conv2d(16, 32, kernel_size=3)", "nn.Conv2d(16, 32, kernel_size=3, bias=False)"),
    ),
    *in_file(
        "tools/run_notebooks.py",
        "tests/test_run_notebooks.py",
        ("a failed notebook stored", "    if in_place and passed:", "    if in_place:"),
        ("a failure not reported", "return 0 if all(outcome.passed for outcome in outcomes) else 1", "return 0"),
    ),
    *in_file(
        "helpers/device.py",
        DEVICE,
        ("PyTorch not seeded", "    torch.manual_seed(seed)\n", ""),
        ("TORCH_DEVICE ignored", "requested or os.environ.get(DEVICE_VARIABLE)", "requested"),
        ("absent device accepted", "not in available:", "in ():"),
    ),
    *in_file(
        "helpers/recipe.py",
        RECIPE,
        ("recipe's seed ignored", "    seed_everything(seed)\n", ""),
        ("no label smoothing", "label_smoothing=self.label_smoothing", "label_smoothing=0.0"),
        ("schedule of one epoch for many", "steps = self.epochs * batches", "steps = batches + self.epochs"),
        ("learning rate not passed on", "            self.learning_rate,\n", "            0.001,\n"),
        ("recipe without its schedule", "scheduler=scheduler, progress=progress", "progress=progress"),
    ),
    *in_file(
        "helpers/checkpoint.py",
        CHECKPOINT,
        ("pickles executed", "weights_only=True)\n        except", "weights_only=False)\n        except"),
        ("checksums not verified", "damaged = archive.testzip()", "damaged = None"),
        ("scheduler not restored", 'scheduler.load_state_dict(contents["scheduler"]["state"])', "scheduler.last_epoch"),
        ("optimiser not restored", '    optim.load_state_dict(contents["optim"]["state"])\n', ""),
        ("order's generator not restored", '        generator.set_state(contents["generator"])', "        generator.seed()"),
        ("random states not restored", '    restore_random_states(contents["random"])\n', ""),
        ("averages laid out otherwise than weights", "    _match_memory_formats(optim)\n", ""),
        ("another order of parameters accepted", "value.ndim and value.shape != parameter.shape:", "value.ndim < 0:"),
        ("another length of schedule accepted", "    if in_file != given:\n        raise CheckpointError(\n            f\"{path}: the schedule", "    if False:\n        raise CheckpointError(\n            f\"{path}: the schedule"),
        ("an epoch repeated", 'return contents["epoch"]', 'return contents["epoch"] - 1'),
    ),
    *in_file(
        "helpers/distributed.py",
        DISTRIBUTED,
        ("shares overlap", "batch[self.rank :: self.world_size]", "batch[self.rank :]"),
        ("first share for everybody", "batch[self.rank :: self.world_size]", "batch[0 :: self.world_size]"),
        ("sums not summed", "    dist.all_reduce(sums)\n", ""),
        ("each process an order of its own", "generator = torch.Generator().manual_seed(seed)", "generator = torch.Generator().manual_seed(seed + rank)"),
        ("all ranks report", "report=rank == 0", "report=True"),
        ("resumed one epoch too late", "range(finished + 1, recipe", "range(finished + 2, recipe"),
        ("gradients not averaged", "parallel_model = DistributedDataParallel(model)", "parallel_model = model"),
    ),
    *in_file(
        "benchmarks/time_to_accuracy.py",
        "tests/test_benchmark.py",
        ("best seed taken for the mean", "if mean(epoch[\"accuracy\"] for epoch in epochs) >= TARGET", "if max(epoch[\"accuracy\"] for epoch in epochs) >= TARGET"),
        ("a failed run counted", "if process.wait() != 0:", "if process.wait() == 0:"),
    ),
    *in_file(
        "helpers/plots/storage.py",
        STORAGE,
        ("wrong stride in the drawing", "zip(index, tensor.stride())", "zip(index, reversed(tensor.stride()))"),
        ("offset forgotten in the drawing", "return tensor.storage_offset() + sum", "return sum"),
    ),
    *in_file(
        "helpers/plots/results.py",
        PLOTS,
        ("confusion matrix transposed", "ax.text(column, row, number", "ax.text(row, column, number"),
        ("running mean over one too many", "sums[window:] -= sums[:-window].clone()", "sums[window + 1:] -= sums[:-window - 1].clone()"),
    ),
    *in_file(
        "helpers/digits.py",
        "tests/test_digits.py",
        ("digit not centred by mass", "zip(ndimage.center_of_mass(boxed.numpy()), boxed.shape)", "zip((side / 2 for side in boxed.shape), boxed.shape)"),
        ("centre half a pixel off", "CENTRE = 14", "CENTRE = 13"),
        ("box too large", "BOX, FIELD = 20, 28", "BOX, FIELD = 24, 28"),
        ("light ink on dark paper lost", "difference if difference.pow(3).sum() > 0 else -difference", "-difference"),
        ("shape not kept", "[max(1, round(side * scale)) for side in crop.shape]", "[BOX, BOX]"),
        ("paper taken to be lit evenly", "return (places @ plane).squeeze(-1)", "return grey[border].median().expand_as(grey)"),
        ("dust kept", "return ink * kept[pieces]", "return ink"),
        ("camera's orientation ignored", "return ImageOps.exif_transpose(image)", "image.load(); return image"),
        ("size checked too late", "                _check_size(image)\n                return", "                return"),
    ),
    *in_file(
        "helpers/plots/drawing.py",
        "tests/test_drawing_pad.py",
        ("pen never lifted", "            pen_is_down = False\n            message", "            message"),
        ("cleared on the screen only", "        strokes.clear()\n", ""),
    ),
    *in_file(
        "helpers/plots/cheat_sheet.py",
        "tests/test_cheat_sheet.py",
        ("derivative drawn of the input", "torch.autograd.grad(y.sum(), x)", "torch.autograd.grad(x.sum(), x)"),
        ("input's size for the output's", "{_size(output)}", "{_size(example)}"),
    ),
    *in_file(
        "helpers/notebook.py",
        "tests/test_notebook_helpers.py",
        ("a withdrawn answer stays solved", "    solved[exercise] = False\n", "    solved.setdefault(exercise, False)\n"),
    ),
    *in_file(
        INTERNALS,
        INTERNALS,
        ("notebook 02: strides reversed", "zip(index, tensor.stride()))\n\n\ndef draw_storage", "zip(index, tensor.stride()[::-1]))\n\n\ndef draw_storage"),
        ("notebook 02: gradients kept", "            weights.grad.zero_()\n", ""),
        ("notebook 02: last short batch lost", "range(0, len(features), batch_size)", "range(0, len(features) - batch_size + 1, batch_size)"),
    ),
    *in_file(
        REFRESHER,
        REFRESHER,
        ("notebook 01: convolution flipped", "(padded[i : i + k, j : j + k] * kernel).sum()", "(padded[i : i + k, j : j + k] * kernel.flip(0)).sum()"),
        ("notebook 01: dropout not rescaled", "return x * kept / (1 - p)", "return x * kept"),
        ("notebook 01: Adadelta divides by the past updates", "(past_updates + eps).sqrt() / (memory[\"SSG\"] + eps).sqrt() * g", "(memory[\"SSG\"] + eps).sqrt() / (past_updates + eps).sqrt() * g"),
        ("notebook 01: Adam's two γ swapped", "memory[\"SG\"] / (1 - gamma_1**t)\n    mean_square", "memory[\"SG\"] / (1 - gamma**t)\n    mean_square"),
        ("notebook 01: output size without padding", "return (size + 2 * padding - span) // stride + 1", "return (size + padding - span) // stride + 1"),
    ),
    *in_file(
        CONVNET,
        CONVNET,
        ("notebook 03: bias forgotten in the count", "return (kernel_size**2 * channels_in + 1) * channels_out", "return kernel_size**2 * channels_in * channels_out"),
        ("notebook 03: seed not set again", "seed_everything(0)\nassert torch.equal(torch.rand(3), first_draw)", "assert torch.equal(torch.rand(3), first_draw)"),
    ),
]  # fmt: skip


def main() -> int:
    """Run the mutants named on the command line, or all; print the table."""
    words = sys.argv[1:]
    mutants = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    for mutant in mutants:
        _check_planted_once(mutant)
    with tempfile.TemporaryDirectory() as folder:
        copies = Queue()
        for number in range(WORKERS):
            copy = Path(folder) / str(number)
            shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
            copies.put(copy)
        with ThreadPoolExecutor(copies.qsize()) as pool:
            healthy = [Mutant("(no defect)", mutant.file, "", "", mutant.tests) for mutant in mutants]
            by_tests = {mutant.tests: mutant for mutant in healthy}
            ill = [verdict for verdict in pool.map(partial(_judge, copies), by_tests.values()) if verdict.caught_by]
            if ill:
                print("These fail without a defect: nothing can be said.")
                return 1
            verdicts = list(pool.map(partial(_judge, copies), mutants))
    survivors = [verdict for verdict in verdicts if verdict.caught_by is None]
    print(f"\n{len(verdicts)} defects planted, {len(verdicts) - len(survivors)} caught")
    for verdict in survivors:
        print(f"SURVIVED: {verdict.mutant.name} ({verdict.mutant.file})")
    return 1 if survivors else 0


def _judge(copies: Queue, mutant: Mutant) -> Verdict:
    copy = copies.get()
    path = copy / mutant.file
    original = path.read_bytes()
    start = time.perf_counter()
    try:
        if mutant.old:
            _plant(mutant, path)
        caught_by = _first_failure(mutant.tests, copy)
    finally:
        path.write_bytes(original)
        copies.put(copy)
    verdict = Verdict(mutant, caught_by, time.perf_counter() - start)
    unnoticed = "SURVIVED" if mutant.old else f"passed: {mutant.tests}"
    print(f"{mutant.name:45} {verdict.seconds:5.0f} s  {caught_by or unnoticed}", flush=True)
    return verdict


def _check_planted_once(mutant: Mutant) -> None:
    """Raise ValueError unless the old text stands exactly once in the file, or in the code of the notebook."""
    path = ROOT / mutant.file
    if path.suffix == ".ipynb":
        times = sum(cell.source.count(mutant.old) for cell in code_cells(nbformat.read(path, as_version=4)))
    else:
        times = path.read_text(encoding="utf-8").count(mutant.old)
    if times != 1:
        raise ValueError(f"{mutant.name}: expected {mutant.old!r} once in {mutant.file}, found it {times} times")


def _plant(mutant: Mutant, path: Path) -> None:
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        for cell in code_cells(notebook):
            cell.source = cell.source.replace(mutant.old, mutant.new)
        nbformat.write(notebook, path)
    else:
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")


def _first_failure(tests: str, copy: Path) -> str | None:
    """The first test that fails in the copy, or None."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    command += ["--deselect", SPEED]  # not judged here, where copies share the machine
    options = {"cwd": copy, "env": environment, "capture_output": True, "text": True}
    try:
        result = subprocess.run(command, timeout=900, **options)
    except subprocess.TimeoutExpired:
        return "(the tests never ended)"
    if result.returncode == 0:
        return None
    return next(failed_tests(result.stdout), f"(pytest ended with code {result.returncode})")


if __name__ == "__main__":
    sys.exit(main())
