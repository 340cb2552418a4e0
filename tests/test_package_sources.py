"""Where packages come from: Git repositories over real transports, distributions; honest and hostile."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mac import distributions, git_fetch, packages
from mac.model import Package
from mac.problems import GitError
from tests.package_repository import (
    PACKAGE,
    STANDARD,
    TAKEN,
    TEAM,
    Files,
    Mac,
    Repository,
    committed,
    git,
    put,
)


@pytest.fixture
def repository(tmp_path: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    return Repository(tmp_path, mac)


def refused(repository: Repository, files: Files, **pin: str) -> str:
    """What `update` says of a package with these files beside the others; it changes nothing."""
    assert repository.update().exit_code == 0
    before = repository.files()
    repository.pin(committed(repository.remote, files), **pin)
    result = repository.update()
    assert result.exit_code == 1, result.output
    assert repository.files() == before
    return result.output


# --- sources that do not have it, or cannot be asked -------------------------------------------------


def test_a_commit_that_is_not_there_is_a_problem_of_the_pin(repository: Repository) -> None:
    repository.pin("0123456789" * 4)
    result = repository.update()
    assert result.exit_code == 1
    assert "has no commit 0123456789" in result.stderr
    assert "[package-source]" in result.stderr


def test_the_hash_of_a_tree_is_no_revision(repository: Repository) -> None:
    repository.pin(git(repository.remote, "rev-parse", "HEAD^{tree}"))
    assert "is not a commit" in repository.update().stderr


def test_a_folder_that_is_not_there_is_a_problem_of_the_pin(repository: Repository) -> None:
    repository.pin(repository.first, path="nowhere")
    result = repository.update()
    assert result.exit_code == 1
    assert f"there is no folder nowhere/standards at {repository.first}" in result.stderr


def test_a_repository_that_is_not_there_is_the_environments_failure(repository: Repository) -> None:
    repository.remote.rename(repository.remote.with_name("moved"))
    result = repository.update()
    assert result.exit_code == 3
    assert "cannot fetch from file://" in result.stderr


def test_the_protocol_of_files_is_spoken_only_where_the_environment_says_so(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL")
    result = repository.update()
    assert result.exit_code == 3
    assert "GIT_ALLOW_PROTOCOL" in result.stderr
    assert not repository.folder.exists()


@pytest.mark.parametrize(
    "address",
    [
        *("ext::sh -c id", "http://example.com/x.git", "git://example.com/x.git", "/srv/x.git", "../x.git"),
        *("ssh://-oProxyCommand=id/x", "-u@example.com:x"),
        *("--upload-pack=id", "git@-oProxyCommand=id:x", "https://example.com/a b"),
    ],
)
def test_an_address_that_is_none_of_https_or_ssh_is_refused_before_git_sees_it(
    repository: Repository, address: str
) -> None:
    repository.pins({"name": "acme", "git": address, "revision": repository.first})
    result = repository.update()
    assert result.exit_code == 1
    assert "[wrong-value]" in result.stderr


@pytest.mark.parametrize(
    "address",
    [
        *("https://user:hunter2@example.com/x.git", "https://hunter2@example.com/x.git"),
        *("https://example.com/x.git?token=hunter2", "ssh://git:hunter2@example.com/x.git"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(repository: Repository, address: str) -> None:
    repository.pins({"name": "acme", "git": address, "revision": repository.first})
    result = repository.update()
    assert result.exit_code == 1
    assert "[plain-secret]" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    "address",
    [
        *(
            "https://github.com/example/standards.git",
            "ssh://git@example.com:2222/x.git",
            "git@example.com:x/y",
        ),
        "https://example.com:8443/~acme/x.git",
    ],
)
def test_the_addresses_that_people_use_are_accepted(repository: Repository, address: str) -> None:
    repository.pins({"name": "acme", "git": address, "revision": repository.first})
    assert {code for code, _ in repository.problems()} == {"package-outdated"}


def test_a_fetch_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ssh")
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 600 #")
    fetching = git_fetch.commit("git@example.com:x/y", "0" * 40, timeout=0.5)
    with pytest.raises(GitError, match="git fetch did not end within"), fetching:
        pass


def test_a_repository_that_is_too_large_is_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_fetch, "MAX_PACK", 1_024_000)
    text = refused(repository, {"movie.bin": os.urandom(1_500_000)})
    assert "is larger than 1 MB at this revision" in text


def test_the_users_hooks_and_settings_of_bare_repositories_do_not_count(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks, config = tmp_path / "hooks", tmp_path / "gitconfig"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    config.write_text(f"[core]\nhooksPath = {hooks}\n[safe]\nbareRepository = explicit\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    result = repository.update()
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "ran").exists()


def test_a_repository_whose_hashes_are_sha256_is_a_source_like_any_other(repository: Repository) -> None:
    other = repository.remote.with_name("other")
    other.mkdir()
    git(other, "init", "--quiet", "--object-format=sha256")
    revision = committed(other, PACKAGE)
    assert len(revision) == 64
    repository.pins({"name": "acme", "git": f"file://{other}", "revision": revision})
    result = repository.update()
    assert result.exit_code == 0, result.output
    assert sorted(repository.files()) == TAKEN


# --- hostile content ---------------------------------------------------------------------------------


def test_symbolic_links_are_refused(repository: Repository) -> None:
    (repository.remote / "standards/data/secret.yaml").symlink_to("/etc/passwd")
    text = refused(repository, {})
    assert "standards/data/secret.yaml is a symbolic link" in text


def test_a_folder_that_is_a_symbolic_link_is_refused(repository: Repository) -> None:
    (repository.remote / "standards/more").symlink_to("../metrics")
    assert "standards/more is a symbolic link" in refused(repository, {})


def test_submodules_are_refused(repository: Repository) -> None:
    git(repository.remote, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},standards/sub")
    git(repository.remote, "commit", "--quiet", "--message", "a submodule")
    repository.update()
    repository.pin(git(repository.remote, "rev-parse", "HEAD"))
    result = repository.update()
    assert result.exit_code == 1
    assert "standards/sub is a submodule" in result.stderr


@pytest.mark.parametrize(
    "name", [b"..", b".git", b"a\\b.yaml", b"new\nline.yaml", b"\xff.yaml", b"x" * 200 + b".yaml"]
)
def test_names_that_lead_elsewhere_are_refused_or_left_out(repository: Repository, name: bytes) -> None:
    """Made by hand, since git's own commands refuse to make such trees."""
    remote = repository.remote
    blob = git(remote, "hash-object", "-w", "--stdin", stdin=STANDARD.replace("acme-cache", "evil").encode())
    inner = (git(remote, "mktree", stdin=f"100644 blob {blob}\tevil.yaml\n".encode()), b"40000")
    given, mode = inner if name.startswith(b".") else (blob, b"100644")
    raw = mode + b" " + name + b"\0" + bytes.fromhex(given)
    data = git(remote, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
    ours = git(remote, "rev-parse", "HEAD:standards/data/acme-cache.yaml")
    folder = b"40000 data\0" + bytes.fromhex(data) + b"100644 ours.yaml\0" + bytes.fromhex(ours)
    tree = git(remote, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=folder)
    top = git(remote, "mktree", stdin=f"040000 tree {tree}\tstandards\n".encode())
    repository.pin(git(remote, "commit-tree", top, "-m", "evil"))
    result = repository.update()
    if name.startswith(b"."):
        assert result.exit_code == 0, result.output
        assert sorted(repository.files()) == ["ours.yaml", "package.json"]
    else:
        assert result.exit_code == 1
        assert "is not a name of letters" in result.stderr
        assert not repository.folder.exists()
    assert not list(repository.root.parent.rglob("evil.yaml"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"standards/big.yaml": "# x\n" * 600_000}, "standards/big.yaml has 2.4 MB"),
        ({"standards/" + "d/" * 12 + "x.yaml": STANDARD}, "or 8 in one another"),
        ({"standards/latin.yaml": b"a: caf\xe9\n"}, "standards/latin.yaml:1:7: the byte 0xe9 is not UTF-8"),
        ({"standards/runbooks/latin.md": b"caf\xe9\n"}, "standards/runbooks/latin.md:1:4"),
        ({"standards/broken.yaml": "a: [\n"}, "standards/broken.yaml:"),
        ({"standards/team.yaml": TEAM}, "standards/team.yaml is not of the kind Standard"),
        ({"standards/list.yaml": "- 1\n"}, "standards/list.yaml is not of the kind Standard"),
        ({"standards/data/Acme-Cache.yaml": STANDARD}, "are one file where case does not count"),
        ({"standards/metrics/x.yaml": STANDARD}, "standards/metrics lies where catalogues"),
    ],
    ids=["large", "deep", "latin", "latin page", "broken", "team", "list", "case", "metrics"],
)
def test_what_no_package_may_hold_is_refused_as_a_whole(
    repository: Repository, files: Files, said: str
) -> None:
    text = refused(repository, files)
    assert said in text
    assert "[package-content]" in text


