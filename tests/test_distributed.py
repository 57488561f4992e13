import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import TensorDataset

from helpers import (
    ConvNet,
    FastNet,
    Recipe,
    batch_loader,
    distributed,
    load_checkpoint,
    mnist_dataset,
    save_checkpoint,
    seed_everything,
)
from helpers import test as evaluate
from helpers import train as train_one_epoch
from helpers.distributed import share_batches, sum_over_processes

WORLD_SIZE = 2
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(WORLD_SIZE)]


@contextmanager
def torchrun(*arguments):
    """The job, which is ended when the test is, however that goes."""
    command = [*TORCHRUN, "-m", "helpers.distributed", "--device", "cpu", *map(str, arguments)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield job
    finally:
        job.terminate()  # torchrun then ends its workers
        job.communicate(timeout=60)


def output_of(*arguments):
    with torchrun(*arguments) as job:
        output, errors = job.communicate(timeout=300)
    assert job.returncode == 0, errors
    return output, errors


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


def test_a_shuffled_loader_without_a_seed_of_its_own_cannot_be_shared():
    loader = batch_loader(TensorDataset(torch.arange(64)), 16, shuffle=True)
    with pytest.raises(ValueError, match="a shuffled loader needs a generator"):
        share_batches(loader, 0, 2)
    assert len(share_batches(batch_loader(TensorDataset(torch.arange(64)), 16), 0, 2)) == 4


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
    meet(rank, folder)
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


def follow(rank, folder):
    """What ``train_distributed`` does in a run of two epochs, and in one that goes on from the first epoch's file."""
    torch.set_num_threads(1)
    meet(rank, folder)
    seen, weights = [], []

    def noting_train(model, *arguments, **options):
        hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].sum(dim=(1, 2, 3))))
        losses = train_one_epoch(model, *arguments, **options)
        hook.remove()
        weights.append({name: tensor.clone() for name, tensor in model.module.state_dict().items()})
        return losses

    def keeping_save(path, model, optim, epoch, **state):
        save_checkpoint(path, model, optim, epoch, **state)
        if epoch == 1:
            shutil.copy(path, Path(folder) / "first.pt")

    distributed.train, distributed.save_checkpoint = noting_train, keeping_save
    for name in ("whole.pt", "first.pt"):
        options = {"recipe": Recipe(epochs=2, batch_size=64), "train_size": 640, "checkpoint": Path(folder) / name}
        distributed.train_distributed(torch.device("cpu"), **options)
        dist.barrier()
    torch.save({"seen": torch.cat(seen), "weights": weights}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def meet(rank, folder):
    meeting = {"init_method": (Path(folder) / "meet").as_uri(), "timeout": timedelta(seconds=60)}
    dist.init_process_group("gloo", rank=rank, world_size=WORLD_SIZE, **meeting)


def results_of_two(function, folder):
    torch.multiprocessing.spawn(function, (str(folder),), nprocs=WORLD_SIZE)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD_SIZE)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return results_of_two(one_of_two, tmp_path_factory.mktemp("two"))


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


def test_a_distributed_run_shares_each_epoch_keeps_its_copies_equal_and_can_be_resumed(tmp_path):
    first, second = results_of_two(follow, tmp_path)
    images, _ = mnist_dataset(size=640).tensors
    everything = images.sum(dim=(1, 2, 3)).sort().values
    for epoch in (slice(0, 320), slice(320, 640)):
        seen = torch.cat([first["seen"][epoch], second["seen"][epoch]]).sort().values
        torch.testing.assert_close(seen, everything, rtol=1e-3, atol=1e-2)
    for name, tensor in first["weights"][1].items():
        assert torch.equal(tensor, first["weights"][2][name]), name  # as the run that went on from the file
        if not name.startswith("bn") or "running" not in name:  # these averages are of a process's own share
            assert torch.equal(tensor, second["weights"][1][name]), name


def test_processes_that_would_go_on_from_different_epochs_are_told(monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", lambda tensor, op: tensor.copy_(torch.tensor([0, 3])))
    with pytest.raises(
        RuntimeError, match="goes on after epoch 0, another after epoch 3: put the checkpoint on a disk"
    ):
        distributed._check_agreement(3, torch.device("cpu"))


# torchrun


def test_torchrun_trains_to_98_percent_and_only_rank_0_prints_and_writes(tmp_path):
    path = tmp_path / "run.pt"
    output, errors = output_of("--checkpoint", path)
    assert sorted(re.findall(r"^rank (\d) of 2: process \d+ on cpu$", output, flags=re.MULTILINE)) == ["0", "1"]
    [(correct, seen)] = re.findall(r"Overall Accuracy: (\d+)/(\d+)", output)
    assert int(seen) == 10_000 and int(correct) >= 9800
    assert errors.count("| 0/469 [") == 1
    assert list(tmp_path.iterdir()) == [path]

    model, recipe = FastNet(), Recipe()
    optim = recipe.optimiser(model)
    scheduler = recipe.scheduler(optim, batches=469)
    assert load_checkpoint(path, model, optim, scheduler=scheduler, generator=torch.Generator()) == 1
    result = evaluate(model, "cpu", batch_loader(mnist_dataset(train=False), 500), report=False)
    assert round(10_000 * result.accuracy) == int(correct)


@pytest.mark.filterwarnings("ignore:Unable to enable fault handler")  # as pytest has taken stderr
def test_one_process_alone_trains_and_finds_a_finished_run(tmp_path, monkeypatch, capsys, threads_kept):
    for name in ("RANK", "LOCAL_RANK", "MASTER_PORT"):  # port 0: any that is free
        monkeypatch.setenv(name, "0")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    arguments = ["--device", "cpu", "--epochs", "2", "--train-size", "1280", "--checkpoint", str(tmp_path / "run.pt")]
    distributed.main(arguments)
    first = capsys.readouterr()
    assert "rank 0 of 1" in first.out and "epoch 2" in first.err and "training on 1 process took" in first.out
    assert int(re.search(r"Accuracy: (\d+)/10000", first.out).group(1)) > 7000
    distributed.main(arguments)
    again = capsys.readouterr()
    assert "epoch" not in again.err and "training on" not in again.out
    assert re.findall("Overall .*", first.out) == re.findall("Overall .*", again.out) != []
    assert not dist.is_initialized()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_worker_that_is_killed_ends_the_job_with_its_rank(tmp_path):
    with torchrun("--epochs", "50") as job:
        lines = job.stdout.readline() + job.stdout.readline()
        (second,) = re.findall(r"rank 1 of 2: process (\d+)", lines)
        os.kill(int(second), signal.SIGKILL)
        _, errors = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "ChildFailedError" in errors and re.search(r"rank +: 1 ", errors) and "SIGKILL" in errors


def test_a_worker_that_fails_ends_the_job_with_its_message(tmp_path):
    with torchrun("--train-size", "1001", "--batch-size", "100") as job:
        _, errors = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "a batch of 1 cannot be shared by 2 processes" in errors


@pytest.mark.filterwarnings("ignore:Unable to enable fault handler")
def test_without_torchrun_the_command_is_told(monkeypatch, capsys):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(SystemExit, match="2"):
        distributed.main([])
    assert "python -m torch.distributed.run --standalone" in capsys.readouterr().err


def test_more_processes_than_gpus_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"2 processes need a GPU each, and this machine has 1: use --device cpu"):
        distributed._own_device("cuda")
    assert distributed._own_device(None) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert distributed._own_device(None) == torch.device("cuda:1")
