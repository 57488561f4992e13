import inspect
import io
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD
from torch.utils.data import TensorDataset

from contenders import ChaptersNet
from helpers import ConvNet, fit, in_memory_loader, mnist_dataset, seed_everything, seeded_generator
from helpers import test as evaluate
from helpers import train as train_one_epoch


@pytest.fixture(scope="module")
def small_set():
    return mnist_dataset(size=640)


def linear_model(*last_layers):
    seed_everything(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), *last_layers)
    return model, SGD(model.parameters(), lr=0.01)


def test_signatures_are_the_chapters():
    for function, names in (train_one_epoch, "train_dataloader optim epoch"), (evaluate, "test_dataloader"):
        parameters = inspect.signature(function).parameters.values()
        positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        assert positional == ["model", "device", *names.split()]
        assert [p.name for p in parameters if p.default is p.empty] == positional
    assert evaluate.__test__ is False


def book_loop(model, device, train_dataloader, optim, epoch):
    model.train()
    losses = []
    for b_i, (X, y) in enumerate(train_dataloader):  # noqa: N806 - the chapter's names
        X, y = X.to(device), y.to(device)  # noqa: N806
        optim.zero_grad()
        loss = F.nll_loss(model(X), y)
        loss.backward()
        optim.step()
        losses.append(loss.item())
        assert b_i < len(train_dataloader) and b_i * len(X) < len(train_dataloader.dataset)  # the chapter prints these
    return losses


@pytest.mark.filterwarnings("ignore:dropout2d")  # of a flat input, in the chapter: why ConvNet has Dropout instead
def test_the_chapters_code_on_our_loader_takes_the_very_same_steps(small_set):
    results = []
    for model_class, loop in (ChaptersNet, book_loop), (ConvNet, train_one_epoch):
        seed_everything(0)
        model = model_class().eval()
        loader = in_memory_loader(small_set, 36, shuffle=True, generator=seeded_generator(0))  # the last batch holds 28
        losses = loop(model, "cpu", loader, torch.optim.Adadelta(model.parameters(), lr=0.5), 1)
        results.append((losses, {name: tensor.tolist() for name, tensor in model.state_dict().items()}))
    assert results[0] == results[1]


@pytest.mark.parametrize(("value", "first", "seen"), [("nan", 23, 40), ("inf", 19, 20), ("-inf", 61, 64)])
def test_training_stops_at_most_20_batches_after_a_loss_that_is_not_finite(small_set, value, first, seen):
    (model, optim), factors = linear_model(nn.LogSoftmax(dim=1)), [1.0] * 64
    factors[first : first + 2] = float(value), math.nan
    before, unused = model[1].weight.detach().clone(), iter(factors)

    def loss(outputs, labels):
        return next(unused) * F.nll_loss(outputs, labels)

    with pytest.raises(FloatingPointError, match=rf"loss is {value} at epoch 3, batch {first}:.* parameters have cha"):
        train_one_epoch(model, "cpu", in_memory_loader(small_set, 10), optim, 3, loss_function=loss)
    assert len(list(unused)) == 64 - seen and not torch.equal(model[1].weight, before)


def test_the_loss_is_read_every_20_batches_only(small_set, monkeypatch):
    (model, optim), batches, reads = linear_model(), list(in_memory_loader(small_set, 14)), []
    for name in ["item", "tolist", "numpy", "__float__", "__int__", "__bool__", "__format__"]:
        read = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda *tensors, read=read: reads.append(read) or read(*tensors))
    assert len(train_one_epoch(model, "cpu", batches, optim, 1)) == 46 and len(reads) == 3


def test_a_scheduler_steps_after_every_batch(small_set):
    (model, optim), loader = linear_model(), in_memory_loader(small_set, 32)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optim, lambda step: 2.0**-step)
    fit(model, "cpu", loader, loader, optim, 2, scheduler=scheduler, progress=False)
    assert scheduler.get_last_lr() == [0.01 * 2.0**-40]


