"""The chapter's convolutional network for MNIST."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNet(nn.Module):
    """Two convolutions, one max-pooling and two fully connected layers: 300,426 parameters.

    Input: images (N, 1, 28, 28). Output: log-probabilities (N, 10).

    The names of the attributes, and so the keys of ``state_dict()``, are the chapter's: its saved weights load here.

    Source: A. R. Jha, *Mastering PyTorch*, chapter "Overview of Deep Learning using PyTorch", Packt, 2021.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cn1 = nn.Conv2d(1, 16, kernel_size=3)
        self.cn2 = nn.Conv2d(16, 32, kernel_size=3)
        self.dp1 = nn.Dropout2d(0.10)  # drops whole feature maps
        self.fc1 = nn.Linear(32 * 12 * 12, 64)
        self.dp2 = nn.Dropout(0.25)  # drops single neurons: its input is flat
        self.fc2 = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10) of the ten digits, for images (N, 1, 28, 28)."""
        x = F.relu(self.cn1(images))  # (N, 16, 26, 26)
        x = F.relu(self.cn2(x))  # (N, 32, 24, 24)
        x = self.dp1(F.max_pool2d(x, 2))  # (N, 32, 12, 12)
        x = torch.flatten(x, start_dim=1)  # (N, 4608)
        x = self.dp2(F.relu(self.fc1(x)))  # (N, 64)
        return F.log_softmax(self.fc2(x), dim=1)  # (N, 10)
