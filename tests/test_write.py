"""Writing the generated tree: what changes, what stays, what is refused, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mac import exchange
from mac.lock import locked
from mac.problems import OutputError, ProblemsError
from mac.write import Recovery, Written, foreign, read_tree, recover, write


def contents(root: Path) -> Mapping[str, bytes]:
    found = {}
    for path in root.rglob("*"):
        relative = path.relative_to(root).as_posix()
        if path.is_file() and not relative.startswith(".mac/"):
            found[relative] = path.read_bytes()
    return found


def remains(root: Path) -> set[str]:
    return set(os.listdir(root / ".mac")) - {"lock", ".gitignore"}


def stamps(root: Path) -> Mapping[str, tuple[int, int]]:
    found = {}
    for path in [root, *root.rglob("*")]:
        relative = path.relative_to(root).as_posix()
        if not relative.startswith(".mac"):
            found[relative] = (path.lstat().st_ino, path.lstat().st_mtime_ns)
    return found


# --- what changes ------------------------------------------------------------------------------------


def test_a_first_write_makes_every_file(tmp_path: Path) -> None:
    files = {"cells/a/prometheus.yml": b"x", "inventory/snapshot/main.jsonl": b"y", "provenance.json": b"z"}
    assert write(tmp_path, files, ()) == Written(tuple(sorted(files)), (), ())
    assert contents(tmp_path) == files


def test_the_work_area_hides_itself_from_git_and_keeps_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"cells/a.yml": b"x"}, ())
    assert (tmp_path / ".mac/.gitignore").read_bytes() == b"*\n"
    assert remains(tmp_path) == set()


def test_a_change_is_reported_by_what_became_of_each_file(tmp_path: Path) -> None:
    before = {"cells/a.yml": b"1", "cells/b.yml": b"2", "cells/c.yml": b"3"}
    write(tmp_path, before, ())
    done = write(tmp_path, {"cells/a.yml": b"1", "cells/b.yml": b"!"}, before, remove=["cells/c.yml"])
    assert done == Written(("cells/b.yml",), ("cells/a.yml",), ("cells/c.yml",))
    assert contents(tmp_path) == {"cells/a.yml": b"1", "cells/b.yml": b"!"}


def test_a_file_whose_content_stays_keeps_its_inode_and_time(tmp_path: Path) -> None:
    write(tmp_path, {"cells/a.yml": b"1", "cells/b.yml": b"2"}, ())
    os.utime(tmp_path / "cells/a.yml", ns=(10**18, 10**18))
    before = stamps(tmp_path)["cells/a.yml"]
    write(tmp_path, {"cells/a.yml": b"1", "cells/b.yml": b"!"}, ["cells/a.yml", "cells/b.yml"])
    assert stamps(tmp_path)["cells/a.yml"] == before


def test_a_run_without_a_change_touches_nothing(tmp_path: Path) -> None:
    files = {"cells/a/b.yml": b"1", "provenance.json": b"2"}
    write(tmp_path, files, ())
    before = stamps(tmp_path)
    assert write(tmp_path, files, files, remove=()) == Written((), tuple(sorted(files)), ())
    assert stamps(tmp_path) == before


def test_only_the_units_that_change_are_exchanged(tmp_path: Path) -> None:
    files = {"alertmanager/alertmanager.yml": b"1", "cells/a.yml": b"1"}
    write(tmp_path, files, ())
    before = stamps(tmp_path)
    write(tmp_path, {**files, "cells/a.yml": b"2"}, files)
    after = stamps(tmp_path)
    assert after["alertmanager"] == before["alertmanager"]
    assert after["cells"] != before["cells"]


def test_files_of_the_user_survive_with_mode_time_and_links(tmp_path: Path) -> None:
    write(tmp_path, {"cells/a/x.yml": b"1"}, ())
    note = tmp_path / "cells/a/NOTES"
    note.write_bytes(b"mine")
    note.chmod(0o640)
    (tmp_path / "cells/link").symlink_to("a/NOTES")
    (tmp_path / "cells/broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "cells/pipe")
    (tmp_path / "cells/empty").mkdir(mode=0o711)
    before = stamps(tmp_path)
    write(tmp_path, {"cells/a/x.yml": b"2"}, ["cells/a/x.yml"])
    assert stamps(tmp_path)["cells/a/NOTES"] == before["cells/a/NOTES"]
    assert note.stat().st_mode & 0o777 == 0o640
    assert os.readlink(tmp_path / "cells/link") == "a/NOTES"
    assert os.readlink(tmp_path / "cells/broken") == "nowhere"
    assert (tmp_path / "cells/pipe").is_fifo()
    assert (tmp_path / "cells/empty").stat().st_mode & 0o777 == 0o711


def test_a_rewritten_file_and_its_folders_keep_their_modes(tmp_path: Path) -> None:
    write(tmp_path, {"cells/a/x.yml": b"1"}, ())
    (tmp_path / "cells/a/x.yml").chmod(0o600)
    (tmp_path / "cells/a").chmod(0o2750)
    write(tmp_path, {"cells/a/x.yml": b"2"}, ["cells/a/x.yml"])
    assert (tmp_path / "cells/a/x.yml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "cells/a").stat().st_mode & 0o7777 == 0o2750


def test_files_are_copied_where_links_are_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"cells/a/x.yml": b"1"}, ())
    (tmp_path / "cells/NOTES").write_bytes(b"mine")
    (tmp_path / "cells/NOTES").chmod(0o604)
    os.utime(tmp_path / "cells/NOTES", ns=(10**18, 10**18))

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write(tmp_path, {"cells/a/x.yml": b"2"}, ["cells/a/x.yml"])
    status = (tmp_path / "cells/NOTES").stat()
    assert (tmp_path / "cells/NOTES").read_bytes() == b"mine"
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o604, 10**18)


def test_folders_that_a_removal_leaves_empty_go(tmp_path: Path) -> None:
    before = {"cells/a/rules/x.yml": b"1", "cells/b/rules/y.yml": b"2", "dashboards/d.json": b"3"}
    write(tmp_path, before, ())
    (tmp_path / "cells/b/rules/kept").mkdir()
    write(tmp_path, {}, before, remove=before)
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if ".mac" not in p.parts)
    assert left == ["cells", "cells/b", "cells/b/rules", "cells/b/rules/kept"]


def test_the_snapshot_is_replaced_without_moving_the_inventory_folder(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/aws.yaml").write_bytes(b"accounts")
    before = stamps(tmp_path)
    write(tmp_path, {"inventory/snapshot/main.jsonl": b"1"}, ())
    assert stamps(tmp_path)["inventory"][0] == before["inventory"][0]
    assert (tmp_path / "inventory/aws.yaml").read_bytes() == b"accounts"


def test_a_file_may_become_a_folder_and_a_folder_a_file(tmp_path: Path) -> None:
    before = {"cells/a": b"1", "cells/b/x/y.yml": b"2"}
    after = {"cells/a/x.yml": b"3", "cells/b": b"4"}
    write(tmp_path, before, ())
    write(tmp_path, after, before, remove=before)
    assert contents(tmp_path) == after


def test_thousands_of_files_are_written_whole(tmp_path: Path) -> None:
    files = {f"cells/c{n % 7}/rules/r{n}.yml": b"%d" % n for n in range(2000)}
    write(tmp_path, files, ())
    assert read_tree(tmp_path, files) == files


def test_what_is_removed_must_be_owned(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cells/theirs"):
        write(tmp_path, {}, ["cells/mine"], remove=["cells/theirs"])


def test_reading_gives_the_files_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, {"cells/a.yml": b"1"}, ())
    os.mkfifo(tmp_path / "cells/pipe")
    asked = ["cells/a.yml", "cells/missing.yml", "cells", "cells/a.yml/below", "cells/pipe"]
    assert read_tree(tmp_path, asked) == {"cells/a.yml": b"1"}


# --- what is refused ---------------------------------------------------------------------------------


def test_a_file_of_others_is_a_problem_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells/a.yml").write_bytes(b"by hand")
    files = {"cells/a.yml": b"generated", "cells/b.yml": b"new"}
    (problem,) = foreign(tmp_path, files, ())
    assert (problem.code, problem.location.path) == ("foreign-file", "cells/a.yml")
    with pytest.raises(ProblemsError) as caught:
        write(tmp_path, files, ())
    assert caught.value.problems == (problem,)
    assert contents(tmp_path) == {"cells/a.yml": b"by hand"}


def test_a_file_of_others_with_the_same_content_is_adopted(tmp_path: Path) -> None:
    (tmp_path / "provenance.json").write_bytes(b"{}")
    assert foreign(tmp_path, {"provenance.json": b"{}"}, ()) == ()
    assert write(tmp_path, {"provenance.json": b"{}"}, ()).unchanged == ("provenance.json",)


def test_an_owned_file_is_no_problem_though_it_differs(tmp_path: Path) -> None:
    (tmp_path / "provenance.json").write_bytes(b"old")
    assert foreign(tmp_path, {"provenance.json": b"new"}, ["provenance.json"]) == ()


def test_a_folder_with_files_of_others_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "cells/a").mkdir(parents=True)
    (tmp_path / "cells/a/theirs").write_bytes(b"x")
    (problem,) = foreign(tmp_path, {"cells/a": b"x"}, ())
    assert "cells/a/theirs" in problem.message


def test_a_file_of_others_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cells").write_bytes(b"theirs")
    (problem,) = foreign(tmp_path, {"cells/a/b.yml": b"x", "cells/c.yml": b"x"}, ())
    assert problem.location.path == "cells"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "cells/../../x",
        "",
        ".",
        "cells//a",
        "./a",
        "cells/",
        ".git/config",
        ".mac/lock",
    ],
)
def test_a_path_that_is_not_plainly_inside_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(OutputError):
        write(tmp_path, {path: b"x"}, ())
    with pytest.raises(OutputError):
        read_tree(tmp_path, [path])


def test_a_link_that_leaves_the_output_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(b"x")
    (root / "cells").symlink_to(outside)
    (root / "provenance.json").symlink_to(outside / "secret")
    for path in ("cells/a.yml", "cells/deeper/a.yml", "provenance.json"):
        with pytest.raises(OutputError, match="leads out of"):
            write(root, {path: b"x"}, [path])
        with pytest.raises(OutputError, match="leads out of"):
            read_tree(root, [path])
    assert contents(outside) == {"secret": b"x"}


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "generated").mkdir()
    (tmp_path / "cells").symlink_to("generated")
    write(tmp_path, {"cells/a.yml": b"1"}, ())
    assert (tmp_path / "cells").is_symlink()
    assert (tmp_path / "generated/a.yml").read_bytes() == b"1"


def test_a_link_into_git_or_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "cells").symlink_to(".git")
    (tmp_path / "dashboards").symlink_to("dashboards")
    for path in ("cells/hooks", "dashboards/a.json"):
        with pytest.raises(OutputError):
            write(tmp_path, {path: b"x"}, ())


def test_two_names_of_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "dashboards").symlink_to("cells")
    with pytest.raises(OutputError, match="are one file"):
        write(tmp_path, {"cells/a": b"1", "dashboards/a": b"2"}, ())


# --- what fails --------------------------------------------------------------------------------------


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    """A folder of an ordinary user: root may write everywhere, so tests of permissions give it up."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        os.setegid(65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
            os.setegid(0)
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("closed", [".", "cells", "cells/a", ".mac"])
def test_a_read_only_folder_leaves_the_old_output(nobodys_folder: Path, closed: str) -> None:
    root = nobodys_folder
    before = {"alertmanager/alertmanager.yml": b"1", "cells/a/x.yml": b"1", "provenance.json": b"1"}
    write(root, before, ())
    (root / closed).chmod(0o555)
    with pytest.raises(OutputError) as caught:
        write(root, dict.fromkeys(before, b"2"), before)
    (root / closed).chmod(0o755)
    assert "Permission denied" in caught.value.message
    assert caught.value.hint
    assert contents(root) == before
    assert remains(root) == set()


