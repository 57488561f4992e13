"""Plant one defect at a time in a copy of the project, and see whether the tests notice.

    python tests/mutants.py                 # all of them: half an hour on two cores
    python tests/mutants.py zero_grad eval  # those whose names contain one of these words
    python tests/mutants.py --no-control    # all, right after a green make test-all: some minutes less

Every defect is a line that somebody could have written. For each, the part of the suite that is responsible for the
line runs on the copy, and must fail; the table names the test that failed first. Before that, each part must pass
without a defect: the control. Returns 1 if a defect went unnoticed.
"""

import argparse
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

from notebook_io import failed_tests

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


def in_file(file: str, tests: str, *mutants: tuple[str, str, str]) -> list[Mutant]:
    """Mutants of one file, each given as name, old and new."""
    return [Mutant(name, file, old, new, tests) for name, old, new in mutants]


MUTANTS = [
    *in_file("helpers/training.py", "tests/unit/test_training.py",
        ("zero_grad dropped", "            optim.zero_grad()\n", ""),
        ("step before backward", "            loss.backward()\n            optim.step()", "            optim.step()\n            loss.backward()"),
        ("train() leaves evaluation mode on", "    model.train()\n", ""),
        ("eval() forgotten in test", "    model.eval()\n", ""),
        ("no_grad forgotten in test", "@torch.no_grad()\n", ""),
        ("loss summed, not averaged", "loss = loss_function(model(images), labels)", "loss = loss_function(model(images), labels) * len(labels)"),
        ("labels shuffled against images", "labels.to(device, non_blocking=True)\n", "labels[torch.randperm(len(labels))].to(device, non_blocking=True)\n"),
        ("argmax over the batch", "argmax(dim=1)", "argmax(dim=0)"),
        ("test loss: a mean of means", "* len(labels)  # the last", "* test_dataloader.batch_size  # the last"),
        ("accuracy over batches", "correct / seen)", "correct / len(test_dataloader))"),
        ("whole percents", "{100 * result.accuracy:.2f}%)", "{100 * result.accuracy:.0f}%)"),
        ("sums of other processes ignored", "sums if all_reduce_sum is None else all_reduce_sum(sums)", "sums"),
        ("one epoch too few", "range(1, epochs + 1)", "range(1, epochs)"),
        ("validated on the training images", "test(model, device, validation_dataloader,", "test(model, device, train_dataloader,"),
        ("scheduler never steps", "                scheduler.step()\n", "                pass\n"),
        ("fit without the scheduler", '"scheduler": scheduler, ', ""),
        ("infinite loss accepted", "if not math.isfinite(loss)", "if math.isnan(loss)"),
        ("a bad loss blamed on the last batch read", "batch {len(losses)}:", "batch {len(losses) + len(unread) - 1}:"),
        ("loss read at every batch", "if len(unread) == READ_INTERVAL:", "if unread:"),
        ("every batch waits for its loss", "unread.append(loss.detach())", "unread.append(torch.tensor(loss.item()))"),
        ("losses of the last batches lost", "        if unread:\n            _read_losses(unread, losses, epoch, bar)\n", ""),
        ("other loss ignored", "loss = loss_function(", "loss = F.nll_loss("),
        ("other loss ignored in test", "total_loss += loss_function(", "total_loss += F.nll_loss("),
        ("fit validates by the default loss", "validation_dataloader, loss_function=loss_function, report", "validation_dataloader, report"),
        ("empty loader trains in silence", "    if not losses:\n", "    if False:\n"),
        ("mean of all losses in the bar", "recent = losses[-100:]", "recent = losses"),
        ("the bar on stderr in a notebook", 'sys.stdout if type(sys.stdout).__module__.startswith("ipykernel") else sys.stderr', "sys.stderr"),
    ),
    *in_file("helpers/model.py", "tests/unit/test_model.py",
        ("leaky ReLU for ReLU", "x = F.relu(self.cn1(images))", "x = F.leaky_relu(self.cn1(images))"),
        ("dropout always on", "self.dp2(F.relu(self.fc1(x)))", "F.dropout(F.relu(self.fc1(x)), 0.25)"),
        ("dropout rate swapped", "nn.Dropout2d(0.10)", "nn.Dropout2d(0.25)"),
        ("units dropped, not maps", "nn.Dropout2d(0.10)", "nn.Dropout(0.10)"),
        ("softmax over the batch", "self.fc2(x), dim=1)", "self.fc2(x), dim=0)"),
        ("mean pooling", "F.max_pool2d(x, 2)", "F.avg_pool2d(x, 2)"),
        ("a bias too few", "nn.Conv2d(16, 32, kernel_size=3)", "nn.Conv2d(16, 32, kernel_size=3, bias=False)"),
        ("a dropout that warns of flat inputs", "nn.Dropout(0.25)", "nn.Dropout2d(0.25)"),
    ),
    *in_file("helpers/plots/tracing.py", "tests/unit/test_model.py",
        ("source of a layer with several results lost", "position[node] = sources[0]", "pass"),
        ("shape of a layer's last result", "meta = meta[0]", "meta = meta[-1]"),
    ),
    *in_file("helpers/device.py", "tests/unit/test_device.py",
        ("PyTorch not seeded", "    torch.manual_seed(seed)\n", ""),
        ("NumPy not seeded", "    np.random.seed(seed)\n", ""),
        ("TORCH_DEVICE ignored", "requested or os.environ.get(DEVICE_VARIABLE)", "requested"),
        ("absent device accepted", "not in available:", "in ():"),
        ("GPU of an old driver listed", "if torch.cuda.is_available():", "if torch.cuda.device_count():"),
        ("no accelerator but CUDA", "torch.accelerator.device_count() if accelerator else 0", "0"),
        ("SEED_OFFSET ignored", 'int(os.environ.get(SEED_VARIABLE, "0"))', "0"),
        ("generators without SEED_OFFSET", ".manual_seed(_with_offset(seed))", ".manual_seed(seed)"),
        ("seeds too large accepted", "if not 0 <= total < 2**32:", "if total < 0:"),
    ),
    *in_file("helpers/recipe.py", "tests/unit/test_second_device.py",
        ("filters that do not move", 'self.register_buffer("edges", edge_filters(filters))', "self.edges = edge_filters(filters)"),
    ),
    *in_file("helpers/augmentation.py", "tests/unit/test_second_device.py",
        ("random changes drawn on the CPU", "torch.rand(4, len(images), device=images.device)", "torch.rand(4, len(images))"),
    ),
    *in_file("helpers/device.py", "tests/unit/test_second_device.py",
        ("a generator always on the CPU", "torch.Generator(device)", "torch.Generator()"),
    ),
    *in_file("helpers/recipe.py", "tests/unit/test_recipe.py",
        ("recipe's seed ignored", "    seed_everything(seed)\n", ""),
        ("no label smoothing", "label_smoothing=recipe.label_smoothing", "label_smoothing=0.0"),
        ("a rate of Muon's own", "Muon(matrices, recipe.muon_rate,", "Muon(matrices, 0.1,"),
        ("Muon without its schedule", "for stepper in (muon, adam, *schedulers):", "for stepper in (muon, adam, schedulers[1]):"),
        ("no look ahead", 'ahead = weight.grad.lerp(mean, group["momentum"])', "ahead = mean"),
        ("images seen twice", "torch.randperm(len(images), device", "torch.randint(len(images), (len(images),), device"),
        ("all images instead of a fraction", "recipe.fraction * len(images)", "len(images)"),
        ("a margin of four", "images[:, :, 3:25, 3:25]", "images[:, :, 2:24, 2:24]"),
        ("edges along half a turn", "2 * torch.pi / count", "torch.pi / count"),
        ("no orthogonal steps", 'orthogonalize(ahead.flatten(1), group["iterations"])', "ahead.flatten(1)"),
    ),
    *in_file("helpers/recipe.py", "tests/unit/test_architecture.py",
        ("a seed that bypasses SEED_OFFSET", "    seed_everything(seed)\n", "    torch.manual_seed(seed)\n"),
    ),
    *in_file("helpers/plots/results.py", "tests/unit/test_architecture.py",
        ("a figure that loads the data set", "from helpers.plots.style import", "from helpers.data import mnist_dataset\nfrom helpers.plots.style import"),
    ),
    *in_file("helpers/notebook.py", "tests/unit/test_notebook_helpers.py",
        ("a withdrawn answer stays solved", "    solved[exercise] = False\n", "    solved.setdefault(exercise, False)\n"),
        ("an answer of another shape is right", "answer.shape == expected.shape and ", ""),
        ("docstrings shown", "if ast.get_docstring(node) is not None:", "if False:"),
    ),
    *in_file("benchmarks/time_to_accuracy.py", "tests/unit/test_benchmark.py",
        ("best seed taken for the mean", 'if mean(epoch["accuracy"] for epoch in epochs) >= TARGET', 'if max(epoch["accuracy"] for epoch in epochs) >= TARGET'),
        ("a failed run counted", "if process.wait() != 0:", "if process.wait() == 0:"),
        ("interval of a normal distribution", "stats.t.ppf(0.975, len(values) - 1)", "stats.norm.ppf(0.975)"),
        ("benchmark ignores TORCH_DEVICE", "default=str(pick_device())", 'default="cpu"'),
        ("finished runs repeated", "if (name, seed) in done:", "if False:"),
    ),
    *in_file("helpers/data.py", "tests/unit/test_data.py",
        ("normalization off by 255/256", ".div_(255)", ".div_(256)"),
        ("another data set's mean", "MNIST_MEAN, MNIST_STD = 0.1302", "MNIST_MEAN, MNIST_STD = 0.1307"),
        ("std before mean", ".sub_(mean).div_(std)", ".div_(std).sub_(mean)"),
        ("test loader shuffled", "make_test_loader(test_set, test_batch_size,", "make_test_loader(test_set, test_batch_size, shuffle=True,"),
        ("test loader on the training set", "mnist_dataset(False, **common)", "mnist_dataset(True, **common)"),
        ("last batch dropped", "collate_fn=_identity, **options)", "collate_fn=_identity, drop_last=True, **options)"),
        ("seed ignored", "None if seed is None else seeded_generator(seed)", "None"),
        ("seed's offset ignored", "else seeded_generator(seed)", "else torch.Generator().manual_seed(seed)"),
        ("options of the loader ignored", "test_set, test_batch_size, **options)", "test_set, test_batch_size)"),
        ("a data set's own samples passed over", "type(dataset) is TensorDataset", "isinstance(dataset, TensorDataset)"),
        ("labels out of step with images", "files.targets[:size].to", "files.targets[:size].roll(1).to"),
        ("labels left on another device", "files.targets[:size].to(device)", "files.targets[:size]"),
        ("truncated file trusted", "if check_integrity(target, UNPACKED_MD5[target.name]):", "if target.is_file():"),
        ("damaged archive unpacked", "if not check_integrity(archive, md5):", "if not archive.is_file():"),
    ),
    *in_file("helpers/files.py", "tests/unit/test_data.py",
        ("written in place", 'target.with_name(f"{target.name}.{uuid4().hex}.part")', "target"),
        ("leftovers stay", "        part.unlink(missing_ok=True)", "        pass"),
        ("one temporary name for all", "{uuid4().hex}.part", "{len(target.name)}.part"),
    ),
    *in_file("helpers/checkpoint.py", "tests/unit/test_checkpoint.py",
        ("pickles executed", "weights_only=True)\n    except", "weights_only=False)\n    except"),
        ("checksums not verified", "damaged = zipfile.ZipFile(file).testzip()", "damaged = None"),
        ("parts not restored", "(part.set_state if isinstance(part, torch.Generator) else part.load_state_dict)(contents[name])", "pass"),
        ("order's generator not restored", "(part.set_state if", "(part.seed if"),
        ("random states not restored", "    torch.set_rng_state(torch_state)\n", ""),
        ("averages laid out otherwise than weights", "averages[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)", "pass"),
        ("another order of parameters accepted", 'enumerate(group["params"])]', 'enumerate([])]'),
        ("another length of schedule accepted", "{steps.get(name, '')}", ""),
        ("an epoch repeated", 'return contents["epoch"]', 'return contents["epoch"] - 1'),
        ("unreadable checkpoint written", "    _read(buffer, path)  # what could not be loaded again is not written\n", ""),
    ),
    *in_file("helpers/distributed.py", "tests/unit/test_distributed.py",
        ("shares overlap", "batch[self.rank :: self.world_size]", "batch[self.rank :]"),
        ("first share for everybody", "batch[self.rank :: self.world_size]", "batch[0 :: self.world_size]"),
        ("TORCH_DEVICE ignored by the processes", "kind or os.environ.get(DEVICE_VARIABLE) or", "kind or"),
        ("sums not summed", "    dist.all_reduce(sums)\n", ""),
        ("each process an order of its own", '"seed": seed, "device"', '"seed": seed + rank, "device"'),
        ("all ranks report", "report=rank == 0", "report=True"),
        ("resumed one epoch too late", "range(finished + 1, epochs", "range(finished + 2, epochs"),
        ("gradients not averaged", "parallel_model = DistributedDataParallel(model)", "parallel_model = model"),
    ),
    *in_file("benchmarks/contenders.py", "tests/unit/test_benchmark.py",
        ("reordered network without its second ReLU", "x = F.relu(F.max_pool2d(self.cn2(x), 2))  # (N, 32", "x = F.max_pool2d(self.cn2(x), 2)  # (N, 32"),
    ),
    *in_file("benchmarks/time_to_accuracy.py", "tests/unit/test_benchmark.py",
        ("an interval of the difference, not of the ratio", "math.exp(low), math.exp(high)", "low, high"),
        ("images that the recipe leaves out counted", "plan.train_size * _epochs(name, len(by_epoch))", "plan.train_size * len(by_epoch)"),
    ),
    *in_file("helpers/plots/storage.py", "tests/unit/test_storage_plot.py",
        ("wrong stride in the drawing", "zip(index, view.stride())) for", "zip(index, reversed(view.stride()))) for"),
        ("offset forgotten in the drawing", "view.storage_offset() + sum", "sum"),
        ("a copy on a white ground", "is_copy=is_copy", "is_copy=False"),
        ("elements hidden behind others", "for shared in range(view.ndim + 1)", "for shared in range(0, view.ndim + 1, 2)"),
        ("arcs labeled with the wrong stride", 'f"{end - start:+d}", ha="center"', 'f"{end:+d}", ha="center"'),
    ),
    *in_file("helpers/plots/memory.py", "tests/unit/test_storage_plot.py",
        ("pixels numbered by columns", "row * columns + column)", "column * rows + row)"),
        ("bits in the wrong order", "stored.view(whole).item() % 2**count", "(-1 - stored.view(whole).item()) % 2**count"),
        ("one bit too many for the exponent", "return 8 * dtype.itemsize - 1 - fraction", "return 8 * dtype.itemsize - fraction"),
    ),
    *in_file("helpers/plots/results.py", "tests/unit/test_plots.py",
        ("confusion matrix transposed", "ax.text(column, row, number", "ax.text(row, column, number"),
        ("means of one batch too many", "*losses.split(window)]", "*losses.split(window + 1)]"),
        ("mistakes of the transposed pair", "examples[row, column], row, column)", "examples[row, column], column, row)"),
        ("losses that require gradients refused", "[value.item() if isinstance(value, Tensor) else value for value in values]", "values"),
    ),
    *in_file("helpers/plots/images.py", "tests/unit/test_plots.py",
        ("images on scales of their own", "vmin=low, vmax=high", "vmin=None, vmax=None"),
    ),
    *in_file("helpers/plots/graph.py", "tests/unit/test_plots.py",
        ("a shorter path decides the column", "if steps[successor] <= steps[node]:", "if not steps[successor]:"),
    ),
    *in_file("helpers/plots/tracing.py", "tests/unit/test_plots_of_networks.py",
        ("tracing moves the running means", "copy.deepcopy(fx.symbolic_trace(model)).eval()", "fx.symbolic_trace(model)"),
        ("sizes traced as operations", ' or "tensor_meta" not in node.meta:', ":"),
        ("sources off by one", "position[node] = len(layers)\n", "position[node] = len(layers) + 1\n"),
    ),
    *in_file("helpers/plots/explorers.py", "tests/unit/test_plots_of_networks.py",
        ("controls redraw the first values", "show(draw(**values), alt", "show(draw(**first), alt"),
    ),
    *in_file("helpers/digits.py", "tests/unit/test_digits.py",
        ("digit not centered by mass", "ndimage.center_of_mass(boxed)", "(side / 2 for side in boxed.shape)"),
        ("center half a pixel off", "CENTER = 14", "CENTER = 13"),
        ("box too large", "BOX, FIELD = 20, 28", "BOX, FIELD = 24, 28"),
        ("light ink on dark paper lost", "if (middle**3).sum() > 0:", "if False:"),
        ("shape not kept", "(max(1, round(side * BOX / max(crop.shape))) for side in crop.shape)", "BOX, BOX"),
        ("dust kept", "kept = mask & (sizes > 0.04 * sizes.max())[pieces]", "kept = mask"),
        ("camera's orientation ignored", "ImageOps.exif_transpose(image)", "image"),
        ("size not checked", "if min(width, height) < SMALLEST_SIDE or width * height > LARGEST_AREA:", "if False:"),
        ("NaN accepted", "if not np.isfinite(values).all():", "if False:"),
        ("home folder not found", ".expanduser()", ""),
        ("only Pillow's own errors explained", "except Exception as error:", "except OSError as error:"),
        ("transparent paper is black", '"black" if light_ink else "white"', '"black"'),
        ("small digits not looked at closely", "if scale > 1 and max(high", "if False and max(high"),
        ("several digits taken for one", "picture\": pieces > 1", "picture\": False"),
        ("ink at the edge not doubted", "margin\": touches_edge", "margin\": False"),
        ("shadows taken for ink", "contrasts.append(_closed(difference, round(WIDEST * side)) - difference)", "contrasts.append(difference.max() - difference)"),
        ("lightness only", "np.moveaxis(colors, -1, 0):", "colors.mean(axis=-1)[None]:"),
    ),
    *in_file("helpers/digits.py", "tests/unit/test_handwriting.py",
        ("paper taken to be lit evenly", "return terms @ surface", "return np.full_like(channel, np.median(channel))"),
        ("lines taken for strokes", "mask = _without_lines(contrast", "mask = (contrast"),
        ("horizontal lines only", "for _ in range(2):", "for _ in range(1):"),
        ("frames taken for strokes", "return (free > 0)[pieces], False", "return mask, False"),
        ("thin strokes left thin", "    if unit < 2 or radius < 1:", "    if True:"),
    ),
    *in_file("helpers/augmentation.py", "tests/unit/test_handwriting.py",
        ("other hands while testing", "        if not self.training:\n            return images\n", ""),
        ("zero outside, not paper", "images - self.paper, grid", "images, grid"),
        ("shifts half as large", "2 * self.shift", "self.shift"),
    ),
    *in_file("helpers/plots/drawing.py", "tests/unit/test_drawing_pad.py",
        ("pen never lifted", "            pen_is_down = False\n            message", "            message"),
        ("cleared on the screen only", "        strokes.clear()\n", ""),
        ("bugs shown as the reader's mistakes", "except ValueError as error", "except Exception as error"),
    ),
    *in_file("helpers/plots/cheat_sheet.py", "tests/unit/test_cheat_sheet.py",
        ("derivative drawn of the input", "torch.autograd.grad(y.sum(), x)", "torch.autograd.grad(x.sum(), x)"),
        ("comments moved", "CHARACTER * len(code)", "CHARACTER * len(code.rstrip())"),
        ("lines off the grid", "self.y += lines * LINE", "self.y += lines * SIZE"),
    ),
    *in_file("tools/run_notebooks.py", "tests/unit/test_run_notebooks.py",
        ("a failed notebook stored", "    if in_place and passed:", "    if in_place:"),
        ("a failure not reported", "return 0 if all(outcome.passed for outcome in outcomes) else 1", "return 0"),
        ("unmarked sections run", "keep = heading[1] in marked", "keep = True"),
    ),
    *in_file("notebooks/03_refresher_optimizers.ipynb", "notebooks/03_refresher_optimizers.ipynb",
        ("notebook 03: no bias correction", 'mean_square = memory["s"] / (1 - beta2**t)', 'mean_square = memory["s"]'),
        ("notebook 03: epsilon inside the root", 'w - learning_rate * g / (memory["s"].sqrt() + eps)\n\n\ndef rmsprop', 'w - learning_rate * g / (memory["s"] + eps).sqrt()\n\n\ndef rmsprop'),
        ("notebook 03: decay through the gradient", "return adam(w - learning_rate * weight_decay * w, g, memory, learning_rate, beta1, beta2, eps)", "return adam(w, g + weight_decay * w, memory, learning_rate, beta1, beta2, eps)"),
    ),
    *in_file("notebooks/04_tensor_internals.ipynb", "notebooks/04_tensor_internals.ipynb",
        ("notebook 04: strides reversed", "sum(i * step for i, step in zip(index, self.stride))", "sum(i * step for i, step in zip(index, self.stride[::-1]))"),
        ("notebook 04: view never refuses", "    if candidate.slots() != slots:\n", "    if False:\n"),
        ("notebook 04: a slice without its step", "size, replaced(t.stride, dim, step * t.stride[dim]), t.offset + start", "size, t.stride, t.offset + start"),
        ("notebook 04: expanded by a stride of 1", "replaced(t.size, dim, times), replaced(t.stride, dim, 0)", "replaced(t.size, dim, times), replaced(t.stride, dim, 1)"),
        ("notebook 04: a title of a figure exchanged", '"contiguous: plane after plane": image, "channels last: pixel after pixel (a copy)": channels_last', '"contiguous: plane after plane": channels_last, "channels last: pixel after pixel (a copy)": image'),
    ),
    *in_file("notebooks/05_pytorch_modules.ipynb", "notebooks/05_pytorch_modules.ipynb",
        ("notebook 05: gradients not summed to the shape", "gradient = gradient.sum_to_size(following._input_metadata[port].shape)", "pass"),
        ("notebook 05: a node does not wait", "if following and missing[following] == 0:", "if following and following not in ready:"),
        ("notebook 05: numbers of outputs thrown away", "ports[following][port] = ports[following].get(port, 0) + gradient", "ports[following][0] = ports[following].get(0, 0) + gradient"),
        ("notebook 05: gradients kept", "            weights.grad = None\n        else", "        else"),
        ("notebook 05: last short batch lost", "range(0, len(order), batch_size)", "range(0, len(order) - batch_size + 1, batch_size)"),
        ("notebook 05: a line of a figure moved by 5 %", "ax.plot(without, \"o-\"", "ax.plot(1.05 * without, \"o-\""),
        ("notebook 05: two colors of a figure exchanged", "MUTED if is_view else plots.FORWARD, **mono", "plots.FORWARD if is_view else MUTED, **mono"),
    ),
    *in_file("notebooks/01_refresher_training.ipynb", "notebooks/01_refresher_training.ipynb",
        ("notebook 01: a gradient of the wrong factor", "d_w1, d_w2 = d_product1 * x1, d_product2 * x2", "d_w1, d_w2 = d_product1 * x2, d_product2 * x1"),
        ("notebook 01: ReLU's slope forgotten", "dZ1 = (dZ2 @ W2) * (Z1 > 0)", "dZ1 = dZ2 @ W2"),
        ("notebook 01: the residual path cut", "return x + self.inside(x)", "return self.inside(x)"),
        ("notebook 01: dropout on while judging", "logits = network.eval()(x)", "logits = network.train()(x)"),
        ("notebook 01: tested on the training images", "test_set = test_images.flatten(1), test_labels", "test_set = images[:10_000], labels[:10_000]"),
    ),
    *in_file("notebooks/02_refresher_layers.ipynb", "notebooks/02_refresher_layers.ipynb",
        ("notebook 02: convolution flipped", "(patch * kernel).sum()", "(patch * kernel.flip(0)).sum()"),
        ("notebook 02: dropout not rescaled", "return x * kept / (1 - p)", "return x * kept"),
        ("notebook 02: scores of attention not scaled", "softmax(q @ k.T / math.sqrt(q.shape[-1]))", "softmax(q @ k.T)"),
        ("notebook 02: two gates exchanged", "z_i, z_f, z_g, z_o = z.chunk(4)", "z_f, z_i, z_g, z_o = z.chunk(4)"),
        ("notebook 02: stamps overwrite each other", "+= value * kernel", "= value * kernel"),
        ("notebook 02: pixels shuffled anew for each set", "images.flatten(2)[..., permutation]", "images.flatten(2)[..., torch.randperm(784)]"),
    ),
    *in_file("notebooks/06_mnist_convnet.ipynb", "notebooks/06_mnist_convnet.ipynb",
        ("notebook 06: gradients kept", "        optimizer.zero_grad()\n        loss", "        loss"),
        ("notebook 06: dropout on while testing", "model.eval()  # dropout off", "model.train()"),
        ("notebook 06: mean of means", 'F.nll_loss(log_probabilities, labels, reduction=\"sum\").item()', "F.nll_loss(log_probabilities, labels).item()"),
        ("notebook 06: shifts while testing", "        if not self.training:\n            return images\n", ""),
        ("notebook 06: no shift at all", "return windows[torch.arange(count, device=images.device), :, rows, columns]", "return images"),
    ),
    *in_file("notebooks/06_mnist_convnet.ipynb", "tests/notebooks/test_numerals.py",
        ("notebook 06: two digits exchanged in the prose", "they are 0.1302 and 0.3069", "they are 0.1302 and 0.3096"),
    ),
    *in_file("notebooks/07_experiments.ipynb", "notebooks/07_experiments.ipynb",
        ("notebook 07: SGD not tuned", "(optim.SGD, [0.01, 0.1, 0.2, 0.5])", "(optim.SGD, [0.01])"),
        ("notebook 07: the MLP trains on all images", "TensorDataset(*all_images[:500])", "TensorDataset(*all_images[:5_000])"),
        ("notebook 07: the likeliest result left out", "range(wins, seeds + 1)", "range(wins + 1, seeds + 1)"),
    ),
    *in_file("notebooks/07_experiments.ipynb", "tests/notebooks/test_numerals.py",
        ("notebook 07: percent of a probability", "in 19 % of all cases", "in 0.19 % of all cases"),
    ),
    *in_file("notebooks/08_training_faster.ipynb", "notebooks/08_training_faster.ipynb",
        ("notebook 08: pooling in place of ReLU", "self.dp1(F.relu(F.max_pool2d(self.cn2(x), 2)))", "self.dp1(F.max_pool2d(self.cn2(x), 2))"),
        ("notebook 08: trained on the validation images", "TensorDataset(images[:50_000], labels[:50_000])", "TensorDataset(images, labels)"),
        ("notebook 08: the rest of the time forgotten", "return 1 / (1 - share + share / factor)", "return 1 / (share / factor)"),
    ),
    *in_file("notebooks/09_limits.ipynb", "notebooks/09_limits.ipynb",
        ("notebook 09: views move bytes", "() if operation.is_view else torch", "torch"),
        ("notebook 09: forward passes only", "loss.backward()\n        return loss.detach()\n\n    return passes, optimizer.step", "return loss.detach()\n\n    return passes, optimizer.step"),
        ("notebook 09: arithmetic waits for memory", "return max(flops / peak, moved / bandwidth)", "return flops / peak + moved / bandwidth"),
    ),
    *in_file("notebooks/10_processes.ipynb", "notebooks/10_processes.ipynb",
        ("notebook 10: gradients of summed losses", "loss = F.nll_loss(model(images), labels)  # of log", "loss = F.nll_loss(model(images), labels, reduction=\"sum\")  # of log"),
        ("notebook 10: a sum drawn as the mean", "sum(gradients) / 2, whole", "sum(gradients), whole"),
        ("notebook 10: a model that no process shares", "model = DistributedDataParallel(ConvNet())", "model = ConvNet()"),
    ),
    *in_file("notebooks/10_processes.ipynb", "tests/notebooks/test_numerals.py",
        ("notebook 10: an equation that does not hold", "2 · 16 = 32", "2 · 16 = 36"),
    ),
    *in_file("notebooks/10_processes.ipynb", "tests/unit/test_architecture.py",
        ("notebook 10: a seed that bypasses SEED_OFFSET", "seed_everything(0)\nmodel = ConvNet().eval()", "torch.manual_seed(0)\nmodel = ConvNet().eval()"),
    ),
    *in_file("notebooks/11_cheat_sheet_and_glossary.ipynb", "notebooks/11_cheat_sheet_and_glossary.ipynb",
        ("notebook 11: a bias for each input", '"O*C*k**2 + O"', '"O*C*k**2 + C"'),
        ("notebook 11: the first step's correction for all", "m/(1 - β1**t)", "m/(1 - β1)"),
        ("notebook 11: factors of a path exchanged", "1 - 2 * 0.9, 1 - 0.9 / 10", "1 - 0.9 / 10, 1 - 2 * 0.9"),
    ),
    *in_file("notebooks/11_cheat_sheet_and_glossary.ipynb", "tests/notebooks/test_glossary.py",
        ("notebook 11: a term explained elsewhere", "[1.12](01_refresher_training.ipynb#1.12-What-helps-against-overfitting?) |\n| **activation function**", "[1.11](01_refresher_training.ipynb#1.11-What-helps-against-overfitting?) |\n| **activation function**"),
        ("notebook 11: a term without its row", "| **ablation** |", "| ablation |"),
    ),
    *in_file("notebooks/11_cheat_sheet_and_glossary.ipynb", "tests/unit/test_links.py",
        ("notebook 11: a link to a renamed section", "(#11.4-Do-sizes-and-losses-hold?)", "(#11.4-Do-sizes-hold?)"),
    ),
    *in_file("README.md", "tests/unit/test_links.py",
        ("a link to a file that is gone", "(SETUP.md)", "(INSTALL.md)"),
    ),
    *in_file("tools/links.py", "tests/unit/test_links.py",
        ("capitals in GitHub's anchors", "heading.lower()", "heading"),
        ("headings searched in code, too", 'return FENCED.sub("", text)', "return text"),
    ),
    *in_file("tests/notebooks/nbval_sanitize.cfg", "tests/notebooks/test_sanitize.py",
        ("a pattern widened: any accuracy", "9[89]\\.\\d\\d \\u00b1", "\\d\\d\\.\\d\\d \\u00b1"),
        ("a pattern widened: any ratio", "([5-9]|[1-9]\\d{1,2})\\.\\d\\u00d7 the time of slicing", "\\d+\\.\\d\\u00d7 the time of slicing"),
        ("a pattern widened: ends in any order", "[7-9] % to 99\\.1[0-4]))", "[7-9] % to 99\\.\\d\\d))"),
        ("a pattern widened: the rest of the line", "training on (1 process|2 processes) took (0\\.[1-9]|[1-9]\\d{0,2}\\.\\d) s$", "training on (1 process|2 processes) took .*$"),
        ("lines of all layers taken for each other", "replace: \\1\\4 COSINE", "replace: COSINE"),
    ),
    *in_file("tests/figures.py", "tests/notebooks/test_figures.py",
        ("figures compared on the average", "tiles.mean(axis=(2, 4)).max()", "tiles.mean()"),
        ("animations compared by one frame", "for frame in frames])", "for frame in list(frames)[:1]])"),
    ),
    *in_file("tools/refresh.py", "tests/unit/test_refresh.py",
        ("a file that a notebook reads changed unnoticed", " or name in _code_of(path)", ""),
    ),
    *in_file("helpers/plots/learning.py", "tests/unit/test_learning_plot.py",
        ("colors of signs exchanged", "[PARAMETER if weight > 0 else NEGATIVE for", "[NEGATIVE if weight > 0 else PARAMETER for"),
        ("a mean drawn for the median", "norms.quantile(0.5, dim=0).tolist()", "norms.mean(0).tolist()"),
        ("the worst rate ringed", "shown.index(min(shown))", "shown.index(max(shown))"),
    ),
    *in_file("helpers/plots/paths.py", "tests/unit/test_paths.py",
        ("a path without its start", "ax.plot(*path.T, color=color, linewidth=1.3", "ax.plot(*path[1:].T, color=color, linewidth=1.3"),
        ("names of runners exchanged", "ax.text(0.09 * last_step, row - 0.38, name", "ax.text(0.09 * last_step, row - 0.38, list(arrived)[-1 - row]"),
    ),
    *in_file("helpers/plots/layers.py", "tests/unit/test_layers.py",
        ("what is seen, a layer too narrow", "(side - 1) * stride + kernel", "(side - 1) * stride + kernel - 1"),
        ("a padded row one output short", "size + padding - dilation * (kernel - 1), stride", "size + padding - dilation * kernel, stride"),
    ),
    *in_file("helpers/plots/marks.py", "tests/unit/test_visual_language.py",
        ("a name at the start of its line", "float(line.get_ydata()[-1]))", "float(line.get_ydata()[0]))"),
        ("a band without its lowest run", "runs.amin(0).tolist()", "runs[1:].amin(0).tolist()"),
    ),
]  # fmt: skip


