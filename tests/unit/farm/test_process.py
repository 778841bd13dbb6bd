import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop

from farm import process
from farm.process import Child, OwnerAliveError, command_line, end_stale, find_stale
from tests.integration.bus import until
from tests.patience import PATIENCE_S

SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)",
]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_a_child_runs_and_its_code_and_last_words_are_known(tmp_path: Path) -> None:
    heard: list[str] = []
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    child = await Child.start([sys.executable, "-c", script], pid_file=tmp_path / "pid", on_line=heard.append)
    assert await child.wait() == 7
    assert child.returncode == 7
    assert sorted(child.tail) == ["err", "out"]
    assert heard == child.tail
    assert not (tmp_path / "pid").exists()
    assert await child.stop() == 7


async def test_only_the_last_lines_are_kept_and_a_line_without_end_is_survived() -> None:
    script = "print('x' * 200_000); [print(number) for number in range(500)]; print('é' * 3)"
    child = await Child.start([sys.executable, "-c", script])
    assert await child.wait() == 0
    assert len(child.tail) == 50
    assert child.tail[-2:] == ["499", "ééé"]


async def test_a_program_that_does_not_exist_says_so() -> None:
    child = await Child.start(["/no/such/program"])
    assert await child.wait() == 1
    assert child.tail == ["/no/such/program: No such file or directory"]


async def test_the_environment_is_added_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    script = "import os; print(os.environ['OURS'], os.environ['THEIRS'])"
    child = await Child.start([sys.executable, "-c", script], environment={"THEIRS": "2"})
    await child.wait()
    assert child.tail == ["1 2"]


async def test_it_is_asked_to_end_before_it_is_killed() -> None:
    child = await Child.start(SLEEPER)
    await until(lambda: child.tail == ["ready"])
    assert await child.stop() == -signal.SIGTERM


async def test_who_does_not_listen_is_killed() -> None:
    child = await Child.start(STUBBORN)
    await until(lambda: child.tail == ["ready"])
    assert await child.stop(0.1) == -signal.SIGKILL
    child.send_signal(signal.SIGTERM)  # to nobody: harmless


async def test_it_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it() -> None:
    child = await Child.start(SLEEPER)
    assert os.getsid(child.pid) == child.pid
    await child.stop(0.0)


GRANDPARENT = """
import os, sys, time
child = os.fork()
if child == 0:
    os.setsid()
    time.sleep(600)
print(child)
print("begun", end="")
"""


