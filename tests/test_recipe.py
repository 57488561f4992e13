import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from helpers import (
    ConvNet,
    FastNet,
    Recipe,
    ReorderedConvNet,
    batch_loader,
    mnist_dataset,
    seed_everything,
    train_recipe,
)
from helpers import train as train_one_epoch


@pytest.fixture(scope="module")
def small_set():
    return mnist_dataset(size=1280)


def test_the_network_is_the_documented_one():
    model = FastNet()
    count = sum(parameter.numel() for parameter in model.parameters())
    assert f"{count:,} parameters" in FastNet.__doc__
    log_probabilities = model(torch.randn(5, 1, 28, 28))
    assert log_probabilities.shape == (5, 10)
    torch.testing.assert_close(log_probabilities.exp().sum(dim=1), torch.ones(5))


def test_the_reordered_network_takes_the_chapters_steps_bit_for_bit(small_set):
    def losses_and_weights(model_class):
        seed_everything(0)
        model = model_class()
        optim = torch.optim.Adadelta(model.parameters(), lr=0.5)
        return train_one_epoch(model, "cpu", batch_loader(small_set, 32, shuffle=True), optim, 1), model.state_dict()

    (losses, weights), (expected_losses, expected) = map(losses_and_weights, (ReorderedConvNet, ConvNet))
    assert losses == expected_losses
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_the_loss_is_the_cross_entropy_with_smoothed_labels():
    log_probabilities = torch.randn(6, 10).log_softmax(dim=1)
    labels = torch.tensor([3, 1, 4, 1, 5, 9])
    targets = torch.full((6, 10), 0.1 / 10)
    targets[torch.arange(6), labels] += 0.9
    expected = -(targets * log_probabilities).sum(dim=1).mean()
    torch.testing.assert_close(Recipe(label_smoothing=0.1).loss(log_probabilities, labels), expected)
    torch.testing.assert_close(
        Recipe(label_smoothing=0.0).loss(log_probabilities, labels), F.nll_loss(log_probabilities, labels)
    )


def test_the_learning_rate_rises_along_a_cosine_and_falls_to_nearly_zero():
    recipe = Recipe(epochs=2, learning_rate=0.5, warm_up=0.25)
    optim = recipe.optimiser(FastNet())
    scheduler = recipe.scheduler(optim, batches=50)
    rates = []
    for _ in range(100):
        rates.append(scheduler.get_last_lr()[0])
        optim.step()
        if len(rates) < 100:
            scheduler.step()
    assert rates[0] == pytest.approx(0.5 / 25) and rates[-1] == pytest.approx(0.5 / 25 / 1000)
    assert max(rates) == rates[24] == pytest.approx(0.5)
    middle = (0.5 / 25 + 0.5) / 2
    assert rates[12] == pytest.approx(middle)
    assert rates[24 + 15] == pytest.approx(0.25 * (1 + math.cos(math.pi * 15 / 75)), abs=1e-4)


def test_a_schedule_too_short_to_warm_up_is_an_error():
    recipe = Recipe(warm_up=0.25)
    optim = recipe.optimiser(FastNet())
    with pytest.raises(ValueError, match="a warm-up of 25% of 4 steps is less than two steps"):
        recipe.scheduler(optim, batches=4)
    assert recipe.scheduler(optim, batches=5).total_steps == 5


def test_the_reordered_network_names_the_shape_it_expects():
    with pytest.raises(ValueError, match=r"\(N, 1, 28, 28\), got \(28, 28\)"):
        ReorderedConvNet()(torch.zeros(28, 28))


def test_a_seed_repeats_a_run_and_another_does_not(small_set):
    first, second, other = (train_recipe(small_set, seed=seed)[1] for seed in (0, 0, 1))
    assert first == second != other
    assert len(first) == 10
    assert first[0] == pytest.approx(math.log(10), abs=0.5) and sum(first[-3:]) < 0.6 * sum(first[:3])


def test_the_recipes_values_are_used(small_set):
    _, losses = train_recipe(small_set, recipe=Recipe(epochs=3, batch_size=500))
    assert len(losses) == 3 * 3
    _, unchanged = train_recipe(small_set, recipe=Recipe(learning_rate=0.0, label_smoothing=0.0))
    assert min(unchanged) > 0.8 * math.log(10)  # nothing was learned
    model, _ = train_recipe(small_set)
    assert model.cn2.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_learning_rate_follows_the_schedule_to_its_end(small_set, monkeypatch):
    made = []
    make = Recipe.optimiser
    monkeypatch.setattr(Recipe, "optimiser", lambda recipe, model: made.append(make(recipe, model)) or made[-1])
    train_recipe(small_set, recipe=Recipe(learning_rate=0.02, epochs=2))
    assert made[0].param_groups[0]["lr"] < 0.02 / 50  # it began at 0.02 / 25


def test_a_few_thousand_images_are_enough_for_96_percent():
    model, _ = train_recipe(mnist_dataset(size=6000), recipe=Recipe(epochs=2))
    images, labels = mnist_dataset(train=False, size=2000).tensors
    with torch.no_grad():
        accuracy = (model.eval()(images).argmax(dim=1) == labels).double().mean()
    assert accuracy > 0.96


@pytest.mark.cuda
def test_the_data_sets_device_is_used():
    images, labels = mnist_dataset(size=256, device="cuda").tensors
    model, _ = train_recipe(TensorDataset(images, labels))
    assert model.fc.weight.device.type == "cuda"