def test_more_files_folders_or_bytes_than_a_package_may_have_are_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, most, said in (
        ("MAX_FILES", 2, "more than 2 files"),
        ("MAX_FOLDERS", 2, "more than 2 folders"),
        ("MAX_BYTES", 100, "its files have more than"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(packages, limit, most)
            result = repository.update()
        assert result.exit_code == 1
        assert said in result.stderr
    assert not repository.folder.exists()


def test_a_package_without_standards_is_refused(repository: Repository) -> None:
    revision = committed(repository.remote, {"pages/standards/runbooks/x.md": "x"})
    repository.pin(revision, path="pages")
    assert "it has no standard" in repository.update().stderr


def test_one_package_that_is_refused_keeps_the_others_from_being_written(repository: Repository) -> None:
    other = repository.remote.with_name("other")
    other.mkdir()
    git(other, "init", "--quiet")
    revision = committed(other, {"standards/team.yaml": TEAM})
    repository.pins(
        {"name": "acme", "git": repository.address, "revision": repository.first},
        {"name": "other", "git": f"file://{other}", "revision": revision},
    )
    assert repository.update().exit_code == 1
    assert not repository.folder.parent.exists()


def test_packages_that_lead_out_of_the_repository_by_a_link_are_not_written(repository: Repository) -> None:
    outside = repository.root.parent / "outside"
    outside.mkdir()
    (repository.root / "standards/packages").symlink_to(outside)
    result = repository.update()
    assert result.exit_code == 3
    assert "leads out of" in result.stderr
    assert list(outside.iterdir()) == []


# --- distributions -----------------------------------------------------------------------------------


def install(site: Path, files: Files, version: str = "1.4.2", *, record: bool = True) -> None:
    """An installed wheel, as pip leaves it."""
    info = f"acme_standards-{version}.dist-info"
    put(
        site,
        {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: acme-standards\nVersion: {version}\n"},
    )
    lines = []
    for path, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={hashed},{len(data)}")
    lines += ["../../../bin/acme,,", f"{info}/METADATA,,", f"{info}/RECORD,,"]
    if record:
        put(site, {f"{info}/RECORD": "\n".join(lines) + "\n"})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


INSTALLED = {f"acme_standards/{path}": text for path, text in PACKAGE.items()} | {
    "acme_standards/__init__.py": ""
}
PIN = {"name": "acme", "distribution": "acme-standards", "version": "1.4.2", "path": "acme_standards"}


def test_a_package_of_an_installed_distribution_is_taken_over(repository: Repository, site: Path) -> None:
    install(site, INSTALLED)
    repository.pins(PIN)
    result = repository.update()
    assert result.exit_code == 0, result.output
    assert "acme: 1.4.2, 6 files" in result.stdout
    assert sorted(repository.files()) == TAKEN
    source = json.loads(repository.files()["package.json"])["source"]
    assert source == {"distribution": "acme-standards", "version": "1.4.2", "path": "acme_standards"}
    assert repository.problems() == []


def test_another_version_than_the_pinned_one_is_a_problem(repository: Repository, site: Path) -> None:
    install(site, INSTALLED, "1.5.0")
    repository.pins(PIN)
    result = repository.update()
    assert result.exit_code == 1
    assert "the acme-standards that is installed is 1.5.0, not 1.4.2" in result.stderr


def test_a_distribution_that_is_not_installed_is_a_problem(repository: Repository) -> None:
    repository.pins(PIN)
    assert "acme-standards is not installed beside mac" in repository.update().stderr


def test_a_distribution_without_a_record_is_refused(repository: Repository, site: Path) -> None:
    install(site, INSTALLED, record=False)
    repository.pins(PIN)
    assert "without a record of its files" in repository.update().stderr


def test_a_file_that_was_changed_after_its_installation_is_refused(
    repository: Repository, site: Path
) -> None:
    install(site, INSTALLED)
    repository.pins(PIN)
    place = site / "acme_standards/standards/data/acme-cache.yaml"
    place.write_text(STANDARD + "# mine\n")
    assert "acme-cache.yaml of acme-standards is not what was installed" in repository.update().stderr
    place.unlink()
    assert "acme-cache.yaml of acme-standards cannot be read" in repository.update().stderr
    assert not repository.folder.exists()


@pytest.mark.parametrize("linked", ["standards/data/acme-cache.yaml", "standards/data"])
def test_a_link_in_a_distribution_is_refused(repository: Repository, site: Path, linked: str) -> None:
    install(site, INSTALLED)
    repository.pins(PIN)
    place = site / "acme_standards" / linked
    place.rename(site / "elsewhere")
    place.symlink_to(site / "elsewhere")
    assert "acme-cache.yaml is a symbolic link" in repository.update().stderr


def test_the_hashes_of_a_record_may_be_of_another_or_no_algorithm(site: Path) -> None:
    install(site, {"a.txt": "a", "b.txt": "b"})
    info = site / "acme_standards-1.4.2.dist-info/RECORD"
    md5 = base64.urlsafe_b64encode(hashlib.md5(b"a").digest()).rstrip(b"=").decode()
    info.write_text(f"a.txt,md5={md5},1\nb.txt,,\n")
    found = distributions.installed("acme-standards", "1.4.2")
    assert found.read(["a.txt", "b.txt"]) == {"a.txt": b"a", "b.txt": b"b"}


def test_a_real_installation_is_a_source() -> None:
    """What pip made: the record of this project's own test runner."""
    version = pytest.__version__
    fetched = packages.fetch(Package("acme", distribution="pytest", version=version, path="_pytest"))
    assert [problem.code for problem in fetched.problems] == ["package-source"]
    assert "there is no folder _pytest/standards" in fetched.problems[0].message
    found = distributions.installed("pytest", version)
    assert "__init__.py" in {entry.name for entry in found.entries("_pytest") or ()}
    assert b"Copyright" in next(iter(found.read(p for p in found.record if p.endswith("LICENSE")).values()))


# --- over the network --------------------------------------------------------------------------------


def test_a_package_is_fetched_over_ssh_by_default(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's real ssh transport; in place of ssh itself, what runs at the other end."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL")
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    committed(repository.remote, {"standards/data/later.yaml": STANDARD})
    pin = {"name": "acme", "revision": repository.first}
    for address in (f"ssh://git@example.com{repository.remote}", f"git@example.com:{repository.remote}"):
        repository.pins({**pin, "git": address})
        result = repository.update()
        assert result.exit_code == 0, result.output
        assert sorted(repository.files()) == TAKEN


class Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend behind a password, over TLS."""

    project: Path
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Basic {base64.b64encode(b'reader:hunter2').decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.project),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "REMOTE_USER": "reader",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def https(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on loopback whose certificate Git's settings trust."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make_certificate(key, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = type("Served", (Backend,), {"project": repository.remote.parent})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.delenv("GIT_ALLOW_PROTOCOL")
        monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
        yield f"https://127.0.0.1:{server.server_port}/{repository.remote.name}/.git"
        server.shutdown()
        thread.join()


def make_certificate(key: Path, certificate: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    )
    encoding = serialization.Encoding.PEM
    certificate.write_bytes(builder.sign(secret, hashes.SHA256()).public_bytes(encoding))
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(secret.private_bytes(encoding, form, serialization.NoEncryption()))


def test_a_package_is_fetched_over_https_with_the_credentials_of_git(
    repository: Repository, https: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(repository.remote, {"standards/data/later.yaml": STANDARD})  # the pin is no branch's end
    repository.pins({"name": "acme", "git": https, "revision": repository.first})
    refused_first = repository.update()
    assert refused_first.exit_code == 3
    assert "could not read Username" in refused_first.stderr  # asked nobody, hung nowhere
    config = tmp_path / "gitconfig"
    config.write_text('[credential]\nhelper = "!f() { echo username=reader; echo password=hunter2; }; f"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    result = repository.update()
    assert result.exit_code == 0, result.output
    assert sorted(repository.files()) == TAKEN
    assert "hunter2" not in result.output