def opened() -> set[str]:
    """What this process has open: pipes and sockets, each by its number in the kernel."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder itself, which was read
            found.add(str(entry.readlink()))
    return found


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_grandchild_that_keeps_the_pipe_keeps_nobody_waiting_and_nothing_open(loop: Callable[[], AbstractEventLoop]) -> None:
    async def run() -> None:
        await (await Child.start(["true"])).wait()  # what the loop opens for the first child, it keeps
        before = opened()
        child = await Child.start([sys.executable, "-c", GRANDPARENT])
        assert opened() - before, "its output is heard"
        try:
            assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0
            await until(lambda: opened() <= before)
            assert child.returncode == 0
            assert child.tail[1:] == ["begun"], "also a line without an end"
            assert await asyncio.wait_for(child.stop(), PATIENCE_S) == 0
        finally:
            os.kill(int(child.tail[0]), signal.SIGKILL)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_last_words_are_heard_before_its_end_is_told(loop: Callable[[], AbstractEventLoop]) -> None:
    async def run() -> None:
        child = await Child.start([sys.executable, "-c", "print('x\\n' * 50_000 + 'last', end='')"])
        assert await child.wait() == 0
        assert child.tail[-2:] == ["x", "last"]

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


async def test_it_may_work_elsewhere_with_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    script = "import os; print(os.getcwd(), os.environ.get('OURS'), os.environ['THEIRS'])"
    child = await Child.start([sys.executable, "-c", script], environment={"THEIRS": "2"}, inherit=False, folder=tmp_path)
    await child.wait()
    assert child.tail == [f"{tmp_path} None 2"]


async def test_a_pid_file_that_cannot_be_written_leaves_no_process(tmp_path: Path) -> None:
    before = set(children())
    with pytest.raises(FileNotFoundError):
        await Child.start(SLEEPER, pid_file=tmp_path / "missing" / "pid")
    assert set(children()) <= before


async def test_who_gives_up_while_it_is_noted_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(children())
    noting, go_on = threading.Event(), threading.Event()

    def slow(_path: Path, _note: str) -> None:
        noting.set()
        go_on.wait(PATIENCE_S)

    monkeypatch.setattr(process, "_write_note", slow)
    starting = asyncio.create_task(Child.start(SLEEPER, pid_file=tmp_path / "pid"))
    await until(noting.is_set)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert set(children()) <= before
    go_on.set()


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


PARENT = """
import asyncio, sys
from farm.process import Child
async def main():
    child = await Child.start([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_kill_9_of_the_parent_ends_the_child() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    await asyncio.sleep(0.2)  # past the launcher
    assert not gone(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: gone(pid))


async def test_a_parent_that_is_gone_before_the_child_could_ask_takes_it_along() -> None:
    launched = await asyncio.create_subprocess_exec(sys.executable, "-IS", "-c", process._LAUNCHER, "1", "9", *SLEEPER)
    assert await launched.wait() == 1


# --- what an earlier run left behind -----------------------------------------------------------------------------------------


def orphan(marker: str) -> "subprocess.Popen[bytes]":
    started = subprocess.Popen([*SLEEPER, marker], stdout=subprocess.DEVNULL)
    while marker not in command_line(started.pid):
        pass  # the kernel shows the new arguments a moment after Popen has returned
    return started


async def test_what_an_earlier_run_left_behind_is_ended(tmp_path: Path) -> None:
    left = orphan("/farm/broker.conf")
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{left.pid} 999999999 1\n")
    assert find_stale(pid_file, "/farm/broker.conf") == left.pid
    assert await end_stale(pid_file, "/farm/broker.conf") == left.pid
    assert left.wait(PATIENCE_S) == -signal.SIGTERM
    assert not pid_file.exists()


async def test_a_process_that_took_over_the_id_is_left_alone(tmp_path: Path) -> None:
    stranger = orphan("/another/program.conf")
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{stranger.pid} 999999999 1\n")
    assert await end_stale(pid_file, "/farm/broker.conf") is None
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


async def test_the_child_of_a_living_owner_is_left_alone(tmp_path: Path) -> None:
    left, owner = orphan("/farm/broker.conf"), orphan("owner")
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{left.pid} {owner.pid} {process._start_ticks(owner.pid)}\n")
    with pytest.raises(OwnerAliveError, match=str(owner.pid)):
        await end_stale(pid_file, "/farm/broker.conf")
    assert left.poll() is None
    owner.kill()
    owner.wait()
    assert find_stale(pid_file, "/farm/broker.conf") == left.pid
    left.kill()
    left.wait()


async def test_an_owner_whose_id_was_used_again_is_dead(tmp_path: Path) -> None:
    left = orphan("/farm/broker.conf")
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{left.pid} 1 {process._start_ticks(1) + 1}\n")
    found = find_stale(pid_file, "/farm/broker.conf")
    left.kill()
    left.wait()
    assert found == left.pid


@pytest.mark.parametrize("text", ["", "garbage", "1 2", "999999999 1 1"])
async def test_a_pid_file_that_means_nothing_is_removed(tmp_path: Path, text: str) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text(text)
    assert await end_stale(pid_file, "/farm/broker.conf") is None
    assert not pid_file.exists()
    assert await end_stale(pid_file, "/farm/broker.conf") is None


async def test_who_does_not_listen_is_killed_there_too(tmp_path: Path) -> None:
    left = subprocess.Popen([*STUBBORN, "/farm/broker.conf"], stdout=subprocess.PIPE)
    assert left.stdout is not None
    await asyncio.to_thread(left.stdout.readline)
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{left.pid} 999999999 1\n")
    await end_stale(pid_file, "/farm/broker.conf", timeout_s=0.1)
    assert left.wait(PATIENCE_S) == -signal.SIGKILL
    left.stdout.close()


async def test_the_pid_file_of_a_child_names_it_and_us(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("left by an older version")
    child = await Child.start([*SLEEPER, "/farm/broker.conf"], pid_file=tmp_path / "pid")
    await until(lambda: child.tail == ["ready"])
    assert find_stale(tmp_path / "pid", "/farm/broker.conf") == child.pid  # our own: we may replace it
    assert stat.S_IMODE((tmp_path / "pid").stat().st_mode) == 0o600
    assert command_line(child.pid)[-1] == "/farm/broker.conf"
    await child.stop(0.0)
    assert command_line(child.pid) == []
