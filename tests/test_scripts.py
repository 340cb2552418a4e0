"""The set-up of a checkout: what the machine's apt sources say, and that half a set-up never counts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from conftest import GENERATIONS, PROGRAMS, PROJECT

from tests import chromium


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", PROJECT / f"scripts/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


engines = load("engines")


# --- the machine's sources ---------------------------------------------------------------------------

DEB822 = """\
# Types: deb
# URIs: http://commented.invalid/debian
Types: deb deb-src
URIs: http://security.invalid/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.invalid/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.invalid/debian
  http://second.invalid/debian
# a comment inside
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/some.gpg
"""

EMBEDDED = """\
Types: deb
URIs: http://mirror.invalid/debian
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw/NZJPR8lsD3K87ZM18gzyQZJD+w
 -----END PGP PUBLIC KEY BLOCK-----
"""

ONE_LINE = """\
# deb http://commented.invalid/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb-src http://source.invalid/debian bookworm main
deb http://other.invalid/ubuntu jammy main
deb http://security.invalid/debian-security bookworm-security main
deb [arch=amd64 signed-by=/usr/share/keyrings/some.gpg] http://mirror.invalid/debian bookworm main # us
"""


def test_the_mirror_is_found_in_the_new_form() -> None:
    found = list(engines.deb822(DEB822))
    assert [source.uri for source in found] == [
        "http://mirror.invalid/debian",
        "http://second.invalid/debian",
    ]
    assert {source.signed_by for source in found} == {"/usr/share/keyrings/some.gpg"}


def test_a_key_that_stands_in_the_sources_is_no_file() -> None:
    [source] = engines.deb822(EMBEDDED)
    assert (source.uri, source.signed_by) == ("http://mirror.invalid/debian", "")


def test_the_mirror_is_found_in_the_old_form() -> None:
    [source] = engines.one_line(ONE_LINE)
    assert (source.uri, source.signed_by) == ("http://mirror.invalid/debian", "/usr/share/keyrings/some.gpg")


def test_a_machine_without_debian_sources_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/other.list").write_text("deb http://other.invalid/apt stable-x main\n")
    with pytest.raises(engines.UnpackError, match="no entry for Debian itself"):
        engines.debian_source(tmp_path)


def test_both_forms_are_read_from_where_apt_reads_them(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    assert engines.debian_source(tmp_path).uri == "http://mirror.invalid/debian"
    (tmp_path / "sources.list").write_text("deb http://first.invalid/debian sid main\n")
    assert engines.debian_source(tmp_path).uri == "http://first.invalid/debian"


# --- unpacking, with apt played by a script ----------------------------------------------------------

APT_GET = """\
#!{python}
import pathlib, sys
words = [w for w in sys.argv[1:] if w != "-qq"]
options = {{}}
while "-o" in words:
    at = words.index("-o")
    name, _, value = words[at + 1].partition("=")
    options[name] = value
    del words[at : at + 2]
log = pathlib.Path({log!r})
source = pathlib.Path(options["Dir::Etc::sourcelist"]).read_text().strip()
line = " ".join(words) + " | " + source
with log.open("a") as file:
    print(line, file=file)
refused = pathlib.Path({refused!r})
if refused.exists() and refused.read_text() in line:
    sys.exit("E: it is not reachable")
if words[0] == "download":
    pathlib.Path(words[1] + "_1_all.deb").write_text(words[1])
"""

DPKG_DEB = """\
#!{python}
import pathlib, sys
_, _, package, folder = sys.argv
name = pathlib.Path(package).read_text()
put = {{
    "prometheus": ["prometheus", "promtool"],
    "promtool": ["promtool"],
    "prometheus-alertmanager": ["prometheus-alertmanager", "amtool"],
    "prometheus-blackbox-exporter": ["prometheus-blackbox-exporter"],
    "debian-archive-keyring": [],
}}[name]
bin = pathlib.Path(folder, "usr/bin")
bin.mkdir(parents=True, exist_ok=True)
says = ", version 1.2.3 /usr/share/prometheus/alertmanager/x"
for tool in put:
    (bin / tool).write_text("#!/bin/sh\\necho " + tool + says + "\\n")
    (bin / tool).chmod(0o755)
if not put:
    ring = pathlib.Path(folder, "usr/share/keyrings/debian-archive-keyring.gpg")
    ring.parent.mkdir(parents=True)
    ring.write_text("keys")
