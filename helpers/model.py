"""The chapter's convolutional network for MNIST, and what a model does to an input, stage by stage."""

from typing import NamedTuple

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.passes.shape_prop import ShapeProp


class ConvNet(nn.Module):
    """Two convolutions, one pooling and two fully connected layers: 300,426 parameters.

    Input: images of shape (N, 1, 28, 28) in the parameters' dtype. Output: log-probabilities of shape (N, 10).

    Attribute names, and so the keys of ``state_dict()``, are the chapter's: weights saved by its code load here.

    Source: A. R. Jha, *Mastering PyTorch*, chapter "Overview of Deep Learning using PyTorch", Packt, 2021.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cn1 = nn.Conv2d(1, 16, kernel_size=3)
        self.cn2 = nn.Conv2d(16, 32, kernel_size=3)
        self.dp1 = nn.Dropout2d(0.10)  # drops whole feature maps
        self.fc1 = nn.Linear(32 * 12 * 12, 64)
        self.dp2 = nn.Dropout(0.25)  # drops single units: its input is flat
        self.fc2 = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10) of the ten digits, for images (N, 1, 28, 28).

        Raises:
            ValueError: if the images have another shape or dtype.
        """
        check_images(images, self.cn1.weight.dtype)
        x = F.relu(self.cn1(images))  # (N, 16, 26, 26)
        x = F.relu(self.cn2(x))  # (N, 32, 24, 24)
        x = self.dp1(F.max_pool2d(x, 2))  # (N, 32, 12, 12)
        x = torch.flatten(x, start_dim=1)  # (N, 4608)
        x = self.dp2(F.relu(self.fc1(x)))  # (N, 64)
        return F.log_softmax(self.fc2(x), dim=1)  # (N, 10)


def check_images(images: Tensor, dtype: torch.dtype) -> None:
    """Raise ValueError, saying what is wrong, unless the images have shape (N, 1, 28, 28) and that dtype."""
    if images.ndim != 4 or images.shape[1:] != (1, 28, 28):
        raise ValueError(
            f"expected images of shape (N, 1, 28, 28), got {tuple(images.shape)}; "
            "a single image needs a batch dimension and a channel dimension: image.view(1, 1, 28, 28)"
        )
    if images.dtype != dtype:
        raise ValueError(
            f"expected images (N, 1, 28, 28) of dtype {dtype}, like the parameters, got {images.dtype}; "
            f"convert and normalise them as mnist_dataloaders does, or call images.to({dtype})"
        )


# A check branches on the shape, which a symbolic trace does not know: record the call instead of looking inside.
torch.fx.wrap("check_images")


class Stage(NamedTuple):
    """One operation of a model: its name, the shape of its output without the batch, the parameters it owns."""

    name: str
    shape: tuple[int, ...]
    parameters: int


def model_stages(model: nn.Module, example: Tensor) -> list[Stage]:
    """What ``model`` does to ``example``, operation by operation, beginning with the input itself.

    The model is traced, so that plain functions (``F.relu``) appear as well as modules.

    Args:
        model: a module whose ``forward`` takes one tensor and does not branch on its values.
        example: an input, batch first.

    Returns:
        One stage per operation that yields a tensor, in order of execution.
    """
    traced = torch.fx.symbolic_trace(model)
    with torch.no_grad():
        ShapeProp(traced).propagate(example)
    return [
        Stage(_operation_name(node), tuple(node.meta["tensor_meta"].shape[1:]), _parameters_of(traced, node))
        for node in traced.graph.nodes
        if node.op in ("placeholder", "call_module", "call_function", "call_method")
        and isinstance(node.meta.get("tensor_meta"), tuple)
    ]


def _operation_name(node: torch.fx.Node) -> str:
    return node.target.__name__ if node.op == "call_function" else str(node.target)


def _parameters_of(traced: torch.fx.GraphModule, node: torch.fx.Node) -> int:
    if node.op != "call_module":
        return 0
    return sum(parameter.numel() for parameter in traced.get_submodule(node.target).parameters())
