import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def public_folder():
    """A folder that every user may enter, unlike pytest's ``tmp_path``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
