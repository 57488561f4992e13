import inspect
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import ConvNet, mnist_dataset, model_stages, seed_everything

KEYS = "cn1.weight cn1.bias cn2.weight cn2.bias fc1.weight fc1.bias fc2.weight fc2.bias"


def test_parameters_and_keys_are_the_chapters():
    model = ConvNet()
    assert sum(parameter.numel() for parameter in model.parameters()) == 300_426
    assert " ".join(model.state_dict()) == KEYS
    assert {name for name, _ in model.named_children()} == {"cn1", "cn2", "dp1", "dp2", "fc1", "fc2"}
    assert not inspect.signature(ConvNet).parameters


def test_output_is_log_probabilities():
    log_probabilities = ConvNet()(torch.randn(5, 1, 28, 28))
    assert log_probabilities.shape == (5, 10)
    torch.testing.assert_close(log_probabilities.exp().sum(dim=1), torch.ones(5))


def test_forward_is_the_chapters_network():
    model = ConvNet().eval()
    images = torch.randn(3, 1, 28, 28)
    maps = F.max_pool2d(model.cn2(model.cn1(images).relu()).relu(), 2)
    expected = model.fc2(model.fc1(maps.reshape(3, -1)).relu()).log_softmax(dim=1)
    torch.testing.assert_close(model(images), expected)


def test_dropout_drops_maps_then_units_at_the_chapters_rates():
    model = ConvNet().train()
    seed_everything(0)
    dropped_maps = (model.dp1(torch.ones(400, 32, 12, 12)) == 0).float()
    assert torch.equal(dropped_maps.amax((2, 3)), dropped_maps.amin((2, 3)))
    assert dropped_maps.mean().item() == pytest.approx(0.10, abs=0.02)
    dropped_units = (model.dp2(torch.ones(400, 64)) == 0).float()
    assert dropped_units.mean().item() == pytest.approx(0.25, abs=0.02)


def test_dropout_is_active_in_training_only():
    model, images = ConvNet(), torch.randn(8, 1, 28, 28)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_a_gradient_reaches_every_parameter():
    model = ConvNet()
    F.nll_loss(model(torch.randn(8, 1, 28, 28)), torch.arange(8)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_it_can_learn_32_images_by_heart():
    seed_everything(0)
    model = ConvNet()
    images, labels = mnist_dataset(size=32).tensors
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(80):
        optimiser.zero_grad()
        F.nll_loss(model(images), labels).backward()
        optimiser.step()
    assert F.nll_loss(model.eval()(images), labels) < 0.01


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (4, 28, 28), (4, 3, 28, 28), (4, 1, 32, 32), (4, 784)])
def test_a_wrong_shape_is_an_error_that_names_the_expected_one(shape):
    with pytest.raises(ValueError, match=r"\(N, 1, 28, 28\), got \(" + ", ".join(map(str, shape))):
        ConvNet()(torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64, torch.int64])
def test_a_wrong_dtype_is_an_error_that_names_the_expected_one(dtype):
    with pytest.raises(ValueError, match=rf"\(N, 1, 28, 28\) of dtype torch.float32.*{dtype}"):
        ConvNet()(torch.zeros(2, 1, 28, 28, dtype=dtype))
    assert ConvNet().double()(torch.zeros(2, 1, 28, 28).double()).dtype == torch.float64


def test_nothing_warns():
    script = "from helpers import ConvNet; import torch; ConvNet().train()(torch.zeros(2, 1, 28, 28))"
    result = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_stages_follow_the_forward_pass():
    stages = model_stages(ConvNet(), torch.zeros(1, 1, 28, 28))
    names = " ".join(stage.name for stage in stages)
    assert names == "images cn1 relu cn2 relu max_pool2d dp1 flatten fc1 relu dp2 fc2 log_softmax"
    shapes = {stage.name: stage.shape for stage in stages}
    assert shapes["cn1"] == (16, 26, 26)
    assert shapes["max_pool2d"] == (32, 12, 12)
    assert shapes["flatten"] == (4608,)
    assert sum(stage.parameters for stage in stages) == 300_426


def test_stages_of_another_model():
    stages = model_stages(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), torch.zeros(2, 4))
    assert [(stage.shape, stage.parameters) for stage in stages] == [((4,), 0), ((3,), 15), ((3,), 0)]
