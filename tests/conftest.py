import pytest

# PyTorch is imported in the fixtures: pytest's main process, which only hands out the tests, needn't wait for it.


@pytest.fixture(params=["cpu", pytest.param("accelerator", marks=pytest.mark.device)])
def device(request):
    """The CPU, then this machine's accelerator; make test-device simulates one."""
    import torch

    from helpers import pick_device

    if request.param == "cpu":
        return torch.device("cpu")
    if not torch.accelerator.is_available():
        pytest.skip("needs an accelerator; make test-device simulates one")
    return pick_device(torch.accelerator.current_accelerator())


@pytest.fixture
def threads_kept():
    """The test may set PyTorch's number of threads; the next test has its own again."""
    import torch

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as pairs of the data and the options."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: calls.append((data, options)))
    return calls


@pytest.fixture
def panels(monkeypatch):
    """The children of each box of widgets that is made."""
    import ipywidgets

    made, build = [], ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda children: made.append(children) or build(children))
    return made
