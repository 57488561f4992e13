"""The fast recipe: a small network and a schedule, 99 % on MNIST within seconds on two CPU cores."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import TensorDataset

from helpers.data import in_memory_loader
from helpers.device import seed_everything
from helpers.model import ConvNet
from helpers.training import train


class FastNet(nn.Module):
    """Three convolutions with batch normalization and a fully connected layer: 16,514 parameters.

    Input: images (N, 1, 28, 28). Output: log-probabilities (N, 10).

    A stride of 2 and early pooling leave the later layers a quarter of the positions to compute.

    Source: S. Ioffe, C. Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167.
    """

    def __init__(self) -> None:
        super().__init__()
        # No biases before a normalization: it would subtract them again.
        self.cn1, self.bn1 = nn.Conv2d(1, 8, kernel_size=5, stride=2, bias=False), nn.BatchNorm2d(8)
        self.cn2, self.bn2 = nn.Conv2d(8, 16, kernel_size=3, bias=False), nn.BatchNorm2d(16)
        self.cn3, self.bn3 = nn.Conv2d(16, 64, kernel_size=3, bias=False), nn.BatchNorm2d(64)
        self.fc = nn.Linear(64 * 3 * 3, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10) of the ten digits, for images (N, 1, 28, 28)."""
        x = F.relu(self.bn1(self.cn1(images)))  # (N, 8, 12, 12)
        x = F.relu(self.bn2(F.max_pool2d(self.cn2(x), 2)))  # (N, 16, 5, 5)
        x = F.relu(self.bn3(self.cn3(x)))  # (N, 64, 3, 3)
        return F.log_softmax(self.fc(torch.flatten(x, start_dim=1)), dim=1)  # (N, 10)


class ReorderedConvNet(ConvNet):
    """The chapter's network with pooling before ReLU: the same numbers bit for bit, for less work.

    ReLU never changes which of two numbers is larger. After pooling, ReLU has a quarter of the values to go through.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10) of the ten digits, for images (N, 1, 28, 28)."""
        x = F.relu(self.cn1(images))  # (N, 16, 26, 26)
        x = F.relu(F.max_pool2d(self.cn2(x), 2))  # (N, 32, 12, 12)
        x = torch.flatten(self.dp1(x), start_dim=1)  # (N, 4608)
        x = self.dp2(F.relu(self.fc1(x)))  # (N, 64)
        return F.log_softmax(self.fc2(x), dim=1)  # (N, 10)


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of the fast network's training, chosen on 10,000 held-out training images."""

    epochs: int = 1
    batch_size: int = 128
    learning_rate: float = 0.03  # the highest, reached after the warm-up
    warmup_fraction: float = 0.25  # of all steps: the learning rate rises, then falls to nearly zero
    label_smoothing: float = 0.1  # of a label's probability is spread evenly over all classes

    def optimizer(self, model: nn.Module) -> Optimizer:
        """Adam (D. P. Kingma, J. Ba, 2015, https://arxiv.org/abs/1412.6980) over the model's parameters."""
        fused = all(parameter.device.type in ("cpu", "cuda") for parameter in model.parameters())  # not everywhere
        return Adam(model.parameters(), lr=self.learning_rate, fused=fused)

    def scheduler(self, optim: Optimizer, *, batches: int) -> OneCycleLR:
        """One-cycle schedule for epochs of ``batches`` steps: up, then down, each along a cosine.

        Raises:
            ValueError: If there are too few steps for a warm-up.

        Source: L. N. Smith, N. Topin, "Super-Convergence", 2019, https://arxiv.org/abs/1708.07120.
        """
        steps = self.epochs * batches
        if steps * self.warmup_fraction <= 1:
            raise ValueError(f"{steps} steps are too few for a warm-up: take more epochs, images or smaller batches")
        options = {"pct_start": self.warmup_fraction, "final_div_factor": 1000, "cycle_momentum": False}
        return OneCycleLR(optim, self.learning_rate, total_steps=steps, **options)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of a batch in nats, from logits or log-probabilities, with smoothed labels.

        Source: C. Szegedy et al., "Rethinking the Inception Architecture", 2016, https://arxiv.org/abs/1512.00567.
        """
        return F.cross_entropy(outputs, labels, label_smoothing=self.label_smoothing)


def train_recipe(
    dataset: TensorDataset, *, seed: int = 0, recipe: Recipe | None = None, progress: bool = False
) -> tuple[FastNet, list[float]]:
    """A ``FastNet`` trained by the recipe, on the device of the dataset's tensors; and the loss of each batch.

    Args:
        dataset: Images (N, 1, 28, 28) and labels (N,), as from ``mnist_dataset``.
        seed: Seed for all random generators; it fixes the initial weights and the order of the images.
        recipe: Hyperparameters; None for the recipe's own.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If the dataset is too small for the warm-up. Other errors are those of ``train``.
    """
    seed_everything(seed)
    recipe, device = recipe or Recipe(), dataset.tensors[0].device
    model = FastNet().to(device, memory_format=torch.channels_last)
    loader = in_memory_loader(dataset, recipe.batch_size, shuffle=True)
    optim = recipe.optimizer(model)
    options = {"loss_function": recipe.loss, "scheduler": recipe.scheduler(optim, batches=len(loader))}
    losses = []
    for epoch in range(1, recipe.epochs + 1):
        losses += train(model, device, loader, optim, epoch, progress=progress, **options)
    return model, losses
