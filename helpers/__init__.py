"""What the notebooks share: the device, the data, the model, the loops and the figures."""

from helpers import plots
from helpers.augmentation import RandomPen
from helpers.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from helpers.data import (
    DATA_ROOT,
    MNIST_MEAN,
    MNIST_STD,
    dataloaders,
    in_memory_loader,
    mnist_dataloaders,
    mnist_dataset,
    unpack_mnist,
)
from helpers.device import available_devices, pick_device, seed_everything, seeded_generator
from helpers.digits import DigitError, DigitSteps, Reading, prepare_digit, read_digit
from helpers.model import ConvNet
from helpers.notebook import check_answer, exercise_summary, show_source
from helpers.plots.drawing import draw_strokes
from helpers.plots.tracing import LayerInfo, trace_layers
from helpers.recipe import EdgeNet, Muon, Recipe, edge_filters, train_recipe
from helpers.training import History, TestResult, fit, test, train
