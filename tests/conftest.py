import pytest
import torch


@pytest.fixture
def threads_kept():
    """The test may set PyTorch's number of threads; the next test has its own again."""
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
