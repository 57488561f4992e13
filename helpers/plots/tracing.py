"""The operations of a model, found by tracing it."""

import copy
import operator
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp


class LayerInfo(NamedTuple):
    """One operation of a model.

    Attributes:
        name: Name of the module in the model, or of the function: ``"cn1"``, ``"relu"``.
        module: The module; None for a function and for the input.
        shape: Shape of the output without the batch; of several outputs, the first.
        parameters: Number of parameters that the module owns.
        sources: Positions, in the list of all operations, of those whose outputs it reads.
    """

    name: str
    module: nn.Module | None
    shape: tuple[int, ...]
    parameters: int
    sources: tuple[int, ...]


def trace_layers(model: nn.Module, example: Tensor) -> list[LayerInfo]:
    """Operations of ``model`` on ``example`` in order of execution, the input first.

    Indexing, and operations whose result is no tensor, are left out. The model stays as it is.

    Args:
        model: Module whose ``forward`` takes one tensor and does not branch on its values.
        example: Input, batch first, on the model's device.
    """
    traced = copy.deepcopy(fx.symbolic_trace(model)).eval()  # a run in training mode would change running means
    with torch.no_grad():
        ShapeProp(traced).propagate(example)
    layers: list[LayerInfo] = []
    position: dict[fx.Node, int] = {}
    for node in traced.graph.nodes:
        if node.op in ("get_attr", "output") or "tensor_meta" not in node.meta:
            continue
        sources = tuple(sorted({position[source] for source in node.all_input_nodes if source in position}))
        if node.target is operator.getitem:
            position[node] = sources[0]
        else:
            position[node] = len(layers)
            module = model.get_submodule(node.target) if node.op == "call_module" else None
            parameters = sum(p.numel() for p in module.parameters()) if module else 0
            name = node.target if isinstance(node.target, str) else node.target.__name__
            layers.append(LayerInfo(name, module, _first_shape(node), parameters, sources))
    return layers


def _first_shape(node: fx.Node) -> tuple[int, ...]:
    meta = node.meta["tensor_meta"]
    while not hasattr(meta, "shape"):  # several results, as of a recurrent layer
        meta = meta[0]
    return tuple(meta.shape[1:])
