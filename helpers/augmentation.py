"""Random changes to training images: the same digit, written by another hand."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RandomPen(nn.Module):
    """In training, moves and turns each image of a batch at random, and draws it with a thinner or a thicker pen.

    What moves in from outside of an image is paper. In evaluation mode, images stay as they are.

    Args:
        shift: Largest shift up or down, left or right, in pixels.
        turn: Largest angle, in degrees.
        paper: Value of the paper, the lowest one of the images.
    """

    def __init__(self, shift: float, turn: float, paper: float) -> None:
        super().__init__()
        self.shift, self.turn, self.paper = shift, turn, paper

    def forward(self, images: Tensor) -> Tensor:
        """Changed images (N, 1, H, W)."""
        if not self.training:
            return images
        angles, right, down, pen = 2 * torch.rand(4, len(images), device=images.device) - 1  # from −1 to 1
        cos, sin = (math.radians(self.turn) * angles).cos(), (math.radians(self.turn) * angles).sin()
        right, down = (2 * self.shift / images.shape[-1] * move for move in (right, down))  # the image is 2 wide
        where = torch.stack([cos, -sin, right, sin, cos, down], dim=1).view(-1, 2, 3)
        grid = F.affine_grid(where, images.shape, align_corners=False)
        ink = F.grid_sample(images - self.paper, grid, align_corners=False)  # zero, paper, outside
        thicker, thinner = F.max_pool2d(ink, 3, 1, padding=1), -F.max_pool2d(-ink, 3, 1, padding=1)
        pen = pen.view(-1, 1, 1, 1)
        changed = torch.where(pen > 0, ink.lerp(thicker, pen.clamp(min=0)), ink.lerp(thinner, -0.6 * pen.clamp(max=0)))
        return changed + self.paper
