"""docs/adding-a-driver.md is done as it is written: an empty folder becomes a driver that Essaim finds and that keeps its word."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "adding-a-driver.md"
_BLOCK = re.compile(r"^`([\w.]+)`:[^\n]*\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The files of the document, and the entry points as an installer writes them down."""
    for name, content in _BLOCK.findall(DOCUMENT.read_text("utf-8")):
        (tmp_path / name).write_text(content, "utf-8")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]
    written = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    written.mkdir()
    (written / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [(group, points) for group, points in project["entry-points"].items()]
    lines = [f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items()) for group, points in groups]
    (written / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{ROOT}"}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_document_has_every_file(place: Path) -> None:
    assert {path.name for path in place.glob("*.*")} >= {"pyproject.toml", "essaim_folder.py", "test_essaim_folder.py"}


def test_the_project_names_its_module_and_no_test(place: Path) -> None:
    document = tomllib.loads((place / "pyproject.toml").read_text("utf-8"))
    assert document["tool"]["setuptools"]["py-modules"] == ["essaim_folder"]


def test_setuptools_builds_it(place: Path) -> None:
    """What `pip install` does first. Without py-modules setuptools refuses a folder with two modules."""
    pytest.importorskip("setuptools", reason="an environment without setuptools cannot build; the test above looks at py-modules")
    for written in place.glob("*.dist-info/*"):
        written.unlink()
    done = run(place, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info", "build", "--build-base", "built")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (place / "built").rglob("*.py")] == ["essaim_folder.py"]
    points = (place / "essaim_folder.egg-info" / "entry_points.txt").read_text("utf-8")
    assert points.split() == ["[essaim.drivers]", "folder", "=", "essaim_folder:from_url"]


def test_the_registry_finds_it_by_its_entry_point(place: Path) -> None:
    program = (
        "from drivers.registry import open_driver, schemes\n"
        "assert 'folder' in schemes(), schemes()\n"
        "driver = open_driver('folder:///srv/machine', print)\n"
        "assert type(driver).__module__ == 'essaim_folder', type(driver)\n"
    )
    done = run(place, "-c", program)
    assert done.returncode == 0, done.stderr


def test_a_package_that_does_not_load_is_named(place: Path) -> None:
    (place / "essaim_folder.py").write_text("import no_such_library\n")
    (place / "frame.gcode").write_text("G28\nG1 X1 Y1\n")
    done = run(place, "-m", "farm", "try", "folder:///srv/machine", "frame.gcode")
    assert done.returncode != 0
    assert "The driver for folder:// (essaim-folder) cannot be loaded: No module named 'no_such_library'." in done.stderr
    assert "Traceback" not in done.stderr


def test_it_keeps_the_contract(place: Path) -> None:
    done = run(place, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d{2,} passed", done.stdout, re.MULTILINE), done.stdout
    assert "skipped" not in done.stdout
