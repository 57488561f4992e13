import inspect
import math
import subprocess
import sys
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

import helpers
from contenders import ChaptersNet
from helpers import ConvNet, batch_loader, fit, mnist_dataset, seed_everything
from helpers import test as evaluate
from helpers import train as train_one_epoch


@pytest.fixture(scope="module")
def small_set():
    return mnist_dataset(size=640)


def linear_model():
    seed_everything(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1))


def sgd(model, learning_rate=0.01):
    return torch.optim.SGD(model.parameters(), lr=learning_rate)


def constant_model(log_probabilities):
    """Answers the same for every image; it has one parameter, which it does not use."""

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))

        def forward(self, images):
            return log_probabilities.expand(len(images), -1) + 0 * self.unused

    return Constant()


# The chapter's contract


def test_signatures_are_the_chapters():
    for function, names in (
        (train_one_epoch, "model device train_dataloader optim epoch"),
        (evaluate, "model device test_dataloader"),
    ):
        parameters = inspect.signature(function).parameters.values()
        assert " ".join(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD) == names
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters if p.name not in names.split())
    assert helpers.test.__test__ is False


def book_loop(model, device, train_dataloader, optim, epoch):
    """A training loop that asks of a loader what the chapter's does: batches, its length, its dataset's length."""
    model.train()
    losses = []
    for b_i, (X, y) in enumerate(train_dataloader):  # noqa: N806 - the chapter's name
        X, y = X.to(device), y.to(device)  # noqa: N806
        optim.zero_grad()
        loss = F.nll_loss(model(X), y)
        loss.backward()
        optim.step()
        losses.append(loss.item())
        if b_i % 10 == 0:
            assert 0 <= 100.0 * b_i / len(train_dataloader) < 100
            assert 0 <= b_i * len(X) < len(train_dataloader.dataset)
    return losses


def test_the_chapters_code_on_our_loader_takes_the_very_same_steps(small_set):
    def losses(model_class, loop):
        seed_everything(0)
        model = model_class()
        loader = batch_loader(small_set, 32, shuffle=True, generator=torch.Generator().manual_seed(0))
        return loop(model, "cpu", loader, torch.optim.Adadelta(model.parameters(), lr=0.5), 1), model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Dropout2d of a flat input: why ConvNet has Dropout instead
        book_losses, book_model = losses(ChaptersNet, book_loop)
    our_losses, our_model = losses(ConvNet, train_one_epoch)
    assert our_losses == book_losses
    our_model.load_state_dict(book_model.state_dict())


# train


