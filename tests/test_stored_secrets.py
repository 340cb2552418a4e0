"""Receivers' secrets that AWS keeps: resolved by the destination, and in nothing that mac says or commits."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import deploying
import pytest
from click.testing import Result
from mimir import Mimir

from mac import deploy, stored_secrets
from mac.access_model import ServerAccess
from mac.demo.embedded import embedded_aws
from mac.deploy import secrets
from mac.deploy.files import FilesDestination
from mac.deploy_model import Action, ApiSettings, DestinationType, FilesSettings, Release, State, StoredSecret
from mac.problems import AwsError, OutputError

REGION = "us-east-1"
SLACK = "https://hooks.example.com/verysecret"
KEY = "0123456789verysecret"


@pytest.fixture(scope="module")
def kept() -> Iterator[None]:
    """An AWS that keeps two secrets."""
    with embedded_aws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment(os.environ).items():
            patch.setenv(name, value)
        ssm = boto3.client("ssm", region_name=REGION)
        ssm.put_parameter(Name="/mac/slack", Value=f"{SLACK}\n", Type="SecureString")
        manager = boto3.client("secretsmanager", region_name=REGION)
        manager.create_secret(Name="mac/pagerduty", SecretString=json.dumps({"routing_key": KEY}))
        yield


def references(folder: Path) -> tuple[StoredSecret, ...]:
    return (
        StoredSecret(f"{folder}/secrets/slack", REGION, parameter="/mac/slack"),
        StoredSecret(f"{folder}/secrets/pagerduty", REGION, secret="mac/pagerduty", key="routing_key"),
    )


def release(folder: Path) -> Release:
    receiver = {
        "name": "x",
        "slack_configs": [{"api_url_file": f"{folder}/secrets/slack", "channel": "#a"}],
        "pagerduty_configs": [{"routing_key_file": f"{folder}/secrets/pagerduty"}],
    }
    config = {"route": {"receiver": "x"}, "receivers": [receiver]}
    return deploying.release(alertmanager={"alertmanager.yml": json.dumps(config).encode()})


def files(folder: Path) -> FilesSettings:
    kind = DestinationType.ALERTMANAGER_FILES
    return deploying.settings(folder, type=kind, cell="", secrets=references(folder))


@pytest.mark.usefixtures("kept")
def test_they_are_written_beside_the_versions_for_the_folders_group_alone(tmp_path: Path) -> None:
    folder = tmp_path / "alertmanager"
    here = FilesDestination(files(folder), "alertmanager/", None, None)
    there = release(folder)
    assert [(c.what, c.action) for c in here.plan(there).changes] == [
        ("alertmanager.yml", Action.ADD),
        ("secrets/pagerduty", Action.ADD),
        ("secrets/slack", Action.ADD),
    ]
    assert not folder.exists()
    here.apply(there)
    slack = folder / "secrets/slack"
    assert (slack.read_text(), (folder / "secrets/pagerduty").read_text()) == (SLACK, KEY)
    assert stat.S_IMODE(slack.stat().st_mode) == 0o640
    assert stat.S_IMODE(slack.parent.stat().st_mode) & 0o007 == 0
    assert not here.plan(there)
    versions = [path for path in (folder / "versions").rglob("*") if path.is_file()]
    assert versions
    assert not [path for path in versions if b"verysecret" in path.read_bytes()]

    # Somebody changes one, or puts a link in its place: what the link leads to stays as it is.
    slack.write_text("mine")
    (folder / "secrets/pagerduty").unlink()
    (tmp_path / "theirs").write_text("theirs")
    (folder / "secrets/pagerduty").symlink_to(tmp_path / "theirs")
    assert [c.what for c in here.plan(there).changes] == ["secrets/pagerduty", "secrets/slack"]
    here.apply(there)
    assert (slack.read_text(), (folder / "secrets/pagerduty").read_text()) == (SLACK, KEY)
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.usefixtures("kept")
def test_an_alertmanager_that_takes_no_files_is_sent_them(tmp_path: Path) -> None:
    with Mimir() as server:
        access = ServerAccess(server.url, tenant="platform", timeout=20.0)
        kind = DestinationType.ALERTMANAGER_API
        settings = ApiSettings("here", kind, access, secrets=references(tmp_path))
        done = deploy.deliver(settings, release(tmp_path))
        assert (done.state, done.message) == (State.DEPLOYED, "")
        assert "verysecret" not in repr(done)
        assert server.alertmanager is not None
        assert SLACK in server.alertmanager["alertmanager_config"]
        assert KEY in server.alertmanager["alertmanager_config"]
        assert deploy.deliver(settings, release(tmp_path)).state is State.UNCHANGED


@pytest.mark.usefixtures("kept")
def test_one_that_is_not_there_is_told_by_its_name_and_nothing_is_changed(tmp_path: Path) -> None:
    folder = tmp_path / "alertmanager"
    slack, pagerduty = references(folder)
    for wrong, told in (
        (replace(slack, parameter="/mac/nothing"), "the parameter /mac/nothing cannot be read"),
        (replace(pagerduty, secret="mac/nothing"), "the key routing_key of the secret mac/nothing"),
        (replace(pagerduty, key="other"), "the key other of the secret mac/pagerduty is no JSON object"),
        (replace(slack, key="other"), "is no JSON object that has this key"),
    ):
        with pytest.raises(AwsError) as caught:
            stored_secrets.read(wrong)
        assert told in caught.value.message
        assert "verysecret" not in caught.value.message
        done = deploy.deliver(replace(files(folder), secrets=(wrong,), server=deploying.access("http://127.0.0.1:1")),
                              release(folder))  # fmt: skip
        assert done.state is State.FAILED
        assert told in done.message
    assert not folder.exists()


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{folder}/secrets/../x", "{folder}/x", "{folder}/secrets/a/b"]
)
def test_no_secret_is_written_anywhere_else(tmp_path: Path, path: str) -> None:
    place = path.format(folder=tmp_path)
    with pytest.raises(OutputError, match="is no file of"):
        secrets.write(tmp_path, {place: "x"})
    (tmp_path / "secrets").symlink_to(tmp_path.parent)
    with pytest.raises(OutputError, match="is no file of"):
        secrets.write(tmp_path, {f"{tmp_path}/secrets/x": "x"})
    assert not (tmp_path.parent / "x").exists()


def test_what_they_take_is_printed_and_what_is_wrong_told(tmp_path: Path, mac: Callable[..., Result]) -> None:
    def declare(secret: str) -> None:
        (tmp_path / "mac.yaml").write_text(
            "apiVersion: mac/v1\nkind: Project\nspec:\n  destinations:\n    a:\n"
            "      type: alertmanager-files\n      folder: /srv/a\n      server: {url: 'http://127.0.0.1:1'}\n"
            "      secrets:\n"
            f"        {secret}\n"
        )

    declare("/srv/a/secrets/x: {secretsmanager_secret: mac/x, key: k, region: cn-north-1, role_arn: 'arn:aws-cn:iam::123456789012:role/r', external_id: e}")  # fmt: skip  # noqa: E501
    done = mac("deploy", "-C", tmp_path, "permissions", "--format", "json")
    assert done.exit_code == 0, done.output
    [found] = json.loads(done.stdout)["destinations"]
    assert found["roles"] == ["arn:aws-cn:iam::123456789012:role/r"]
    [statement] = found["policy"]["Statement"]
    assert statement["Action"] == ["secretsmanager:GetSecretValue"]
    assert statement["Resource"] == ["arn:aws-cn:secretsmanager:cn-north-1:*:secret:mac/x-??????"]
    for text, told in (
        ("/srv/b/x: {ssm_parameter: /x, region: us-east-1}", "mac writes secrets to /srv/a/secrets alone"),
        ("/srv/a/secrets/x: {region: us-east-1}", "ssm_parameter"),
        ("/srv/a/secrets/x: {ssm_parameter: /x}", "region"),
        ("/srv/a/secrets/x: {ssm_parameter: /x, region: us-east-1, external_id: e}", "role_arn"),
        ("/srv/a/secrets/..: {ssm_parameter: /x, region: us-east-1}", "an absolute path"),
    ):
        declare(text)
        done = mac("deploy", "-C", tmp_path, "permissions")
        assert done.exit_code == 1, text
        assert told in done.stderr, (text, done.stderr)
