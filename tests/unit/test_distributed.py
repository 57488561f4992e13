import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler, SubsetRandomSampler, TensorDataset

from helpers import ConvNet, data, distributed, in_memory_loader, mnist_dataset, training
from helpers.checkpoint import save_checkpoint
from helpers.device import seed_everything, seeded_generator
from helpers.distributed import all_reduce_sum, shard_batches

needs_gloo = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="this PyTorch is built without gloo"
)


def loader_of_numbers(samples):
    return in_memory_loader(TensorDataset(torch.arange(samples)), 16, shuffle=True, generator=seeded_generator(0))


@pytest.mark.parametrize(("samples", "world_size"), [(64, 2), (101, 2), (103, 7)])
def test_every_sample_is_in_exactly_one_share_of_its_batch(samples, world_size):
    whole = loader_of_numbers(samples)
    shares = [shard_batches(loader_of_numbers(samples), rank, world_size) for rank in range(world_size)]
    for _ in range(2):  # the second epoch's order is shared, too
        batches = [list(loader) for loader in (whole, *shares)]
        assert {len(epoch) for epoch in batches} == {len(shares[0])}
        for (batch,), *parts in zip(*batches):
            parts = [part for (part,) in parts]
            assert torch.equal(torch.cat(parts).sort().values, batch.sort().values)
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("make_sampler", [RandomSampler, SubsetRandomSampler])
def test_a_random_sampler_is_shared_if_it_has_a_generator_of_its_own(make_sampler):
    numbers = range(64)
    samplers = [make_sampler(numbers, generator=seeded_generator(0)) for _ in range(3)]
    whole, *parts = [DataLoader(numbers, 16, sampler=sampler) for sampler in samplers]
    shares = [shard_batches(loader, rank, 2) for rank, loader in enumerate(parts)]
    for batch, first, second in zip(whole, *shares, strict=True):
        assert torch.equal(first, batch[::2]) and torch.equal(second, batch[1::2])
    unsure = DataLoader(numbers, 16, sampler=make_sampler(numbers), generator=seeded_generator(0))
    with pytest.raises(ValueError, match="a shuffled loader needs a generator"):
        shard_batches(unsure, 0, 2)


def test_a_share_keeps_its_loaders_options_and_a_batch_that_is_dropped_may_be_small():
    def worker_init(worker):
        pass

    options = {"num_workers": 2, "worker_init_fn": worker_init, "prefetch_factor": 3, "persistent_workers": True}
    whole = DataLoader(range(33), 16, drop_last=True, sampler=SequentialSampler(range(33)), **options)
    share = shard_batches(whole, 1, 2)
    assert {name: getattr(share, name) for name in options} == options
    assert len(share) == 2
    assert [batch.tolist() for batch in shard_batches(DataLoader(range(5), 4, drop_last=True), 1, 2)] == [[1, 3]]


def test_loaders_that_cannot_be_shared_are_errors():
    with pytest.raises(ValueError, match="a shuffled loader needs a generator"):
        shard_batches(in_memory_loader(TensorDataset(torch.arange(64)), 16, shuffle=True), 0, 2)
    for samples, world_size, smallest in ((33, 2, 1), (32, 17, 16)):
        with pytest.raises(ValueError, match=f"a batch of {smallest}, .* shared by {world_size} processes"):
            shard_batches(loader_of_numbers(samples), 0, world_size)


def at_most_1000_images(train=True, *, size=None, **options):
    return mnist_dataset(train, size=size or 1000, **options)


def train_and_test(wrap, share, **options):
    """Weights and result of the chapter's network after an epoch; without dropout, whose masks would differ."""
    seed_everything(0)
    model = ConvNet()
    model.dp1, model.dp2 = nn.Identity(), nn.Identity()
    loader = in_memory_loader(mnist_dataset(size=256), 32, shuffle=True, generator=seeded_generator(0))
    optim = torch.optim.SGD(model.parameters(), lr=0.05)
    training.train(wrap(model), "cpu", share(loader), optim, 1, progress=False)
    test_loader = share(in_memory_loader(mnist_dataset(train=False, size=201), 101))
    return model.state_dict(), tuple(training.test(model, "cpu", test_loader, report=False, **options))


