"""A second device for machines without one: tensors that say ``gpu:0``, and refuse what a GPU's refuse.

After ``install()``, PyTorch finds an accelerator. A tensor there wraps a CPU tensor. It can be computed with, moved,
differentiated and compiled; it cannot be mixed with CPU tensors (but for numbers), nor handed to NumPy. The device's
generators draw other numbers than the CPU's. Speed and rounding are the CPU's; a file's tensors come back on the CPU;
a CPU tensor takes a generator of the device; other processes do not have the device.

Install it before the first backward pass: autograd counts devices once. Two interfaces of PyTorch are experimental:
wrapper subclasses with ``__torch_dispatch__``, and a backend registered from Python.
"""

import re
from functools import partial

import torch
from torch.utils import backend_registration

KIND, DEVICE = "gpu", "gpu:0"
BETWEEN_DEVICES = {"copy_", "_to_copy", "_foreach_copy_", "_local_scalar_dense"}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}  # may have indices on the CPU
WITH_NUMBERS = INDEXING | {"fill_", "masked_fill", "masked_fill_", "mse_loss"}  # beside all elementwise operations
LOWERED = ("conv2d", "linear", "matmul", "mm", "addmm")  # to bfloat16, under autocast
generators = {}  # the device's, by address; the first is its default one
kept = []  # registrations last as long as they are kept


class There(torch.Tensor):
    """A tensor on the device; ``inner`` has its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner):
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, inner.size(), device=DEVICE, **layout)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, *args, **(kwargs or {}))

    def numpy(self, *, force=False):
        if force:
            return self.inner.numpy(force=True)
        raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, *args, **options):
        return self.numpy()

    def tolist(self):
        return self.inner.tolist()

    def __format__(self, spec):
        return format(self.inner, spec)

    def __repr__(self, **_):
        return f"{repr(self.inner)[:-1]}, device='{DEVICE}')"

    def __reduce_ex__(self, protocol):
        return self.inner.__reduce_ex__(protocol)

    def untyped_storage(self):
        return self.inner.untyped_storage()

    def __tensor_flatten__(self):  # nn.Module.to then swaps parameters in place, as it does on a GPU
        return ["inner"], None

    __tensor_unflatten__ = staticmethod(lambda tensors, *_: There(tensors["inner"]))

    def _stable_hash_for_caching(self):  # or torch.compile warns
        return DEVICE


class Generator(torch.Generator):
    """A random generator that knows whether it is the device's."""

    def __new__(cls, device="cpu"):
        self = super().__new__(cls, "cpu")
        if torch.device(device).type == KIND:
            generators[self._cdata] = self
        return self

    @property
    def device(self):
        return torch.device(DEVICE if self._cdata in generators else "cpu")

    def manual_seed(self, seed):
        return super().manual_seed(seed + (self._cdata in generators))  # + 1: never the CPU's numbers


def _run(operation, *args, **kwargs):
    """Compute on the CPU; refuse what a GPU refuses, and wrap what a GPU keeps."""
    leaves, name = [], operation._schema.name.removeprefix("aten::")
    plain_args, plain_kwargs = _inside(args, leaves), {key: _inside(value, leaves) for key, value in kwargs.items()}
    there = any(type(leaf) is There for leaf in leaves)
    if there and name not in BETWEEN_DEVICES:
        _refuse_mixture(operation, name, args, leaves)
    on_device = there and (name not in BETWEEN_DEVICES or type(leaves[0]) is There)
    if kwargs.get("device") is not None:
        on_device = torch.device(kwargs["device"]).type == KIND
        plain_kwargs["device"] = "cpu" if on_device else kwargs["device"]
    generator = kwargs.get("generator")
    if generator is not None and generator._cdata not in generators:
        raise RuntimeError(f"Expected a {KIND!r} device type for generator but found 'cpu' ({name})")
    own_numbers = on_device and generator is None and torch.Tag.nondeterministic_seeded in operation.tags
    default = next(iter(generators.values()))
    with torch.random.fork_rng(devices=[], enabled=own_numbers):
        if own_numbers:
            torch.set_rng_state(default.get_state())
        result = operation(*plain_args, **plain_kwargs)
        if own_numbers:
            default.set_state(torch.get_rng_state())
    return _outside(result, leaves, on_device)


