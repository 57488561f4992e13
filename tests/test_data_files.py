import os
import shutil
import signal
import subprocess
import sys

import pytest
from torchvision import datasets

from harm import empty, flip_a_bit, full_disk, truncate, without_privileges
from helpers import data, ensure_mnist, files, mnist_dataset
from helpers.data import DATA_ROOT, UNPACKED_MD5

TRAIN_IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def root(tmp_path):
    """A data folder as a fresh clone has it: the four .gz files, nothing unpacked."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, _ in datasets.MNIST.resources:
        shutil.copyfile(DATA_ROOT / "MNIST" / "raw" / name, raw / name)  # without its mode: it may be read-only
    return tmp_path


def assert_all_is_well(root):
    raw = root / "MNIST" / "raw"
    assert {path.name for path in raw.iterdir() if path.suffix == ""} == set(UNPACKED_MD5)
    assert {name: data._md5(raw / name) for name in UNPACKED_MD5} == UNPACKED_MD5
    assert not list(raw.glob("*.part"))
    assert len(datasets.MNIST(root, download=True)) == 60_000


def test_the_archives_are_the_canonical_ones():
    for name, md5 in datasets.MNIST.resources:
        assert data._md5(DATA_ROOT / "MNIST" / "raw" / name) == md5


def test_a_fresh_clone_is_unpacked(root):
    assert ensure_mnist(root) == root / "MNIST" / "raw"
    assert_all_is_well(root)


def test_torchvision_alone_unpacks_the_archives(root):
    assert len(datasets.MNIST(root, train=False, download=True)) == 10_000
    assert_all_is_well(root)


@pytest.mark.parametrize("harm", [truncate, flip_a_bit, empty, os.remove])
def test_a_harmed_file_is_repaired(root, harm):
    ensure_mnist(root)
    harm(root / "MNIST" / "raw" / TRAIN_IMAGES)
    assert len(mnist_dataset(root=root)) == 60_000
    assert_all_is_well(root)


def test_intact_files_are_left_alone(root):
    ensure_mnist(root)
    before = {path: path.stat().st_mtime_ns for path in (root / "MNIST" / "raw").iterdir()}
    ensure_mnist(root)
    assert before == {path: path.stat().st_mtime_ns for path in (root / "MNIST" / "raw").iterdir()}


def test_a_process_killed_while_unpacking_does_no_harm(root):
    script = f"""
import os, signal
from helpers import data
def half(packed, unpacked):
    unpacked.write(packed.read(1_000_000))
    unpacked.flush()
    os.kill(os.getpid(), signal.{"SIGKILL" if hasattr(signal, "SIGKILL") else "SIGTERM"})
data.shutil.copyfileobj = half
data.ensure_mnist({str(root)!r})
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode != 0
    assert list((root / "MNIST" / "raw").glob("*.part"))
    assert not (root / "MNIST" / "raw" / TRAIN_IMAGES).exists()
    ensure_mnist(root)
    assert all((root / "MNIST" / "raw" / name).is_file() for name in UNPACKED_MD5)
    assert len(datasets.MNIST(root)) == 60_000


def test_processes_that_unpack_at_once_do_not_disturb_each_other(root):
    script = f"from helpers import mnist_dataset; assert len(mnist_dataset(root={str(root)!r})) == 60_000"
    runs = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    assert_all_is_well(root)


def test_a_damaged_archive_is_named_with_its_checksums(root):
    archive = root / "MNIST" / "raw" / f"{TRAIN_IMAGES}.gz"
    truncate(archive)
    found, expected = data._md5(archive), "f68b3c2dcbeaaa9fbdd348bbdeb94873"
    with pytest.raises(RuntimeError, match=rf"{archive.name} has md5 {found}, expected {expected}.*git checkout"):
        ensure_mnist(root)
    assert not (root / "MNIST" / "raw" / TRAIN_IMAGES).exists()


def test_a_damaged_archive_does_not_matter_while_the_unpacked_file_is_whole(root):
    ensure_mnist(root)
    truncate(root / "MNIST" / "raw" / f"{TRAIN_IMAGES}.gz")
    assert len(mnist_dataset(root=root)) == 60_000


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz.*git checkout"):
        ensure_mnist(tmp_path)


def test_a_disk_that_fills_up_while_unpacking_leaves_nothing_behind(root):
    with full_disk(1_000_000), pytest.raises(OSError, match=r"cannot unpack train-images.*55 MB of disk"):
        ensure_mnist(root)
    assert {path.suffix for path in (root / "MNIST" / "raw").iterdir()} == {".gz"}
    ensure_mnist(root)
    assert_all_is_well(root)


def test_a_folder_that_may_not_be_written_is_a_clear_error_unless_all_is_unpacked(public_folder):
    raw = public_folder / "MNIST" / "raw"
    shutil.copytree(ensure_mnist(), raw)
    raw.chmod(0o555)
    with without_privileges():
        assert len(mnist_dataset(train=False, root=public_folder)) == 10_000
    raw.chmod(0o755)
    (raw / TRAIN_IMAGES).unlink()
    raw.chmod(0o555)
    message = r"cannot unpack train-images.*Permission denied.*a folder it may write to"
    with without_privileges(), pytest.raises(PermissionError, match=message):
        ensure_mnist(public_folder)
    raw.chmod(0o755)


def test_two_writers_of_a_file_do_not_share_a_temporary_one(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    with files.replacing(target) as first, files.replacing(target) as second:
        assert first != second and {first.parent, second.parent} == {tmp_path}
        first.write_text("first")
        second.write_text("second")
        assert target.read_text() == "old"
    assert target.read_text() == "first"  # the last to finish
    assert list(tmp_path.iterdir()) == [target]


def test_a_target_in_use_is_accepted_if_another_process_made_it_whole(root, monkeypatch):
    whole = (ensure_mnist() / "t10k-labels-idx1-ubyte").read_bytes()
    target = root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"

    def refuse(part, target):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(files.os, "replace", refuse)
    target.write_bytes(whole)
    data._unpack(target.with_suffix(".gz"), target)
    target.write_bytes(whole[:100])
    with pytest.raises(PermissionError, match="in use"):
        data._unpack(target.with_suffix(".gz"), target)


def test_the_chapters_data_cell_works_beside_the_notebooks():
    code = "from torchvision import datasets; print(len(datasets.MNIST('../data', train=True, download=True)))"
    ensure_mnist()
    notebooks = DATA_ROOT.parent / "notebooks"
    result = subprocess.run([sys.executable, "-c", code], cwd=notebooks, capture_output=True, text=True, check=True)
    assert result.stdout == "60000\n"