def test_a_bar_with_the_mean_of_the_last_100_losses_goes_to_stderr_in_a_terminal(small_set, capsys, monkeypatch):
    (model, optim), loader = linear_model(), in_memory_loader(small_set, 5)  # 128 batches, not a multiple of 20
    losses = train_one_epoch(model, "cpu", loader, optim, 7)
    output, bar = capsys.readouterr()
    assert output == "" and "epoch 7: 100%" in bar and "128/128 [" in bar
    assert bar.rstrip().endswith(f"loss={sum(losses[-100:]) / 100:.3f}]")
    kernels_stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr("sys.stdout", kernels_stream)
    for epoch in (8, 9):
        train_one_epoch(model, "cpu", loader, optim, epoch, progress=epoch == 9)
    shown = kernels_stream.getvalue()
    assert "epoch 9: 100%" in shown and "epoch 8" not in shown and capsys.readouterr().err == ""


class Constant(nn.Module):
    def forward(self, images):
        assert not torch.is_grad_enabled() and not self.training
        return torch.linspace(0, 1, 10).log_softmax(dim=0).expand(len(images), -1)  # most probably 9


def test_loss_and_accuracy_are_means_over_images_not_batches(small_set, capsys):
    labels, loader = small_set.tensors[1], in_memory_loader(small_set, 99)
    alone, right = evaluate(Constant(), "cpu", loader), (labels == 9).sum().item()
    assert alone.loss == pytest.approx(-torch.linspace(0, 1, 10).log_softmax(dim=0)[labels].mean().item(), rel=1e-6)
    assert alone.accuracy == right / 640
    line = f"\nTest dataset: Overall Loss: {alone.loss:.4f}, Overall Accuracy: {right}/640 ({right / 6.4:.2f}%)\n\n"
    assert capsys.readouterr().out == line
    together = evaluate(Constant(), "cpu", loader, all_reduce_sum=lambda sums: [3 * value for value in sums])
    assert together == pytest.approx(alone) and f" {3 * right}/1920 (" in capsys.readouterr().out
    evaluate(Constant(), "cpu", loader, report=False)
    assert capsys.readouterr().out == ""


def test_fit_trains_on_one_loader_and_validates_on_the_other_by_the_same_loss(small_set, capsys):
    parts = zip(*(tensor.split((320, 320)) for tensor in small_set.tensors))
    loader, validation_loader = (in_memory_loader(TensorDataset(*part), 32) for part in parts)
    (model, optim), losses, results = linear_model(nn.LogSoftmax(dim=1)), [], []
    for epoch in (1, 2, 3):
        losses += train_one_epoch(model, "cpu", loader, optim, epoch, progress=False)
        results.append(evaluate(model, "cpu", validation_loader, report=False))
    model, optim = linear_model()  # gives logits: the default loss would be another number
    history = fit(model, "cpu", loader, validation_loader, optim, 3, loss_function=F.cross_entropy)
    assert (history.batch_losses, history.validation_results) == (losses, results)
    assert len(history.train_seconds) == 3 and min(history.train_seconds) > 0
    last = f"epoch 3: validation loss {results[2].loss:.4f}, validation accuracy {100 * results[2].accuracy:.2f} %"
    assert capsys.readouterr().out.splitlines()[2:] == [last]


def test_an_empty_loader_is_an_error():
    model, optim = linear_model()
    with pytest.raises(ValueError, match="training loader yields no batch"):
        train_one_epoch(model, "cpu", [], optim, 1)
    with pytest.raises(ValueError, match="test loader yields no batch"):
        evaluate(model, "cpu", [])


def test_batches_move_to_the_models_device(small_set, device):
    seed_everything(0)
    model, loader = ConvNet().to(device), in_memory_loader(small_set, 32)
    losses = train_one_epoch(model, device, loader, SGD(model.parameters(), lr=0.1), 1)
    assert losses[-1] < losses[0] and evaluate(model, device, loader).loss < losses[0]