def main() -> int:
    """Run the mutants named on the command line, or all; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="of a mutant's name (default: all mutants)")
    parser.add_argument("--no-control", action="store_true", help="don't run the tests without a defect first")
    options = parser.parse_args()
    words = options.words or [""]
    mutants = [mutant for mutant in MUTANTS if any(word in mutant.name for word in words)]
    for mutant in mutants:
        if (times := _planted(mutant, ROOT)[1]) != 1:
            raise ValueError(f"{mutant.name}: expected {mutant.old!r} once in {mutant.file}, found it {times} times")
    controls = {mutant.tests: Mutant("(no defect)", mutant.file, "", "", mutant.tests) for mutant in mutants}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        copies = Queue()
        for number in range(WORKERS):
            copies.put(shutil.copytree(ROOT, Path(folder) / str(number), ignore=LEFT_OUT))
        if not options.no_control and any(pool.map(partial(_first_failure, copies), controls.values())):
            print("Something fails without a defect: nothing can be said.")
            return 1
        caught_by = list(pool.map(partial(_first_failure, copies), mutants))
    survivors = [mutant for mutant, test in zip(mutants, caught_by) if test is None]
    print(f"\n{len(mutants)} defects planted, {len(mutants) - len(survivors)} caught")
    print(*(f"SURVIVED: {mutant.name} ({mutant.file})" for mutant in survivors), sep="\n")
    return 1 if survivors else 0


def _first_failure(copies: Queue, mutant: Mutant) -> str | None:
    """Plant the defect in a copy, and return the first test that fails, or None."""
    copy = copies.get()
    path = copy / mutant.file
    original, start = path.read_text(encoding="utf-8"), time.perf_counter()
    try:
        if mutant.old:
            path.write_text(_planted(mutant, copy)[0], encoding="utf-8")
        test = _run(mutant.tests, copy)
    finally:
        path.write_text(original, encoding="utf-8")
        copies.put(copy)
    unnoticed = "SURVIVED" if mutant.old else f"passed: {mutant.tests}"
    print(f"{mutant.name:45} {time.perf_counter() - start:5.0f} s  {test or unnoticed}", flush=True)
    return test


def _planted(mutant: Mutant, root: Path) -> tuple[str, int]:
    """The file with the defect in it, and how often the old text stood there; of a notebook, its cells count."""
    text = (root / mutant.file).read_text(encoding="utf-8")
    if not mutant.file.endswith(".ipynb"):
        return text.replace(mutant.old, mutant.new), text.count(mutant.old)
    notebook, times = nbformat.reads(text, as_version=4), 0
    for cell in notebook.cells:
        times += cell.source.count(mutant.old)
        cell.source = cell.source.replace(mutant.old, mutant.new)
    return nbformat.writes(notebook), times


def _run(tests: str, copy: Path) -> str | None:
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not browser"]
    options = {"cwd": copy, "env": environment, "capture_output": True, "text": True}
    try:
        result = subprocess.run([*pytest, *tests.split()], timeout=900, **options)
    except subprocess.TimeoutExpired:
        return "(the tests never ended)"
    return (
        next(failed_tests(result.stdout), f"(pytest ended with code {result.returncode})")
        if result.returncode
        else None
    )


if __name__ == "__main__":
    sys.exit(main())