def test_an_unreadable_file_is_reported_by_name(nobodys_folder: Path) -> None:
    write(nobodys_folder, {"provenance.json": b"1"}, ())
    (nobodys_folder / "provenance.json").chmod(0)
    with pytest.raises(OutputError, match=r"provenance\.json"):
        read_tree(nobodys_folder, ["provenance.json"])
    with pytest.raises(OutputError, match=r"provenance\.json"):
        write(nobodys_folder, {"provenance.json": b"2"}, ["provenance.json"])


def test_reading_an_unchanged_read_only_repository_needs_no_recovery(nobodys_folder: Path) -> None:
    write(nobodys_folder, {"provenance.json": b"1"}, ())
    nobodys_folder.chmod(0o555)
    assert recover(nobodys_folder) is Recovery.NOTHING


def test_a_file_past_the_size_limit_leaves_the_old_output(tmp_path: Path) -> None:
    write(tmp_path, {"cells/a.yml": b"1"}, ())
    script = (
        "import sys, pathlib, signal, resource; from mac.write import write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "files = {'cells/a.yml': b'2', 'cells/b.yml': b'x' * 10000}\n"
        "write(pathlib.Path(sys.argv[1]), files, ['cells/a.yml'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
    )
    assert "OutputError: cannot write the output, the old one stays: File too large" in done.stderr
    assert contents(tmp_path) == {"cells/a.yml": b"1"}
    assert remains(tmp_path) == set()


