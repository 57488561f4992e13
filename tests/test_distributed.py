import os
import re
import signal
import subprocess
import sys
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import TensorDataset

from helpers import ConvNet, FastNet, Recipe, batch_loader, load_checkpoint, mnist_dataset, seed_everything
from helpers import test as evaluate
from helpers import train as train_one_epoch
from helpers.distributed import share_batches, sum_over_processes

WORLD_SIZE = 2
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(WORLD_SIZE)]


def torchrun(*arguments, **options):
    command = [*TORCHRUN, "-m", "helpers.distributed", "--device", "cpu", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


# Shares


def loader_of_numbers(samples, batch_size, **options):
    generator = torch.Generator().manual_seed(0)
    return batch_loader(TensorDataset(torch.arange(samples)), batch_size, generator=generator, **options)


@pytest.mark.parametrize(("samples", "batch_size", "world_size"), [(64, 16, 2), (101, 16, 2), (103, 16, 7), (5, 8, 5)])
def test_every_sample_is_in_exactly_one_share_of_its_batch(samples, batch_size, world_size):
    whole = [numbers for (numbers,) in loader_of_numbers(samples, batch_size, shuffle=True)]
    shares = [
        share_batches(loader_of_numbers(samples, batch_size, shuffle=True), rank, world_size)
        for rank in range(world_size)
    ]
    assert all(len(share) == len(whole) for share in shares)
    for batch, *parts in zip(whole, *([numbers for (numbers,) in share] for share in shares)):
        assert torch.equal(torch.cat(parts).sort().values, batch.sort().values)
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_the_second_epochs_order_is_shared_too():
    loaders = [share_batches(loader_of_numbers(64, 16, shuffle=True), rank, 2) for rank in range(2)]
    epochs = [sorted(int(n) for loader in loaders for (batch,) in loader for n in batch) for _ in range(2)]
    assert epochs[0] == epochs[1] == list(range(64))


@pytest.mark.parametrize(
    ("samples", "rank", "world_size", "message"),
    [
        (33, 0, 2, "a batch of 1 cannot be shared by 2 processes"),
        (32, 0, 17, "a batch of 16 cannot be shared by 17"),
        (32, 2, 2, "rank must be from 0 to 1.*got 2"),
        (32, -1, 2, "rank must be from 0 to 1.*got -1"),
    ],
)
def test_shares_that_cannot_be_are_errors(samples, rank, world_size, message):
    with pytest.raises(ValueError, match=message):
        share_batches(loader_of_numbers(samples, 16), rank, world_size)


# Two processes against one


def convnet_without_dropout():
    seed_everything(0)
    model = ConvNet()
    model.dp1, model.dp2 = nn.Identity(), nn.Identity()  # the masks of two processes differ from those of one
    return model


def loader_of_digits(samples=128):
    return batch_loader(mnist_dataset(size=samples), 32, shuffle=True, generator=torch.Generator().manual_seed(0))


def gradients(model, loader):
    images, labels = next(iter(loader))
    F.nll_loss(model(images), labels).backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def train_and_test(model, loader, test_loader, **options):
    optim = torch.optim.SGD(model.parameters(), lr=0.05)
    for epoch in (1, 2):
        train_one_epoch(model, "cpu", loader, optim, epoch, progress=False)
    result = evaluate(model, "cpu", test_loader, report=False, **options)
    return [parameter.detach().clone() for parameter in model.parameters()], result


def one_of_two(rank, folder):
    """What one process does; its results are left in a file for the test to read."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD_SIZE)
    shared = partial(share_batches, rank=rank, world_size=WORLD_SIZE)
    found = gradients(DistributedDataParallel(convnet_without_dropout()), shared(loader_of_digits()))
    weights, result = train_and_test(
        DistributedDataParallel(convnet_without_dropout()),
        shared(loader_of_digits()),
        shared(batch_loader(mnist_dataset(train=False, size=201), 50 + 51)),
        sum_over_processes=sum_over_processes,
    )
    seen = [labels for _, labels in shared(loader_of_digits(126))]
    torch.save({"gradients": found, "weights": weights, "result": tuple(result), "seen": seen}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    torch.multiprocessing.spawn(one_of_two, (str(folder),), nprocs=WORLD_SIZE)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD_SIZE)]


def test_two_processes_with_half_a_batch_each_have_the_gradients_of_one_with_the_whole(two):
    whole = gradients(convnet_without_dropout(), loader_of_digits())
    for own in two:
        for gradient, expected in zip(own["gradients"], whole):
            assert expected.abs().max() > 1e-4
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


def test_two_processes_train_to_the_weights_of_one(two):
    test_loader = batch_loader(mnist_dataset(train=False, size=201), 101)
    weights, result = train_and_test(convnet_without_dropout(), loader_of_digits(), test_loader)
    initial = list(convnet_without_dropout().parameters())
    for own in two:
        for weight, expected, start in zip(own["weights"], weights, initial):
            torch.testing.assert_close(weight, expected, rtol=1e-3, atol=1e-5)
            assert (expected - start).abs().max() > 1e-3
        assert own["result"] == pytest.approx(tuple(result), rel=1e-4)
    assert two[0]["result"] == two[1]["result"]


def test_two_processes_see_each_image_once(two):
    seen = torch.cat([labels for own in two for labels in own["seen"]])
    labels = mnist_dataset(size=126).tensors[1]
    assert torch.equal(torch.bincount(seen, minlength=10), torch.bincount(labels, minlength=10)) and len(seen) == 126


# torchrun


def test_torchrun_trains_to_98_percent_and_only_rank_0_prints_and_writes(tmp_path):
    path = tmp_path / "run.pt"
    output, errors = torchrun("--checkpoint", path).communicate(timeout=300)
    assert re.findall(r"rank (\d) of 2: process \d+ on cpu", "".join(sorted(output.splitlines()))) == ["0", "1"], errors
    [(correct, seen)] = re.findall(r"Overall Accuracy: (\d+)/(\d+)", output)
    assert int(seen) == 10_000 and int(correct) >= 9800
    assert errors.count("epoch 1: 100%") == 1
    assert list(tmp_path.iterdir()) == [path]

    model, recipe = FastNet(), Recipe()
    optim = recipe.optimiser(model)
    scheduler = recipe.scheduler(optim, batches=469)
    assert load_checkpoint(path, model, optim, scheduler=scheduler, generator=torch.Generator()) == 1
    result = evaluate(model, "cpu", batch_loader(mnist_dataset(train=False), 500), report=False)
    assert round(10_000 * result.accuracy) == int(correct)


def test_torchrun_goes_on_from_a_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    arguments = ["--epochs", "2", "--train-size", "2048", "--checkpoint", path]
    first, _ = torchrun(*arguments).communicate(timeout=300)
    again, errors = torchrun(*arguments).communicate(timeout=300)  # both epochs are done: it only tests
    assert "epoch" not in errors
    assert re.findall("Overall .*", first) == re.findall("Overall .*", again) != []


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_worker_that_is_killed_ends_the_job_with_its_rank(tmp_path):
    with torchrun("--epochs", "50") as job:
        started = dict(re.match(r"rank (\d) of 2: process (\d+)", job.stdout.readline()).groups() for _ in range(2))
        os.kill(int(started["1"]), signal.SIGKILL)
        _, errors = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "ChildFailedError" in errors and re.search(r"rank +: 1 ", errors) and "SIGKILL" in errors


def test_a_worker_that_fails_ends_the_job_with_its_message(tmp_path):
    job = torchrun("--train-size", "1001", "--batch-size", "100")
    _, errors = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "a batch of 1 cannot be shared by 2 processes" in errors


def test_without_torchrun_the_command_is_told():
    result = subprocess.run([sys.executable, "-m", "helpers.distributed"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "python -m torch.distributed.run --standalone" in result.stderr


def test_more_processes_than_gpus_is_a_clear_error(monkeypatch):
    from helpers.distributed import _own_device

    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"2 processes need a GPU each, and this machine has 1: use --device cpu"):
        _own_device("cuda")
    assert _own_device(None) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _own_device(None) == torch.device("cuda:1")
