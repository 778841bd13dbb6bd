"""What the kernel says of a process: resident memory, bytes that went to the disk, processor time."""

import os
from pathlib import Path


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in listed.split()]


def command_line(pid: int) -> str:
    """How a process was started; empty when it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except OSError:
        return ""


def resident_mb(pid: int) -> float:
    """Resident memory (RSS), megabytes of 10^6 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def written_bytes(pid: int) -> int:
    """Bytes that the process caused to be written to storage so far."""
    for line in Path(f"/proc/{pid}/io").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "write_bytes":
            return int(value)
    return 0


def peak_resident_mb(pid: int) -> float:
    """The most that was resident since the process began, megabytes of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024 / 1e6
    return 0.0


def processor_s(pid: int) -> float:
    """Processor time that the process has used, all threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid: int) -> int:
    """How many threads the process has."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
