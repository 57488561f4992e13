import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import EdgeNet, Muon, Recipe, edge_filters, mnist_dataset, train_recipe
from helpers.recipe import orthogonalize


@pytest.fixture(scope="module")
def small_set():
    return mnist_dataset(size=3072)


def test_filters_are_derivatives_of_a_bell_along_evenly_spread_directions():
    filters = edge_filters(6)[:, 0]  # (6, 4, 4)
    torch.testing.assert_close(filters.sum(dim=(1, 2)), torch.zeros(6))
    torch.testing.assert_close(filters.norm(dim=(1, 2)), torch.ones(6))
    torch.testing.assert_close(filters[3], -filters[0])  # the opposite direction
    torch.testing.assert_close(filters[0], filters[0].flip(0))  # rows are alike: it finds vertical edges
    ramp = torch.arange(4.0).expand(4, 4)
    answers = (filters * ramp).sum(dim=(1, 2))
    expected = answers[0] * torch.tensor([math.cos(2 * math.pi * number / 6) for number in range(6)])
    torch.testing.assert_close(answers, expected, atol=1e-5, rtol=1e-4)


def test_the_network_has_no_gradient_for_its_edges_and_ignores_the_margin():
    model, images = EdgeNet(), torch.randn(5, 1, 28, 28)
    assert model(images).shape == (5, 10) and not model.edges.requires_grad and "edges" in model.state_dict()
    changed = images.clone()
    changed[:, :, :3], changed[:, :, :, 25:] = 9, 9
    torch.testing.assert_close(model.eval()(images), model(changed))
    torch.testing.assert_close(model(images), model(images + 5), atol=1e-4, rtol=1e-4)  # edges sum to 0
    assert EdgeNet(filters=4, channels=8, hidden=32)(images).shape == (5, 10)


def test_a_few_iterations_bring_the_singular_values_near_one_and_keep_the_directions():
    matrix = torch.randn(8, 30, dtype=torch.float64)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalize(matrix, 5)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6 and values.max() < 1.3
    torch.testing.assert_close(u.T @ result @ v.T, (u.T @ result @ v.T).diag().diag(), atol=1e-8, rtol=0)
    assert torch.linalg.svdvals(orthogonalize(1000 * matrix, 5)).max() < 1.3  # whatever its size


def test_a_step_of_muon_is_momentum_with_a_look_ahead_made_orthogonal():
    weight = nn.Parameter(torch.zeros(4, 2, 3, 3))
    optimizer = Muon([weight], 0.5, momentum=0.8, iterations=2)
    mean, expected = torch.zeros(4, 18), torch.zeros(4, 18)
    for _ in range(3):
        weight.grad = torch.randn(4, 2, 3, 3)
        optimizer.step()
        gradient = weight.grad.flatten(1)
        mean = 0.8 * mean + 0.2 * gradient
        expected -= 0.5 * orthogonalize(0.2 * gradient + 0.8 * mean, 2)
        torch.testing.assert_close(weight.detach().flatten(1), expected)


def test_muon_takes_the_kernels_and_matrices_before_the_last_and_both_rates_rise_and_fall(small_set, monkeypatch):
    rates, shapes, step = [], [], Muon.step

    def noting_step(optimizer):
        (group,) = optimizer.param_groups
        rates.append(group["lr"])
        shapes.append([tuple(weight.shape) for weight in group["params"]])
        step(optimizer)

    monkeypatch.setattr(Muon, "step", noting_step)
    recipe = Recipe(fraction=1, batch_size=128, muon_rate=0.4, warmup=0.25)
    train_recipe(small_set, recipe=recipe)
    assert shapes == [[(16, 6, 3, 3), (128, 256)]] * 24
    assert rates[0] == pytest.approx(0.4 / 5) and max(rates) == rates[5] and max(rates) == pytest.approx(0.4)
    assert rates[-1] < 0.4 / 1000 and sorted(rates[5:], reverse=True) == rates[5:]


def test_labels_are_smoothed(small_set, monkeypatch):
    seen, loss = [], F.cross_entropy
    monkeypatch.setattr(F, "cross_entropy", lambda *inputs, **options: seen.append(options) or loss(*inputs, **options))
    train_recipe(small_set, recipe=Recipe(batch_size=256, label_smoothing=0.3))
    assert seen == [{"label_smoothing": 0.3}] * round(0.85 * 12)


def test_a_seed_repeats_a_run_and_another_does_not(small_set):
    recipe = Recipe(batch_size=128)
    (model, first), (_, second), (_, other) = (train_recipe(small_set, seed=seed, recipe=recipe) for seed in (0, 0, 1))
    assert first == second != other
    assert len(first) == 20 and sum(first[-3:]) < 0.6 * sum(first[:3])
    assert model.cn.weight.is_contiguous(memory_format=torch.channels_last)


def test_no_image_is_seen_twice(small_set):
    seen = []

    class Noting(EdgeNet):
        def forward(self, images):
            seen.append(images)
            return super().forward(images)

    train_recipe(small_set, recipe=Recipe(batch_size=256), make_model=Noting)
    images = torch.cat(seen).flatten(1)
    assert len(images) == 10 * 256 == len(images.unique(dim=0))


def test_too_few_images_for_a_warm_up_are_an_error():
    with pytest.raises(ValueError, match="2 steps are too few for a warm-up"):
        train_recipe(mnist_dataset(size=900))


def test_twelve_thousand_images_are_enough_for_97_percent():
    model, _ = train_recipe(mnist_dataset(size=12_000), recipe=Recipe(fraction=1, batch_size=128))
    images, labels = mnist_dataset(train=False, size=2000).tensors
    assert (model.eval()(images).argmax(dim=1) == labels).double().mean() > 0.97


def test_the_data_sets_device_is_used(device):
    model, losses = train_recipe(mnist_dataset(size=6000, device=device))
    assert model.fc2.weight.device == device and losses[-1] < losses[0] / 2
