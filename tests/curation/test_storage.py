import errno
from pathlib import Path

import pytest

from curation.errors import StorageError
from curation.storage import file_digest, require_space, storage_errors, write_atomically, write_text


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_text(path, "old")

    def fail(file):
        file.write(b"half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["table.json"]


def test_a_full_disk_is_one_line_that_names_the_folder(tmp_path: Path) -> None:
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="no space left") as caught:
        write_atomically(tmp_path / "x", full)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_path_where_no_file_can_be_is_one_line(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "x", tmp_path / "file" / "deep" / "x", tmp_path / "folder"):
        with pytest.raises(StorageError, match="in the way") as caught:
            write_text(path, "y")
        assert str(path) in str(caught.value)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file", "folder"]


def test_other_os_errors_pass_through(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, storage_errors(tmp_path):
        raise OSError(errno.EIO, "broken disk")
    assert not isinstance(caught.value, StorageError)


def test_text_is_utf8_with_the_asked_mode_and_its_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    import hashlib

    write_text(tmp_path / "deep" / "file", "né 怎", mode=0o600)
    path = tmp_path / "deep" / "file"
    assert path.stat().st_mode & 0o777 == 0o600
    assert file_digest(path) == hashlib.sha256("né 怎".encode()).hexdigest()


def test_require_space_says_how_much_is_missing(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 1, "a test")
    with pytest.raises(StorageError, match="are free"):
        require_space(tmp_path, 1 << 62, "a test")