def test_when_a_later_exchange_fails_the_earlier_ones_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        "alertmanager/a.yml": b"1",
        "cells/a.yml": b"1",
        "dashboards/d.json": b"1",
        "provenance.json": b"1",
    }
    write(tmp_path, before, ())
    real = exchange.rename_exchange
    done = []

    def fails_at_the_last(first: Path, second: Path) -> bool:
        if second.name == "provenance.json":
            raise OSError(5, "Input/output error", str(second))
        done.append(second.name)
        return real(first, second)

    monkeypatch.setattr(exchange, "rename_exchange", fails_at_the_last)
    after = {"alertmanager/a.yml": b"2", "cells/a.yml": b"2", "new/x": b"2", "provenance.json": b"2"}
    with pytest.raises(OutputError, match="Input/output error"):
        write(tmp_path, after, before, remove=["dashboards/d.json"])
    assert done[:2] == ["alertmanager", "cells"]
    assert contents(tmp_path) == before
    assert remains(tmp_path) == set()


@pytest.mark.parametrize("mode", ["kill", "kill-two-renames", "error", "full"])
def test_at_every_system_call_the_output_stays_old_or_becomes_new(tmp_path: Path, mode: str) -> None:
    program = Path(__file__).with_name("write_crash.py")
    run = subprocess.run(
        [sys.executable, program, tmp_path, mode], capture_output=True, text=True, check=True
    )
    result = json.loads(run.stdout)
    assert result["failures"] == []
    assert result["steps"] > 80
    assert set(result["outcomes"]) == {"old", "new"}