def one_of_two(rank, folder):
    """What one process does; its results are left in a file."""
    torch.set_num_threads(1)
    meeting = {"init_method": (folder / "meeting").as_uri(), "timeout": timedelta(seconds=120)}
    dist.init_process_group("gloo", rank=rank, world_size=2, **meeting)
    share = partial(shard_batches, rank=rank, world_size=2)
    weights, result = train_and_test(DistributedDataParallel, share, all_reduce_sum=all_reduce_sum)
    seen = []

    def noting_train(model, device, loader, *arguments, **options):
        batches = list(loader)
        seen.append(torch.cat([images.flatten(1) for images, _ in batches]))
        return training.train(model, device, batches, *arguments, **options)

    def save_under_another_name(path, model, optim, epoch, **state):
        save_checkpoint(f"{path}.{epoch}", model, optim, epoch, **state)

    distributed.train, distributed.save_checkpoint = noting_train, save_under_another_name
    data.mnist_dataset = at_most_1000_images
    options = {"epochs": 2, "batch_size": 64, "train_size": 640}
    whole = distributed.train_distributed(torch.device("cpu"), checkpoint=folder / "run", **options)
    resumed = distributed.train_distributed(torch.device("cpu"), checkpoint=folder / "run.1", **options)
    results = {"whole": tuple(whole), "resumed": tuple(resumed), "seen": list(seen)}
    seen_by_one = folder / "run.1" if rank == 1 else folder / "elsewhere"
    with pytest.raises(ValueError, match="not all processes see the same checkpoint"):
        distributed.train_distributed(torch.device("cpu"), checkpoint=seen_by_one, **options)
    results["trained with different checkpoints"] = len(seen) > len(results["seen"])
    torch.save({"weights": weights, "result": result, **results}, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    torch.multiprocessing.spawn(one_of_two, (folder,), nprocs=2)
    return folder, [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@needs_gloo
@pytest.mark.slow
def test_two_processes_train_to_the_weights_of_one(two):
    weights, result = train_and_test(lambda model: model, lambda loader: loader)
    for own in two[1]:
        torch.testing.assert_close(own["weights"], weights, rtol=1e-3, atol=1e-5)
        assert own["result"] == pytest.approx(result, rel=1e-4)


@needs_gloo
@pytest.mark.slow
def test_a_distributed_run_shares_each_epoch_keeps_its_copies_equal_and_can_be_resumed(two):
    folder, (first, second) = two
    images = mnist_dataset(size=640).tensors[0].flatten(1)
    assert not first["trained with different checkpoints"] and not second["trained with different checkpoints"]
    assert len(first["seen"]) == 3  # the first run's two epochs, and the resumed run's one
    for halves in zip(first["seen"], second["seen"]):
        assert torch.equal(torch.cat(halves).unique(dim=0), images.unique(dim=0))
    assert torch.equal(first["seen"][1], first["seen"][2])
    assert first["whole"] == first["resumed"] == second["whole"] == second["resumed"]
    whole, resumed = (torch.load(folder / name, weights_only=True)["model"] for name in ("run.2", "run.1.2"))
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    model = ConvNet()
    model.load_state_dict(whole)  # the first process's; both have tested theirs
    result = training.test(model, "cpu", in_memory_loader(at_most_1000_images(train=False), 500), report=False)
    assert first["whole"] == pytest.approx(tuple(result), rel=1e-5)


RENAMED = "unshare", "--uts", "--map-root-user", "sh", "-c", 'hostname nowhere.invalid && exec "$@"', "sh"


def torchrun(*arguments):
    """Run a job on a machine whose name leads nowhere, where this one lets a process have another name."""
    can_rename = shutil.which("unshare") and not subprocess.run([*RENAMED, "true"], capture_output=True).returncode
    command = [
        *RENAMED * bool(can_rename),
        sys.executable,
        *distributed.COMMAND.split()[1:],
        "--device",
        "cpu",
        *map(str, arguments),
    ]
    environment = {**os.environ, "USE_LIBUV": "0"} if os.name == "nt" else None  # PyTorch for Windows lacks libuv
    options = {"cwd": Path(distributed.__file__).parents[1], "env": environment, "timeout": 300}
    return subprocess.run(command, capture_output=True, text=True, **options)


@needs_gloo
@pytest.mark.slow
def test_under_torchrun_only_the_first_process_reports_and_writes(tmp_path):
    job = torchrun("--train-size", 3200, "--checkpoint", tmp_path / "run.pt")
    assert job.returncode == 0, job.stderr
    assert sorted(re.findall(r"^rank (\d) of 2: process \d+ on cpu$", job.stdout, flags=re.MULTILINE)) == ["0", "1"]
    [correct] = re.findall(r"Overall Accuracy: (\d+)/10000", job.stdout)
    assert int(correct) > 8000
    assert job.stderr.count("| 0/100 [") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


@needs_gloo
@pytest.mark.slow
def test_a_worker_that_fails_ends_the_job_with_its_message():
    job = torchrun("--train-size", 1001, "--batch-size", 100)
    assert job.returncode == 1
    assert "ValueError: a batch of 1, perhaps the last one, cannot be shared by 2 processes" in job.stderr


@needs_gloo
@pytest.mark.filterwarnings("ignore:Unable to enable fault handler")  # as pytest has taken stderr
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_one_process_alone_trains_and_finds_a_finished_run(device, tmp_path, monkeypatch, capsys, threads_kept):
    names = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    for name, value in {**names, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "USE_LIBUV": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(data, "mnist_dataset", at_most_1000_images)
    arguments = ["--device", device, "--epochs", "2", "--train-size", "640", "--checkpoint", str(tmp_path / "run.pt")]
    distributed.main(arguments)
    first = capsys.readouterr()
    assert f"on {device}" in first.out and "epoch 2" in first.err and "training on 1 process took" in first.out
    distributed.main(arguments)
    again = capsys.readouterr()
    assert "epoch" not in again.err and "training on" not in again.out
    assert re.findall("Overall .*", first.out) == re.findall("Overall .*", again.out) != []


@pytest.mark.filterwarnings("ignore:Unable to enable fault handler")
def test_without_torchrun_the_command_is_told(monkeypatch, capsys):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(SystemExit, match="2"):
        distributed.main([])
    assert "python -m torch.distributed.run --standalone" in capsys.readouterr().err


def test_each_process_has_a_gpu_of_its_own_or_all_have_the_cpu(monkeypatch):
    def device_of_second(option, variable, gpus):
        monkeypatch.setenv("TORCH_DEVICE", variable)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        return str(distributed._own_device(option, 1, 2))

    assert [device_of_second(None, "", gpus) for gpus in (0, 1, 2)] == ["cpu", "cpu", "cuda:1"]
    assert [device_of_second(None, variable, 2) for variable in ("cpu", "cuda:0")] == ["cpu", "cuda:1"]
    assert [device_of_second("cpu", "cuda", 2), device_of_second("cuda", "cpu", 2)] == ["cpu", "cuda:1"]
    for name in ("mps", "cdua", "cudax"):
        with pytest.raises(ValueError, match=f"on cpu or cuda, not on '{name}': see TORCH_DEVICE"):
            device_of_second(None, name, 2)
    for option, variable in ((None, "cuda"), ("cuda", "")):
        with pytest.raises(ValueError, match=r"2 processes need a GPU each, and this machine has 1: use --device cpu"):
            device_of_second(option, variable, 1)
