"""The fast recipe: a small network, and a schedule that takes it to 99 % on MNIST in a few seconds on two CPU cores."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import TensorDataset

from helpers.data import batch_loader
from helpers.device import seed_everything
from helpers.model import ConvNet, check_images
from helpers.training import train


class FastNet(nn.Module):
    """Three convolutions with batch normalisation and a fully connected layer: 16,514 parameters.

    Input: images of shape (N, 1, 28, 28). Output: log-probabilities of shape (N, 10).

    The first convolution goes over the image in steps of two pixels, so that all later layers have a quarter of the
    positions to compute. Pooling comes before normalisation and ReLU, which then have a quarter of the values, too.

    Source of the normalisation: S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift", 2015.
    """

    def __init__(self) -> None:
        super().__init__()
        # No biases before a normalisation: it would subtract them again.
        self.cn1 = nn.Conv2d(1, 8, kernel_size=5, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.cn2 = nn.Conv2d(8, 16, kernel_size=3, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.cn3 = nn.Conv2d(16, 64, kernel_size=3, bias=False)
        self.bn3 = nn.BatchNorm2d(64)
        self.fc = nn.Linear(64 * 3 * 3, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10) of the ten digits, for images (N, 1, 28, 28)."""
        x = F.relu(self.bn1(self.cn1(images)))  # (N, 8, 12, 12)
        x = F.relu(self.bn2(F.max_pool2d(self.cn2(x), 2)))  # (N, 16, 5, 5)
        x = F.relu(self.bn3(self.cn3(x)))  # (N, 64, 3, 3)
        return F.log_softmax(self.fc(torch.flatten(x, start_dim=1)), dim=1)  # (N, 10)


class ReorderedConvNet(ConvNet):
    """The chapter's network, computed in another order: the same numbers, bit for bit, for less work.

    ReLU never changes which of two numbers is the larger one, so pooling may come before it. ReLU, and its gradient,
    then have a quarter of the values to go through.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10) of the ten digits, for images (N, 1, 28, 28); errors are those of ``ConvNet``."""
        check_images(images, self.cn1.weight.dtype)
        x = F.relu(self.cn1(images))  # (N, 16, 26, 26)
        x = F.relu(F.max_pool2d(self.cn2(x), 2))  # (N, 32, 12, 12)
        x = torch.flatten(self.dp1(x), start_dim=1)  # (N, 4608)
        x = self.dp2(F.relu(self.fc1(x)))  # (N, 64)
        return F.log_softmax(self.fc2(x), dim=1)  # (N, 10)


@dataclass(frozen=True)
class Recipe:
    """How the fast network is trained; the values were chosen on 10,000 held-out training images.

    Attributes:
        epochs: passes over the training images.
        batch_size: images in a batch.
        learning_rate: the highest one, reached after ``warm_up``.
        warm_up: the fraction of all steps during which the learning rate rises; then it falls to nearly zero.
        label_smoothing: the fraction of a label's probability that is spread evenly over all classes.
    """

    epochs: int = 1
    batch_size: int = 128
    learning_rate: float = 0.03
    warm_up: float = 0.25
    label_smoothing: float = 0.1

    def optimiser(self, model: nn.Module) -> Optimizer:
        """Adam, over the model's parameters.

        Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015.
        """
        return Adam(model.parameters(), lr=self.learning_rate, fused=True)

    def scheduler(self, optim: Optimizer, *, batches: int) -> OneCycleLR:
        """The learning rate of each step, for so many batches an epoch: up, then down, each along a cosine.

        Raises:
            ValueError: if there are too few steps for a warm-up.

        Source: L. N. Smith, N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
        Rates", 2019.
        """
        steps = self.epochs * batches
        if steps * self.warm_up <= 1:
            raise ValueError(
                f"a warm-up of {self.warm_up:.0%} of {steps} steps is less than two steps: train for more epochs, on "
                "more images or in smaller batches"
            )
        return OneCycleLR(
            optim,
            self.learning_rate,
            total_steps=steps,
            pct_start=self.warm_up,
            final_div_factor=1000,
            cycle_momentum=False,
        )

    def loss(self, log_probabilities: Tensor, labels: Tensor) -> Tensor:
        """The batch's mean cross-entropy with smoothed labels, in nats; logits will do instead of log-probabilities.

        Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.
        """
        return F.cross_entropy(log_probabilities, labels, label_smoothing=self.label_smoothing)


def train_recipe(
    dataset: TensorDataset, *, seed: int = 0, recipe: Recipe | None = None, progress: bool = False
) -> tuple[FastNet, list[float]]:
    """Train a ``FastNet`` by the recipe, on the device where the dataset's tensors are.

    Args:
        dataset: images (N, 1, 28, 28) and labels (N,), as from ``mnist_dataset``.
        seed: of every random generator: it decides the initial weights and the order of the images.
        recipe: None for the recipe's own values.
        progress: show a bar with the running loss.

    Returns:
        The trained network, and the loss of each batch.

    Raises:
        ValueError: if the dataset is too small for the recipe's warm-up; otherwise as ``train``.
    """
    recipe = recipe or Recipe()
    seed_everything(seed)
    device = dataset.tensors[0].device
    model = FastNet().to(device, memory_format=torch.channels_last)
    loader = batch_loader(dataset, recipe.batch_size, shuffle=True)
    optim = recipe.optimiser(model)
    scheduler = recipe.scheduler(optim, batches=len(loader))
    losses = []
    for epoch in range(1, recipe.epochs + 1):
        losses += train(
            model, device, loader, optim, epoch, loss_function=recipe.loss, scheduler=scheduler, progress=progress
        )
    return model, losses