# --- what the user does meanwhile --------------------------------------------------------------------


def test_a_file_that_the_user_saves_during_the_exchange_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"cells/a.yml": b"1"}, ())
    (tmp_path / "cells/NOTES").write_bytes(b"draft")
    real = exchange.rename_exchange

    def save_first(first: Path, second: Path) -> bool:
        (tmp_path / "saved").write_bytes(b"final")  # as editors do: a new file, then a rename
        os.replace(tmp_path / "saved", tmp_path / "cells/NOTES")
        (tmp_path / "cells/more").mkdir()
        (tmp_path / "cells/more/MORE").write_bytes(b"added")
        return real(first, second)

    monkeypatch.setattr(exchange, "rename_exchange", save_first)
    write(tmp_path, {"cells/a.yml": b"2"}, ["cells/a.yml"])
    assert contents(tmp_path) == {"cells/a.yml": b"2", "cells/NOTES": b"final", "cells/more/MORE": b"added"}


def test_a_journal_of_a_copied_repository_is_given_up_in_words_and_once(tmp_path: Path) -> None:
    root, copied = tmp_path / "root", tmp_path / "copied"
    root.mkdir()
    write(root, {"cells/a.yml": b"1"}, ())
    staging = exchange.new_staging(root)
    journal = {"staging": staging.name, "swaps": [{"path": "cells", "old": 1, "new": 2}], "replaced": []}
    (root / ".mac/journal.json").write_text(json.dumps(journal))
    shutil.copytree(root, copied)
    with pytest.raises(OutputError, match="the old one stays"):
        recover(copied)
    assert recover(copied) is Recovery.NOTHING
    assert contents(copied) == {"cells/a.yml": b"1"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"staging": "../..", "swaps": [], "replaced": []}', '{"staging": "x", "swaps": 1}'],
)
def test_a_journal_that_is_none_is_cleared_away(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"cells/a.yml": b"1"}, ())
    (tmp_path / ".mac/journal.json").write_text(text)
    recover(tmp_path)
    assert remains(tmp_path) == set()
    assert contents(tmp_path) == {"cells/a.yml": b"1"}


