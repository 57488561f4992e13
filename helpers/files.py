"""Writing a file so that nobody ever meets half of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target`` to write to; rename it to ``target`` when all went well.

    A writer that fails or is killed leaves ``target`` as it was; one that is killed also leaves its temporary file,
    which nobody will read. Processes that write at the same time do not disturb each other: the last to finish wins.

    Args:
        target: the file to make or to replace; its folder exists.

    Yields:
        A path in the same folder, with a name of its own that ends in ``.part``. It is removed if the block raises.

    Raises:
        OSError: if the file cannot be renamed.
    """
    part = target.with_name(f"{target.name}.{uuid4().hex}.part")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