def test_the_loss_falls(small_set):
    seed_everything(0)
    model = ConvNet()
    optimiser = torch.optim.Adadelta(model.parameters(), lr=0.5)
    loader = batch_loader(small_set, 32, shuffle=True)
    losses = train_one_epoch(model, "cpu", loader, optimiser, 1) + train_one_epoch(model, "cpu", loader, optimiser, 2)
    assert len(losses) == 40
    assert losses[0] == pytest.approx(math.log(10), abs=0.1)
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_a_step_is_gradient_descent_on_the_batch_mean(small_set):
    images, labels = (tensor[:48] for tensor in small_set.tensors)
    model = linear_model()
    expected = []
    weight = model[1].weight.detach().clone()
    bias = model[1].bias.detach().clone()
    for batch_images, batch_labels in zip(images.split(32), labels.split(32)):  # the last batch holds 16
        flat = batch_images.flatten(1)
        probabilities = (flat @ weight.T + bias).softmax(dim=1)
        expected.append(-probabilities[torch.arange(len(flat)), batch_labels].log().mean().item())
        error = (probabilities - F.one_hot(batch_labels, 10)) / len(flat)
        weight, bias = weight - 0.01 * error.T @ flat, bias - 0.01 * error.sum(dim=0)
    losses = train_one_epoch(model, "cpu", batch_loader(TensorDataset(images, labels), 32), sgd(model), 1)
    assert losses == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(model[1].weight.detach(), weight, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_step(small_set, value):
    model = linear_model()
    losses = iter([1.0, value])

    def loss_function(log_probabilities, labels):
        return next(losses) * F.nll_loss(log_probabilities, labels)

    with pytest.raises(FloatingPointError, match=rf"the loss is {value} at epoch 3, batch 1.*learning rate"):
        train_one_epoch(model, "cpu", batch_loader(small_set, 32), sgd(model), 3, loss_function=loss_function)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_an_image_that_is_not_finite_stops_it_too(small_set):
    images, labels = (tensor[:96].clone() for tensor in small_set.tensors)
    images[40] = math.nan
    model = linear_model()
    with pytest.raises(FloatingPointError, match="the loss is nan at epoch 1, batch 1"):
        train_one_epoch(model, "cpu", batch_loader(TensorDataset(images, labels), 32), sgd(model), 1)


def test_training_switches_to_training_mode(small_set):
    model = linear_model().eval()
    train_one_epoch(model, "cpu", batch_loader(small_set, 32), sgd(model), 1)
    assert model.training


def test_another_loss_is_minimised_and_returned(small_set):
    def doubled(log_probabilities, labels):
        return 2 * F.nll_loss(log_probabilities, labels)

    loader = batch_loader(small_set, 32)
    once, twice = linear_model(), linear_model()
    expected = train_one_epoch(once, "cpu", loader, sgd(once, 0.02), 1)
    losses = train_one_epoch(twice, "cpu", loader, sgd(twice, 0.01), 1, loss_function=doubled)
    assert losses == pytest.approx([2 * loss for loss in expected], rel=1e-5)
    through_fit = linear_model()
    history = fit(through_fit, "cpu", loader, loader, sgd(through_fit, 0.01), 1, loss_function=doubled)
    assert history.batch_losses == losses


def test_the_log_line_is_the_chapters(small_set, capsys):
    model = linear_model()
    losses = train_one_epoch(model, "cpu", batch_loader(small_set, 32), sgd(model), 2, log_interval=10, progress=False)
    assert capsys.readouterr().out == (
        f"epoch: 2 [0/640 (0%)]\t training loss: {losses[0]:.6f}\n"
        f"epoch: 2 [320/640 (50%)]\t training loss: {losses[10]:.6f}\n"
    )


def test_the_log_line_counts_images_also_at_a_short_last_batch(small_set, capsys):
    model = linear_model()
    loader = batch_loader(TensorDataset(*small_set[:100]), 32)
    train_one_epoch(model, "cpu", loader, sgd(model), 1, log_interval=3, progress=False)
    assert "[96/100 (75%)]" in capsys.readouterr().out
    train_one_epoch(
        model, "cpu", batch_loader(TensorDataset(*small_set[:100]), 20), sgd(model), 1, log_interval=3, progress=False
    )
    assert "[60/100 (60%)]" in capsys.readouterr().out


def test_a_bar_with_the_running_loss_goes_to_stderr_in_a_terminal(small_set, capsys):
    model = linear_model()
    losses = train_one_epoch(model, "cpu", batch_loader(small_set, 32), sgd(model), 7)
    output = capsys.readouterr()
    assert output.out == ""
    assert "epoch 7: 100%" in output.err and "20/20" in output.err
    assert f"loss={sum(losses) / 20:.3f}" in output.err
    train_one_epoch(model, "cpu", batch_loader(small_set, 32), sgd(model), 7, progress=False)
    assert capsys.readouterr().err == ""


def test_a_scheduler_steps_after_every_batch(small_set):
    model = linear_model()
    optimiser = sgd(model, 1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 / (1 + step))
    train_one_epoch(model, "cpu", batch_loader(small_set, 32), optimiser, 1, scheduler=scheduler)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(1 / 21)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["GPU", "Python", "CPU"],
)
@pytest.mark.parametrize("loop", [train_one_epoch, evaluate])
def test_where_memory_runs_out_smaller_batches_are_advised(small_set, loop, error):
    def fail(module, inputs):
        raise error

    model, loader = linear_model(), batch_loader(small_set, 32)
    hook = model.register_forward_pre_hook(fail)
    arguments = (sgd(model), 1) if loop is train_one_epoch else ()
    with pytest.raises(type(error)) as caught:
        loop(model, "cpu", loader, *arguments)
    (note,) = caught.value.__notes__
    assert "choose smaller ones (train_batch_size" in note
    del error.__notes__
    hook.remove()
    loop(model, "cpu", loader, *arguments)