def test_what_a_killed_writer_prepared_is_discarded(tmp_path: Path) -> None:
    write(tmp_path, {"cells/a.yml": b"1"}, ())
    (exchange.new_staging(tmp_path) / "new/0").write_bytes(b"half")
    assert recover(tmp_path) is Recovery.DISCARDED
    assert remains(tmp_path) == set()


# --- the lock ----------------------------------------------------------------------------------------

HOLDER = """
import pathlib, sys
from mac.lock import locked
with locked(pathlib.Path(sys.argv[1]), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_gives_up_and_names_the_first(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(OutputError, match=rf"\(process {holder.pid}\)"):
        write(tmp_path, {"cells/a.yml": b"1"}, ())
    assert contents(tmp_path) == {}


def test_a_second_writer_waits_until_the_first_has_ended(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert holder.stdin is not None
    threading.Timer(0.2, holder.stdin.close).start()
    with locked(tmp_path, 60):
        assert holder.wait(timeout=60) == 0


def test_a_killed_holder_releases_the_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path, 0):
        assert (tmp_path / ".mac/lock").read_text() == f"{os.getpid()}\n"


def test_a_reader_leaves_the_staging_of_a_live_writer_alone(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    staging = exchange.new_staging(tmp_path)
    assert recover(tmp_path) is Recovery.NOTHING
    assert staging.is_dir()
    holder.kill()
    holder.wait()
    assert recover(tmp_path) is Recovery.DISCARDED
    assert not staging.exists()


def test_the_lock_nests_in_one_thread_and_excludes_another(tmp_path: Path) -> None:
    refused = []

    def other() -> None:
        try:
            with locked(tmp_path, 0):
                refused.append(False)
        except OutputError:
            refused.append(True)

    with locked(tmp_path, 0), locked(tmp_path, 0):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert refused == [True, False]


def test_writers_that_run_at_once_leave_one_whole_output(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys; from mac.lock import locked; from mac.write import write\n"
        "root, mark = pathlib.Path(sys.argv[1]), sys.argv[2].encode()\n"
        "files = {f'cells/{n}.yml': mark for n in range(20)} | {'provenance.json': mark}\n"
        "for _ in range(5):\n"
        "    with locked(root, 60): write(root, files, files)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, tmp_path, mark]) for mark in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(contents(tmp_path)) == 21
    assert len(set(contents(tmp_path).values())) == 1


def test_a_work_area_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".mac").symlink_to("elsewhere")
    with pytest.raises(OutputError, match="symbolic link"):
        write(tmp_path, {"cells/a.yml": b"1"}, ())