def _refuse_mixture(operation, name, args, leaves):
    """Raise an error where tensors of two devices meet, unless the CPU's is a number, and not what is written to."""
    others = [leaf for leaf in leaves if type(leaf) is not There]
    if name in INDEXING and type(args[0]) is There:
        others = [value for value in args[2:3] if type(value) is not There] if "put" in name else []
    elementwise = torch.Tag.pointwise in operation.tags and name != "equal"
    numbers_allowed = elementwise or name in WITH_NUMBERS or name.startswith("_foreach")
    for other in others:
        is_number = other.dim() == 0 and other.device.type == "cpu" and not (name.endswith("_") and other is args[0])
        if not (numbers_allowed and is_number):
            found = " and ".join(sorted({str(leaf.device) for leaf in leaves}))
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {found} ({name})")


def _inside(value, leaves):
    """The value with the device's tensors replaced by those inside; all its tensors are added to the leaves."""
    if isinstance(value, torch.Tensor):
        leaves.append(value)
        return value.inner if type(value) is There else value
    return type(value)([_inside(item, leaves) for item in value]) if isinstance(value, list | tuple) else value


def _outside(value, leaves, on_device):
    """What an operation returned, with new tensors wrapped; those that it wrote to are themselves."""
    if isinstance(value, list | tuple):
        return type(value)([_outside(item, leaves, on_device) for item in value])
    if not isinstance(value, torch.Tensor):
        return value
    for leaf in leaves:
        if leaf is value or (type(leaf) is There and leaf.inner is value):
            if (leaf.size(), leaf.stride()) != (value.size(), value.stride()):  # squeeze_ and the like
                leaf.data = There(value)
            return leaf
    return There(value) if on_device else value


class _Backend:
    """What is ``torch.gpu``."""

    is_available = is_initialized = staticmethod(lambda: True)
    _is_in_bad_fork = staticmethod(lambda: False)
    device_count = staticmethod(lambda: 1)
    current_device = staticmethod(lambda: 0)
    get_amp_supported_dtype = staticmethod(lambda: [torch.bfloat16])
    manual_seed_all = staticmethod(lambda seed: next(iter(generators.values())).manual_seed(seed))


def _lowered(operation, *args):
    """What autocast does on a GPU: compute an operation in the lower precision."""
    dtype = torch.get_autocast_dtype(KIND)
    lower = [x.to(dtype) if isinstance(x, torch.Tensor) and x.dtype == torch.float32 else x for x in args]
    with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)):
        return operation(*lower)


def _factories():
    """The operations that make a tensor from nothing."""
    for name in torch._C._dispatch_get_all_op_names():
        namespace, name, overload = (*re.split("::|[.]", name), "default")[:3]
        if namespace == "aten":
            operation = getattr(getattr(torch.ops.aten, name), overload)
            arguments = operation._schema.arguments
            if any(a.name == "device" for a in arguments) and not any("Tensor" in str(a.type) for a in arguments):
                yield operation


def install():
    """From now on, PyTorch finds an accelerator."""
    backend_registration._setup_privateuseone_for_python_backend(KIND, _Backend())
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="gpu") is made on the CPU, then moved
    torch._C._ensureCUDADeviceGuardSet()  # FakeTensorMode does so only where there is no accelerator at all
    torch.accelerator.synchronize = lambda device=None, /: None
    torch.Generator = Generator
    torch.Generator(DEVICE)  # the default one
    every, aten = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    every.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in LOWERED:
        aten.impl(name, partial(_lowered, getattr(torch.ops.aten, name).default), "AutocastPrivateUse1")
    for operation in _factories():
        aten.impl(operation, partial(_run, operation), "PrivateUse1")
    kept.extend([every, aten])