def test_other_errors_get_no_advice_on_memory(small_set):
    with pytest.raises(RuntimeError) as caught:
        evaluate(nn.Linear(3, 3), "cpu", batch_loader(small_set, 32))
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on a process's memory")
def test_a_batch_larger_than_memory_ends_in_that_advice_and_a_smaller_one_is_trained_on():
    script = """
import resource, torch
from helpers import ConvNet, batch_loader, mnist_dataset, train
model = ConvNet()
optim = torch.optim.SGD(model.parameters(), lr=0.01)
large, small = (batch_loader(mnist_dataset(size=size), size) for size in (8_000, 400))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, resource.RLIM_INFINITY))
try:
    train(model, "cpu", large, optim, 1, progress=False)
except RuntimeError as error:
    print(*error.__notes__)
print(len(train(model, "cpu", small, optim, 1, progress=False)), "batches")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "choose smaller ones" in result.stdout and "1 batches" in result.stdout, result.stderr


# test


def test_loss_and_accuracy_are_means_over_images_not_batches(small_set, capsys):
    images, labels = (tensor[:50] for tensor in small_set.tensors)
    log_probabilities = torch.linspace(0, 1, 10).log_softmax(dim=0)  # always answers 9
    loader = batch_loader(TensorDataset(images, labels), 32)
    result = evaluate(constant_model(log_probabilities), "cpu", loader)
    right = (labels == 9).sum().item()
    assert result.accuracy == right / 50
    assert result.loss == pytest.approx(-log_probabilities[labels].mean().item(), rel=1e-6)
    assert capsys.readouterr().out == (
        f"\nTest dataset: Overall Loss: {result.loss:.4f}, Overall Accuracy: {right}/50 ({100 * right / 50:.0f}%)\n\n"
    )


def test_testing_records_nothing_for_a_backward_pass(small_set):
    class Watchful(nn.Module):
        def forward(self, images):
            assert not torch.is_grad_enabled() and not self.training
            return torch.zeros(len(images), 10).log_softmax(dim=1)

    evaluate(Watchful(), "cpu", batch_loader(small_set, 100))


def test_sums_over_processes_are_reported_by_one_of_them(small_set, capsys):
    model = constant_model(torch.linspace(0, 1, 10).log_softmax(dim=0))
    loader = batch_loader(small_set, 100)
    alone = evaluate(model, "cpu", loader, report=False)
    assert capsys.readouterr().out == ""
    together = evaluate(model, "cpu", loader, sum_over_processes=lambda sums: [3 * value for value in sums])
    assert together == pytest.approx(alone)
    assert f"/{3 * 640} (" in capsys.readouterr().out


def test_testing_is_deterministic_and_changes_nothing(small_set):
    seed_everything(0)
    model, loader = ConvNet(), batch_loader(small_set, 100)
    before = [parameter.clone() for parameter in model.parameters()]
    assert evaluate(model, "cpu", loader) == evaluate(model, "cpu", loader)
    assert not model.training
    for parameter, old in zip(model.parameters(), before):
        assert torch.equal(parameter, old) and parameter.grad is None


# fit


def test_fit_trains_and_tests_each_epoch(small_set):
    model = linear_model()
    loader = batch_loader(small_set, 32)
    history = fit(model, "cpu", loader, loader, sgd(model), 3, progress=False)
    assert len(history.batch_losses) == 60
    assert len(history.test_results) == len(history.train_seconds) == 3
    assert all(seconds > 0 for seconds in history.train_seconds)
    assert history.test_results[-1] == evaluate(model, "cpu", loader)
    assert history.test_results[-1].loss < history.test_results[0].loss


def test_bad_arguments_are_errors(small_set):
    model, loader = linear_model(), batch_loader(small_set, 32)
    empty = batch_loader(TensorDataset(torch.zeros(0, 1, 28, 28), torch.zeros(0, dtype=torch.int64)), 32)
    with pytest.raises(ValueError, match="training loader yields no batch"):
        train_one_epoch(model, "cpu", empty, sgd(model), 1)
    with pytest.raises(ValueError, match="test loader yields no batch"):
        evaluate(model, "cpu", empty)
    with pytest.raises(ValueError, match="log_interval must be at least 1"):
        train_one_epoch(model, "cpu", loader, sgd(model), 1, log_interval=0)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        fit(model, "cpu", loader, loader, sgd(model), 0)


@pytest.mark.cuda
def test_training_on_cuda(small_set):
    seed_everything(0)
    model = ConvNet().to("cuda")
    losses = train_one_epoch(model, "cuda", batch_loader(small_set, 32), sgd(model, 0.1), 1)
    assert losses[-1] < losses[0]
    assert 0 <= evaluate(model, "cuda", batch_loader(small_set, 100)).accuracy <= 1
