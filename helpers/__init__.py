"""What the notebooks share: the device, the data, the model, the loops and the figures."""

from helpers import plots
from helpers.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from helpers.data import DATA_ROOT, MNIST_MEAN, MNIST_STD, batch_loader, ensure_mnist, mnist_dataloaders, mnist_dataset
from helpers.device import available_devices, pick_device, seed_everything
from helpers.digits import DigitError, DigitSteps, draw_strokes, prepare_digit
from helpers.model import ConvNet, Stage, model_stages
from helpers.notebook import check_answer, exercise_summary, show_source
from helpers.recipe import FastNet, Recipe, ReorderedConvNet, train_recipe
from helpers.training import History, TestResult, fit, test, train

__all__ = [
    "DATA_ROOT",
    "MNIST_MEAN",
    "MNIST_STD",
    "CheckpointError",
    "ConvNet",
    "DigitError",
    "DigitSteps",
    "FastNet",
    "History",
    "Recipe",
    "ReorderedConvNet",
    "Stage",
    "TestResult",
    "available_devices",
    "batch_loader",
    "check_answer",
    "draw_strokes",
    "ensure_mnist",
    "exercise_summary",
    "fit",
    "load_checkpoint",
    "mnist_dataloaders",
    "mnist_dataset",
    "model_stages",
    "pick_device",
    "plots",
    "prepare_digit",
    "save_checkpoint",
    "seed_everything",
    "show_source",
    "test",
    "train",
    "train_recipe",
]
