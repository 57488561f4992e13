import math

import pytest
import torch
import torch.nn.functional as F

from helpers import ConvNet, in_memory_loader, mnist_dataset, seed_everything
from helpers import train as train_one_epoch
from helpers.recipe import FastNet, Recipe, ReorderedConvNet, train_recipe


@pytest.fixture(scope="module")
def small_set():
    return mnist_dataset(size=1280)


def test_the_network_is_the_documented_one():
    model = FastNet()
    assert f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters" in FastNet.__doc__
    torch.testing.assert_close(model(torch.randn(5, 1, 28, 28)).exp().sum(dim=1), torch.ones(5))


def test_the_reordered_network_takes_the_chapters_steps_bit_for_bit(small_set):
    results = []
    for model_class in (ReorderedConvNet, ConvNet):
        seed_everything(0)
        model = model_class()
        optim = torch.optim.Adadelta(model.parameters(), lr=0.5)
        losses = train_one_epoch(model, "cpu", in_memory_loader(small_set, 32, shuffle=True), optim, 1)
        results.append((losses, {name: tensor.tolist() for name, tensor in model.state_dict().items()}))
    assert results[0] == results[1]


def test_the_loss_is_the_cross_entropy_with_smoothed_labels():
    logits, labels = torch.randn(6, 10), torch.tensor([3, 1, 4, 1, 5, 9])
    targets = 0.7 * F.one_hot(labels, 10) + 0.3 / 10
    expected = -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()
    for outputs in (logits, logits.log_softmax(dim=1)):
        torch.testing.assert_close(Recipe(label_smoothing=0.3).loss(outputs, labels), expected)


def test_the_learning_rate_rises_along_a_cosine_and_falls_to_nearly_zero():
    recipe = Recipe(epochs=2, learning_rate=0.5, warmup_fraction=0.25)
    optim = recipe.optimizer(FastNet())
    scheduler, rates = recipe.scheduler(optim, batches=50), []
    for _ in range(100):
        rates.append(scheduler.get_last_lr()[0])
        optim.step()
        scheduler.step()
    assert rates[0] == pytest.approx(0.5 / 25) and rates[-1] == pytest.approx(0.5 / 25 / 1000)
    assert max(rates) == rates[24] == pytest.approx(0.5) and rates[12] == pytest.approx((0.5 / 25 + 0.5) / 2)
    assert rates[24 + 15] == pytest.approx(0.25 * (1 + math.cos(math.pi * 15 / 75)), abs=1e-4)
    with pytest.raises(ValueError, match="4 steps are too few for a warm-up"):
        recipe.scheduler(optim, batches=2)
    assert recipe.scheduler(optim, batches=3).total_steps == 6


def test_the_optimizer_is_fused_where_pytorch_has_that():
    assert Recipe().optimizer(FastNet()).defaults["fused"]
    assert not Recipe().optimizer(FastNet().to("meta")).defaults["fused"]


def test_a_seed_repeats_a_run_by_the_recipes_values_and_another_does_not(small_set, monkeypatch):
    made, make = [], Recipe.optimizer
    monkeypatch.setattr(Recipe, "optimizer", lambda recipe, model: made.append(make(recipe, model)) or made[-1])
    recipe = Recipe(epochs=2, batch_size=100, learning_rate=0.02)
    (model, first), (_, second), (_, other) = (train_recipe(small_set, seed=seed, recipe=recipe) for seed in (0, 0, 1))
    assert first == second != other
    assert len(first) == 2 * 13 and sum(first[-3:]) < 0.6 * sum(first[:3])
    assert made[0].param_groups[0]["lr"] < 0.02 / 50  # the schedule began at 0.02 / 25
    assert model.cn2.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_few_thousand_images_are_enough_for_96_percent():
    model, _ = train_recipe(mnist_dataset(size=6000), recipe=Recipe(epochs=2))
    images, labels = mnist_dataset(train=False, size=2000).tensors
    assert (model.eval()(images).argmax(dim=1) == labels).double().mean() > 0.96


@pytest.mark.cuda
def test_the_data_sets_device_is_used():
    model, _ = train_recipe(mnist_dataset(size=1280, device="cuda"))
    assert model.fc.weight.device.type == "cuda"
