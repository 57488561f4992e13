import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import ConvNet, seed_everything, trace_layers

KEYS = "cn1.weight cn1.bias cn2.weight cn2.bias fc1.weight fc1.bias fc2.weight fc2.bias"


def test_parameters_keys_and_outputs_are_the_chapters():
    model, images = ConvNet().eval(), torch.randn(3, 1, 28, 28)
    assert sum(parameter.numel() for parameter in model.parameters()) == 300_426
    assert " ".join(model.state_dict()) == KEYS
    maps = F.max_pool2d(model.cn2(model.cn1(images).relu()).relu(), 2)
    expected = model.fc2(model.fc1(maps.reshape(3, -1)).relu()).log_softmax(dim=1)
    torch.testing.assert_close(model(images), expected)


@pytest.mark.filterwarnings("error")
def test_dropout_drops_maps_then_units_at_the_chapters_rates_in_training_only():
    seed_everything(0)
    model, inputs = ConvNet(), {}
    for name in ("fc1", "fc2"):
        getattr(model, name).register_forward_pre_hook(lambda _, args, name=name: inputs.update({name: args[0]}))
    for layer in (model.cn2, model.fc1):  # so that 1 is all that reaches dropout
        nn.init.zeros_(layer.weight)
        nn.init.ones_(layer.bias)
    model(torch.randn(400, 1, 28, 28))
    maps_dropped = (inputs["fc1"].reshape(400, 32, 144) == 0).float()
    assert torch.equal(maps_dropped.amax(2), maps_dropped.amin(2))
    assert maps_dropped.mean().item() == pytest.approx(0.10, abs=0.02)
    assert (inputs["fc2"] == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    model.eval()(torch.randn(2, 1, 28, 28))
    assert inputs["fc1"].min() == inputs["fc2"].min() == 1


def test_the_layers_of_the_chapters_network_are_traced():
    layers = trace_layers(ConvNet(), torch.zeros(1, 1, 28, 28))
    names = "images cn1 relu cn2 relu max_pool2d dp1 flatten fc1 relu dp2 fc2 log_softmax"
    assert " ".join(layer.name for layer in layers) == names
    assert [layer.shape for layer in layers[4:8]] == [(32, 24, 24), (32, 12, 12), (32, 12, 12), (4608,)]
    assert sum(layer.parameters for layer in layers) == 300_426


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory, self.inner = nn.LSTM(3, 5, batch_first=True), nn.Sequential(nn.Linear(5, 5), nn.Tanh())

    def forward(self, x):
        states, _ = self.memory(x)
        return states + self.inner(states)


def test_the_layers_of_a_branching_network_are_traced_with_their_sources():
    model = Recurrent()
    assert [tuple(layer) for layer in trace_layers(model, torch.zeros(2, 7, 3))] == [
        ("x", None, (7, 3), 0, ()),
        ("memory", model.memory, (7, 5), 200, (0,)),
        ("inner.0", model.inner[0], (7, 5), 30, (1,)),
        ("inner.1", model.inner[1], (7, 5), 0, (2,)),
        ("add", None, (7, 5), 0, (1, 3)),
    ]
