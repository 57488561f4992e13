"""What a device refuses and allows, the helpers on it, and that a machine without one can simulate it."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn

from contenders import measure
from helpers import ConvNet, RandomPen, check_answer, mnist_dataset, read_digit, seed_everything, seeded_generator
from helpers.plots import trace_layers

ROOT = Path(__file__).resolve().parents[2]
ONE_TWO = torch.tensor([1.0, 2.0])
OTHER = torch.Generator()
# Each is an error on a real accelerator, too, where these tests run on it.
REFUSED = {
    "operands": lambda x: x + ONE_TWO,
    "a model left behind": lambda x: nn.Linear(2, 1)(x),
    "a batch left behind": lambda x: nn.Linear(2, 1).to(x.device)(ONE_TWO),
    "labels left behind": lambda x: F.nll_loss(x[None].log(), torch.tensor([0])),
    "an index from there": lambda x: ONE_TWO[x.long() - 1],
    "values from here": lambda x: x.index_put((torch.tensor([0, 1]),), ONE_TWO),
    "a number from here, stacked": lambda x: torch.stack([x[0], ONE_TWO[0]]),
    "a number here, written to": lambda x: torch.tensor(1.0).add_(x[0]),
    "a result here": lambda x: torch.add(x, x, out=torch.ones(2)),
    "a comparison": lambda x: torch.equal(x, ONE_TWO),
    "NumPy": lambda x: x.numpy(),
    "NumPy, unasked": lambda x: np.asarray(x),
    "an operand from NumPy": lambda x: np.ones(2) * x,
    "a line by matplotlib": lambda x: Figure().subplots().plot(x),
    "an image by matplotlib": lambda x: Figure().subplots().imshow(x[None]),
    "a generator from here": lambda x: torch.randperm(3, generator=OTHER, device=x.device),
    "a generator from here, in place": lambda x: x.clone().normal_(generator=OTHER),
}
ALLOWED = {
    "a number from here": lambda x: x * torch.tensor(2.0) / 2,
    "an index from here": lambda x: x[torch.tensor([0, 1])],
    "copies in both directions": lambda x: torch.zeros(2).copy_(torch.zeros_like(x).copy_(ONE_TWO)),
    "moving": lambda x: torch.from_numpy(x.cpu().numpy()).to(x.device),
    "NumPy, by force": lambda x: torch.from_numpy(x.numpy(force=True)),
    "reading": lambda x: torch.tensor([*x[:1].tolist(), x[1].item()]),
    "printing": lambda x: torch.tensor([float(f"{number:.1f}") for number in x]),
    "a shape changed in place": lambda x: x[None].clone().squeeze_() + torch.zeros_like(x),
    "a copy in depth": lambda x: copy.deepcopy(nn.ParameterList([x]))[0],
}


def is_refused(mistake, x):
    try:
        mistake(x)
    except (RuntimeError, TypeError):
        return True
    return False


@pytest.mark.parametrize("device", [pytest.param("accelerator", marks=pytest.mark.device)], indirect=True)
def test_mistakes_are_refused(device):
    assert [name for name, mistake in REFUSED.items() if not is_refused(mistake, ONE_TWO.to(device))] == []


def test_what_is_right_is_allowed(device):
    for name, use in ALLOWED.items():
        assert use(ONE_TWO.to(device)).tolist() == [1, 2], name


def test_a_network_moves_learns_and_has_random_numbers_of_the_device(device):
    seed_everything(0)
    network = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=1)  # of parameters that move afterwards
    network.to(device)(ONE_TWO.to(device)).sum().backward()
    before = network.weight.detach().clone()
    optimizer.step()
    assert network.weight.device == network.weight.grad.device == device
    torch.testing.assert_close(before - network.weight, ONE_TWO[None].to(device))
    with torch.autocast(device.type, torch.bfloat16):
        assert network(ONE_TWO.to(device)).dtype == torch.bfloat16
    draws = []
    for where in (device, device, "cpu"):
        seed_everything(1)
        draws.append(
            (
                torch.rand(3, device=where).tolist(),
                torch.rand(3, generator=seeded_generator(1, where), device=where).tolist(),
            )
        )
    assert draws[0] == draws[1] and (draws[1] == draws[2]) == (device.type == "cpu")


def test_the_helpers_take_what_is_there(device, capsys):
    images, _ = mnist_dataset(size=4, device=device).tensors
    network = ConvNet().to(device)
    assert trace_layers(network, images)[-1].shape == (10,)
    assert read_digit(network, images[0]).probabilities.device.type == "cpu"
    assert RandomPen(2, 10, images.min().item())(images).device == device
    assert next(measure("recipe", device, seed=0, epochs=1, train_size=6000))["accuracy"] > 0.8
    check_answer("0.1", ONE_TWO.to(device), ONE_TWO, "")
    assert capsys.readouterr().out == "Exercise 0.1: right.\n"


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a device, which need not be simulated")
@pytest.mark.slow
def test_marked_tests_run_on_a_simulated_device():
    command = "-m pytest -q -m device -p no:cacheprovider tests/unit"
    options = {"cwd": ROOT, "capture_output": True, "encoding": "utf-8", "timeout": 300}
    environment = {**os.environ, "TORCH_DEVICE": "gpu:0"}
    result = subprocess.run([sys.executable, *command.split()], env=environment, **options)
    passed = re.fullmatch(r"(\d+) passed, \d+ deselected in .*", result.stdout.splitlines()[-1])
    assert passed and int(passed[1]) > 10, result.stdout