"""


class Machine:
    """A place in which apt-get and dpkg-deb are scripts of ours."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "engines"
        self.log = folder / "log"
        self.refused = folder / "refused"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name, text in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
            program = self.bin / name
            program.write_text(
                text.format(python=sys.executable, log=str(self.log), refused=str(self.refused))
            )
            program.chmod(0o755)
        (folder / "etc").mkdir()
        (folder / "etc/sources.list").write_text("deb http://mirror.invalid/debian bookworm main\n")
        self.code = textwrap.dedent(f"""
            import sys
            sys.path.insert(0, {str(PROJECT / "scripts")!r})
            sys.dont_write_bytecode = True
            import engines, pathlib
            real = engines.debian_source
            engines.debian_source = lambda: real(pathlib.Path({str(folder / "etc")!r}))
            sys.argv = ["engines.py", {str(self.target)!r}]
            sys.exit(engines.main())
        """)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", self.code],
            env={**os.environ, "PATH": f"{self.bin}:/usr/bin:/bin"},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> tuple[int, str]:
        with self.start() as running:
            _, said = running.communicate(timeout=60)
        return running.returncode, said

    def asked(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_is_unpacked_once_and_again_only_when_something_is_missing(machine: Machine) -> None:
    code, said = machine.run()
    assert code == 0, said
    for generation in GENERATIONS:
        for program in PROGRAMS.values():
            assert os.access(machine.target / generation / "usr/bin" / program, os.X_OK)
    assert machine.asked()
    assert machine.run() == (0, "")
    assert machine.asked() == []
    (machine.target / "trixie/usr/bin/amtool").unlink()
    assert machine.run()[0] == 0
    asked = machine.asked()
    assert any("download prometheus-alertmanager" in line and " trixie " in line for line in asked)
    assert not any("download prometheus" in line and " sid " in line for line in asked)
    assert os.access(machine.target / "trixie/usr/bin/amtool", os.X_OK)


def test_each_later_index_is_verified_with_the_keys_of_the_generation_before(machine: Machine) -> None:
    assert machine.run()[0] == 0
    updates = [line for line in machine.asked() if line.startswith("update")]
    assert [line.split()[-2] for line in updates] == list(GENERATIONS)
    assert all("[signed-by=/" in line for line in updates)
    assert "/bookworm/keyring/" in updates[1]
    assert "/trixie/keyring/" in updates[2]
    assert not any("trusted" in line for line in updates)


def test_alertmanager_is_made_to_find_its_template_beside_it(machine: Machine) -> None:
    assert machine.run()[0] == 0
    for generation in GENERATIONS:
        text = (machine.target / generation / "usr/bin/prometheus-alertmanager").read_text()
        assert "/usr/share/prometheus/alertmanager" not in text
        assert f"{engines.HERE.decode()}/x" in text
        untouched = (machine.target / generation / "usr/bin/promtool").read_text()
        assert "/usr/share/prometheus/alertmanager" in untouched
    assert len(engines.HERE) == len(engines.ASSETS)


@pytest.mark.parametrize(
    "refused", ["update --error-on=any", "trixie main", "download prometheus-alertmanager"]
)
def test_what_could_not_be_fetched_is_told_and_does_not_count(machine: Machine, refused: str) -> None:
    machine.refused.write_text(refused)
    code, said = machine.run()
    assert code == 1
    assert "E: it is not reachable" in said
    assert "Traceback" not in said
    present = {path.name for path in machine.target.iterdir() if not path.name.startswith(".")}
    assert present <= ({"bookworm"} if refused.startswith("trixie") else set())
    assert not list(machine.target.glob(".work-*"))
    machine.refused.unlink()
    assert machine.run()[0] == 0


def test_runs_at_the_same_time_do_the_work_once(machine: Machine) -> None:
    running = [machine.start() for _ in range(3)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    downloads = [line for line in machine.asked() if line.startswith("download prometheus ")]
    assert len(downloads) == len(GENERATIONS)


def test_what_a_killed_run_left_is_cleared_away(machine: Machine) -> None:
    (machine.target / ".work-dead/sid").mkdir(parents=True)
    (machine.target / "sid/usr/bin").mkdir(parents=True)
    assert machine.run()[0] == 0
    assert not (machine.target / ".work-dead").exists()
    assert os.access(machine.target / "sid/usr/bin/promtool", os.X_OK)


def test_without_apt_it_says_what_is_missing(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    with subprocess.Popen(
        [sys.executable, "-c", machine.code],
        env={**os.environ, "PATH": str(machine.bin)},
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (
        1,
        "error: apt-get is missing: the engines are unpacked from Debian's packages\n",
    )


# --- the virtual environment -------------------------------------------------------------------------


@pytest.fixture
def venv(tmp_path: Path) -> ModuleType:
    module = load("venv")
    module.ROOT = tmp_path
    module.VENV = tmp_path / ".venv"
    module.STAMP = tmp_path / ".venv/complete"
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return module


def pretend(venv: ModuleType, monkeypatch: pytest.MonkeyPatch, pip_code: int) -> list[list[str]]:
    """Runs of pip and venv are noted and not made; the environment's Python is this one."""
    runs: list[list[str]] = []

    def run(argv: list[object], **_: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in argv]
        runs.append(words)
        if "--clear" in words:
            (venv.VENV / "bin").mkdir(parents=True)
            (venv.VENV / "bin/python").symlink_to(sys.executable)
        if words[1] == "-c" and not (venv.VENV / "bin/python").exists():
            raise FileNotFoundError
        return subprocess.CompletedProcess(argv, pip_code if "install" in words else 0)

    monkeypatch.setattr(venv.subprocess, "run", run)
    return runs


def test_the_environment_is_made_once_and_again_when_its_inputs_change(
    venv: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = pretend(venv, monkeypatch, 0)
    assert venv.main() == 0
    assert [run[-1] for run in runs if "install" in run] == [f"{tmp_path}[dev]"]
    runs.clear()
    assert venv.main() == 0
    assert not any("install" in run for run in runs)
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert venv.main() == 0
    assert any("install" in run for run in runs)
    assert not any("--clear" in run for run in runs), "an environment that works is kept"


def test_an_installation_that_failed_does_not_count(
    venv: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(venv, monkeypatch, 1)
    assert venv.main() == 1
    assert "pip could not install mac" in capsys.readouterr().err
    assert not venv.STAMP.exists()
    pretend(venv, monkeypatch, 0)
    assert venv.main() == 0


def test_a_python_without_venv_is_told_what_to_install(
    venv: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(venv.importlib.util, "find_spec", lambda name: None)
    assert venv.main() == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err


def test_a_python_that_is_too_old_is_told(
    venv: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(venv, "OLDEST", (99, 0))
    assert venv.main() == 1
    assert "mac needs Python 99.0 or later" in capsys.readouterr().err


# --- the browser -------------------------------------------------------------------------------------


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT / "scripts"))
    return load("browser")


class SaysWhatItNeeds:
    """An apt whose answer is given."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def run(self, *_words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, self.answer, "no such package")


def test_the_browser_comes_with_what_it_needs_and_without_the_c_library(browser: ModuleType) -> None:
    said = (
        "'http://mirror.invalid/libc6_2.36-9_amd64.deb' libc6_2.36-9_amd64.deb 2759320 SHA256:0\n"
        "'http://mirror.invalid/libnss3_3.87.deb' libnss3_2%3a3.87-1_amd64.deb 1332396 SHA256:0\n"
        "'http://mirror.invalid/c.deb' chromium-headless-shell_150.0-1~deb12u1_amd64.deb 5 SHA256:0\n"
    )
    assert browser.packages(SaysWhatItNeeds(said)) == ["libnss3", "chromium-headless-shell"]


def test_a_suite_without_the_browser_is_told(browser: ModuleType) -> None:
    with pytest.raises(browser.engines.UnpackError, match="is not to be had:\nno such package"):
        browser.packages(SaysWhatItNeeds(""))


def test_a_browser_that_another_version_of_the_script_unpacked_does_not_count(
    browser: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "chromium").touch(mode=0o755)
    assert not browser.is_complete(tmp_path)
    (tmp_path / engines.STAMP).write_text(browser.fingerprint())
    assert browser.is_complete(tmp_path)
    (tmp_path / engines.STAMP).write_text("of another")
    assert not browser.is_complete(tmp_path)


# --- the browser -------------------------------------------------------------------------------------


def test_tests_do_without_a_browser_at_a_desk_and_not_where_a_change_is_judged(tmp_path: Path) -> None:
    missing = tmp_path / "chromium"
    assert chromium.may_be_missing({}, missing)
    assert not chromium.may_be_missing({"CI": "true"}, missing)
    assert not chromium.may_be_missing({}, Path(sys.executable))
