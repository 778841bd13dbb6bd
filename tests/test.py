"""`./farm.sh test [--quick] [PYTEST ARGUMENTS]`: make the test environment if it is missing, then run pytest.

The full run uses real parts: mosquitto, OctoPrint, nginx, PrusaSlicer, Chromium, network namespaces. As root they are installed
with apt-get; otherwise the command to type is printed and their tests are skipped, except in CI (`CI=true`), where they fail.
`--quick` leaves out what needs real parts or takes more than ten seconds. In the full run, a few failed tests of real parts are run
again alone (`tests/second_look.py`).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests import second_look

ROOT: Final = Path(__file__).parent.parent
OCTOPRINT_VENV: Final = ROOT / ".venv-octoprint"
OCTOPRINT: Final = "OctoPrint==1.11.8"  # the version that facts and tests are about; AGPL, so it never shares our environment
PATH: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

PRINTRUN_VENV: Final = ROOT / ".venv-printrun"
PRINTRUN: Final = (
    "printrun==2.2.0",
    "pyserial==3.5",
)  # a peer, GPL; without its other dependencies: its sender needs only the port

# program -> Debian package
DEBIAN: Final = {
    "mosquitto": "mosquitto",
    "prusa-slicer": "prusa-slicer",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "ip": "iproute2",
    "nginx": "nginx-light",
    "cc": "build-essential",
}


def install_packages() -> None:
    """Install the Debian packages whose programs are missing, or say how."""
    missing = sorted({package for program, package in DEBIAN.items() if shutil.which(program, path=PATH) is None})
    if not missing:
        return
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Missing for the full tests: {', '.join(missing)}. Install them with: sudo {' '.join(install)}", file=sys.stderr)
        return
    print(f"Installing {', '.join(missing)} (once) ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "--quiet"], check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(install, check=True, env=environment, stdout=subprocess.DEVNULL)


def install_octoprint() -> None:
    """Make OctoPrint's own environment."""
    stamp = OCTOPRINT_VENV / "essaim-installed"
    if stamp.is_file() and stamp.read_text() == OCTOPRINT:
        return
    print(f"Installing {OCTOPRINT} in an environment of its own (once, a minute or two) ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(OCTOPRINT_VENV)], check=True)
    pip = [str(OCTOPRINT_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, OCTOPRINT], check=True)
    stamp.write_text(OCTOPRINT)


def install_printrun() -> None:
    """Make printrun's own environment: its sender alone, without the desktop program around it."""
    stamp = PRINTRUN_VENV / "essaim-installed"
    wanted = " ".join(PRINTRUN)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"Installing {wanted} in an environment of its own (once, some seconds) ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PRINTRUN_VENV)], check=True)
    pip = [str(PRINTRUN_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, *PRINTRUN], check=True)
    stamp.write_text(wanted)


def main(arguments: list[str]) -> int:
    """Prepare and run; returns pytest's exit code."""
    quick = "--quick" in arguments
    rest = [argument for argument in arguments if argument != "--quick"]
    command = [sys.executable, "-m", "pytest", "--dist", "loadgroup"]
    if quick:
        # one more than cores: printers of software are waited for nearly as long as is computed
        command += ["--numprocesses", "3", "-m", "not real and not slow", "--hypothesis-profile", "quick"]
    else:
        command += ["--numprocesses", "2"]
        install_packages()
        install_octoprint()
        install_printrun()
        command += ["--cov", "--cov-report", "term", "-p", "tests.second_look"]
    environment = {**os.environ, "PATH": PATH}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile it all again
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "failed.json"
        noting = {**environment, second_look.PLACE: str(place)}
        code = subprocess.run([*command, *rest], cwd=ROOT, env=noting, check=False).returncode
        failed = second_look.told(place)
    tests_failed = pytest.ExitCode.TESTS_FAILED
    if code == tests_failed and second_look.look_again(failed, lambda test: second_look.run_alone(test, environment, ROOT)):
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
