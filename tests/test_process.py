from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mac import process
from mac.problems import EngineError

PYTHON = sys.executable


def python(code: str) -> list[str]:
    return [PYTHON, "-c", textwrap.dedent(code)]


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie that its new parent has not reaped yet does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status != "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_alive(pid):
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.01)


def test_a_program_gives_its_exit_code_and_both_streams_apart() -> None:
    done = process.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_program_reads_what_it_is_given_and_else_nothing() -> None:
    echo = python("import sys; sys.stdout.write(sys.stdin.read())")
    assert process.run(echo, stdin="grüße\n").stdout == "grüße\n"
    assert process.run(echo).stdout == ""


def test_output_that_is_not_utf8_is_no_failure() -> None:
    assert process.run(python(r"import os; os.write(1, b'a\xffb')")).stdout == "a\ufffdb"


def test_a_program_killed_by_a_signal_has_a_negative_exit_code() -> None:
    done = process.run(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert done.returncode == -signal.SIGKILL


def test_a_missing_program_is_named() -> None:
    with pytest.raises(EngineError, match="/no/such/program cannot be started: No such file"):
        process.run(["/no/such/program"])


def test_a_program_that_takes_too_long_ends_with_everything_that_it_started(tmp_path: Path) -> None:
    marker = tmp_path / "child"
    code = f"""
        import pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path({str(marker)!r}).write_text(str(child.pid))
        time.sleep(600)
    """
    with pytest.raises(EngineError, match=r"did not end within 1\.5 seconds"):
        process.run(python(code), timeout=1.5)
    wait_until_gone(int(marker.read_text()))


SERVER = """
    import http.server, sys
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    print(f"port {server.server_port}", flush=True)
    server.serve_forever()
"""


def test_a_server_runs_inside_its_block_and_not_after_it() -> None:
    with process.start(python(SERVER)) as server:
        assert int(server.wait_for_line(r"^port (\d+)$")[1]) > 0
        assert server.running
        pid = server.pid
    assert not is_alive(pid)
    assert not server.running


def test_a_server_is_ended_when_its_block_fails() -> None:
    pid = 0

    def fail_inside() -> None:
        nonlocal pid
        with process.start(python(SERVER)) as server:
            pid = server.pid
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_inside()
    assert pid
    assert not is_alive(pid)


def test_a_server_that_dies_early_says_its_last_words() -> None:
    code = "import sys; print('cannot open the door', file=sys.stderr); sys.exit(7)"
    with (
        pytest.raises(EngineError, match=r"(?s)ended with exit code 7.*cannot open the door"),
        process.start(python(code), ready=lambda _: False),
    ):
        pass


def test_a_server_that_dies_by_a_signal_says_so() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with (
        pytest.raises(EngineError, match="exit code -9"),
        process.start(python(code), ready=lambda _: False),
    ):
        pass


def test_a_server_that_never_becomes_ready_is_given_up_and_ended() -> None:
    started = []
    with (
        pytest.raises(EngineError, match=r"(?s)was not ready within 0\.5 seconds.*still waking"),
        process.start(
            python("import time; print('still waking', flush=True); time.sleep(600)"),
            ready=lambda server: started.append(server.pid) or False,
            timeout=0.5,
        ),
    ):
        pass
    assert not is_alive(started[0])


def test_a_server_that_ignores_sigterm_is_killed_with_its_children() -> None:
    code = """
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import signal, time; "
            "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"])
        print(f"child {child.pid}", flush=True)
        time.sleep(600)
    """
    with process.start(python(code)) as server:
        child = int(server.wait_for_line(r"^child (\d+)$")[1])
        server.wait_for_line("^ready$")
        assert server.stop(grace=0.2) == -signal.SIGKILL
    assert not is_alive(server.pid)
    wait_until_gone(child)


def test_a_server_in_a_group_of_its_own_does_not_get_our_interrupt() -> None:
    with process.start(python(SERVER)) as server:
        assert os.getpgid(server.pid) == server.pid != os.getpgid(0)


def test_a_tethered_server_ends_when_the_one_who_started_it_is_killed() -> None:
    reader = "import sys; sys.stdin.read()"
    starter = f"""
        import sys, time
        from mac import process
        with process.start([sys.executable, "-c", {reader!r}], tether=True) as server:
            print(f"pid {{server.pid}}", flush=True)
            time.sleep(600)
    """
    with process.start(python(starter)) as outer:
        inner = int(outer.wait_for_line(r"^pid (\d+)$")[1])
        assert is_alive(inner)
        os.kill(outer.pid, signal.SIGKILL)
        wait_until_gone(inner)


def test_only_whole_lines_are_matched() -> None:
    code = """
        import os, sys, time
        os.write(1, b"port 12")
        sys.stdin.read(1)
        os.write(1, b"34\\n")
        time.sleep(600)
    """
    with process.start(python(code), tether=True) as server:
        server.wait_until(lambda: "port 12" in server.log())
        with pytest.raises(EngineError, match="was not ready"):
            server.wait_for_line(r"port (\d+)", timeout=0.1)
