from pathlib import Path

from farm.errors import NotFoundError
from farm.people.library import Library
from gcode.texts import told

SHA, OTHER = "a" * 64, "b" * 64


async def test_the_library_is_the_cache(tmp_path: Path) -> None:
    file = tmp_path / "library.gcode"
    file.write_bytes(b"G28\n")

    def find(sha256: str) -> Path:
        if sha256 != SHA:
            raise NotFoundError(told("no such program"), next_step=told("."))
        return file

    changes: list[int] = []
    programs = Library(find).programs(tmp_path, lambda: changes.append(1))
    programs.want({SHA: 1, OTHER: 1})
    assert programs.present == {SHA}
    programs.want({SHA: 1})
    assert len(changes) == 1
    assert programs.take(OTHER) is None
    assert programs.take(SHA) == file
    await programs.close()
    assert file.exists(), "it is the library's, not a copy of ours"
