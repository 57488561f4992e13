"""The fast recipe: 99 % on MNIST after about half a second of training on two CPU cores.

The first convolution consists of fixed edge filters, so no gradient is computed for it or below the second one.
Muon makes few steps go far. ``benchmarks/sweep.py`` shows how the numbers were chosen, on held-out training images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer, lr_scheduler
from torch.utils.data import TensorDataset

from helpers.device import seed_everything


def edge_filters(count: int, size: int = 4) -> Tensor:
    """Derivatives of a Gaussian in ``count`` directions, of norm 1: (count, 1, size, size)."""
    axis = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    bell = torch.exp(-(x**2 + y**2) / (2 * (size / 4) ** 2))
    angles = torch.arange(count)[:, None, None] * 2 * torch.pi / count
    filters = bell * (x * angles.cos() + y * angles.sin())  # (count, size, size)
    return F.normalize(filters.flatten(1)).view(count, 1, size, size)


class EdgeNet(nn.Module):
    """Fixed edge filters, a convolution and two fully connected layers, for images with a standard deviation of 1."""

    def __init__(self, *, filters: int = 6, channels: int = 16, hidden: int = 128) -> None:
        super().__init__()
        self.register_buffer("edges", edge_filters(filters))
        self.cn, self.bn1 = nn.Conv2d(filters, channels, kernel_size=3, bias=False), nn.BatchNorm2d(channels)
        self.fc1, self.bn2 = nn.Linear(4 * 4 * channels, hidden, bias=False), nn.BatchNorm1d(hidden)
        self.fc2 = nn.Linear(hidden, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) of the ten digits, for images (N, 1, 28, 28)."""
        images = images[:, :, 3:25, 3:25]  # without their margin, which hardly any digit reaches
        x = F.relu_(F.conv2d(images, self.edges, stride=2))  # (N, filters, 10, 10); nothing so far needs a gradient
        x = F.relu(self.bn1(F.max_pool2d(self.cn(x), 2)))  # (N, channels, 4, 4)
        x = x.permute(0, 2, 3, 1).flatten(1)  # (N, 16 · channels): a view if channels lie last
        return self.fc2(F.relu(self.bn2(self.fc1(x))))


class Muon(Optimizer):
    """Momentum with orthogonal steps (K. Jordan and others, 2024, https://kellerjordan.github.io/posts/muon)."""

    def __init__(self, parameters: list[Tensor], lr: float, *, momentum: float, iterations: int) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "iterations": iterations})

    @torch.no_grad()
    def step(self) -> None:
        """Move each weight against the running mean of its gradients, made more nearly equal in all directions."""
        for group in self.param_groups:
            for weight in group["params"]:
                if not (state := self.state[weight]):
                    state["mean"] = torch.zeros_like(weight)
                mean = state["mean"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(mean, group["momentum"])  # Nesterov's: as if the gradient came once more
                direction = orthogonalize(ahead.flatten(1), group["iterations"])
                weight.sub_(direction.view_as(weight), alpha=group["lr"])


def orthogonalize(matrix: Tensor, iterations: int) -> Tensor:
    """The matrix (M, N) = U S Vᵀ on its way to U Vᵀ: an iteration makes a·s + b·s³ + c·s⁵ of each singular value s."""
    a, b, c = 3.4445, -4.775, 2.0315  # small values grow a-fold; in the end, all lie between 0.68 and 1.2
    x = matrix / (matrix.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T  # (M, M)
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)  # a x + (b gram + c gram²) x
    return x


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of the fast training."""

    fraction: float = 0.85  # of the images, each seen once
    batch_size: int = 384
    muon_rate: float = 0.45  # the highest, for the two large weight matrices
    adam_rate: float = 0.05  # the highest, for all other parameters
    adam_betas: tuple[float, float] = (0.8, 0.95)
    momentum: float = 0.7  # Muon's
    iterations: int = 2  # of Muon's polynomial
    warmup: float = 0.15  # share of the steps in which the rates rise, from a fifth; then they fall to nearly zero
    label_smoothing: float = 0.1  # of a label's probability is spread evenly over all classes


def train_recipe(
    dataset: TensorDataset, *, seed: int = 0, recipe: Recipe = Recipe(), make_model: Callable[[], nn.Module] = EdgeNet
) -> tuple[nn.Module, list[float]]:
    """A model trained by the recipe on the device of the dataset's tensors, and the loss of each batch.

    The dataset holds images (N, 1, 28, 28) and labels (N,), as from ``mnist_dataset``; a ValueError, if too few for a
    warm-up. ``make_model`` makes a model of logits (N, 10); all its kernels and matrices but the last are Muon's.
    """
    seed_everything(seed)
    images, labels = dataset.tensors
    steps = round(recipe.fraction * len(images) / recipe.batch_size)
    if steps * recipe.warmup <= 1:
        raise ValueError(f"{steps} steps are too few for a warm-up: take more images or smaller batches")
    model = make_model().to(images.device, memory_format=torch.channels_last)
    *matrices, last = (parameter for parameter in model.parameters() if parameter.ndim > 1)
    others = [last, *(parameter for parameter in model.parameters() if parameter.ndim == 1)]
    muon = Muon(matrices, recipe.muon_rate, momentum=recipe.momentum, iterations=recipe.iterations)
    adam = Adam(others, recipe.adam_rate, recipe.adam_betas, fused=True)
    cycle = {"total_steps": steps, "pct_start": recipe.warmup, "div_factor": 5, "cycle_momentum": False}
    schedulers = [lr_scheduler.OneCycleLR(optimizer, optimizer.defaults["lr"], **cycle) for optimizer in (muon, adam)]
    order, losses = torch.randperm(len(images), device=images.device)[: steps * recipe.batch_size], []
    for batch in order.split(recipe.batch_size):
        loss = F.cross_entropy(model(images[batch]), labels[batch], label_smoothing=recipe.label_smoothing)
        model.zero_grad()
        loss.backward()
        for stepper in (muon, adam, *schedulers):
            stepper.step()
        losses.append(loss.detach())
    return model, torch.stack(losses).tolist()
