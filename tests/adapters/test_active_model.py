import subprocess
import sys
from pathlib import Path

import pytest

from adapters.active_model import ActiveModelFile

ROOT = Path(__file__).resolve().parents[2]


def test_before_the_first_activation_nothing_is_active(tmp_path: Path) -> None:
    assert ActiveModelFile(tmp_path / "none").read() is None


def test_what_was_written_last_is_read(tmp_path: Path) -> None:
    ActiveModelFile(tmp_path).write("ppo:1")
    ActiveModelFile(tmp_path).write("ppo:2")
    assert ActiveModelFile(tmp_path).read() == "ppo:2"


def test_the_folder_is_made_when_it_is_missing(tmp_path: Path) -> None:
    record = ActiveModelFile(tmp_path / "a" / "b")
    record.write("ppo:1")
    assert record.read() == "ppo:1"


def test_another_process_reads_it(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from adapters.active_model import ActiveModelFile as File;"
    code += "File(Path(sys.argv[1])).write('a2c:7')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True)
    assert ActiveModelFile(tmp_path).read() == "a2c:7"


def test_only_the_record_is_left_in_the_folder(tmp_path: Path) -> None:
    for version in range(3):
        ActiveModelFile(tmp_path).write(f"ppo:{version}")
    assert [path.name for path in tmp_path.iterdir()] == ["active_model.json"]


def test_a_write_replaces_the_file_and_never_changes_the_old_one(tmp_path: Path) -> None:
    record = ActiveModelFile(tmp_path)
    record.write("ppo:1")
    with (tmp_path / "active_model.json").open() as held:
        record.write("ppo:2")
        assert "ppo:1" in held.read()


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 100_000, b'{"model": "pp', b"[]", b"null", b"{}", b'{"model": 7}', b'{"model": null}', b"\xff\xfe"],
)
def test_a_damaged_record_is_told_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "active_model.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"active_model\.json is damaged: activate a bundle again"):
        ActiveModelFile(tmp_path).read()


def test_a_record_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "active_model.json").mkdir()
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        ActiveModelFile(tmp_path).read()
