"""Sensors: what stands in a standard reaches machines unchanged, whatever carries it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from conftest import PROJECT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mac import diff, emit, files, render, schema, sensors, standards, templates, templating, validate
from mac.bind import bind
from mac.model import AppliesTo, Catalog, Download, Sensor, SensorCheck, SensorRun, Standard, Text
from mac.problems import Severity
from tests import aws_fleet, builders
from tests.builders import instance, snapshot, standard

TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
NODE = Sensor(
    "node-exporter",
    SensorRun.SERVICE,
    9100,
    "node_exporter",
    "1.11.1",
    "https://example.com/releases",
    ("--web.listen-address=:9100",),
    check=SensorCheck("/metrics", "node_load1"),
)
AGENT = Sensor(
    "jmx-exporter",
    SensorRun.JAVA_AGENT,
    9404,
    "jmx.jar",
    "1.3.0",
    "https://example.com/releases",
    config="rules:\n  - {pattern: 'a<b=(\\w+)>', name: x_$1}\n",
    check=SensorCheck("/metrics", "x_"),
)
BUILT_IN = Sensor("own-metrics", SensorRun.BUILT_IN, 7000, check=SensorCheck("/prom", "up"))
URL = "https://mirror.example.com/node_exporter.tar.gz"


def rendered(
    *declared: Sensor, catalog: Catalog | None = None, texts: Mapping[str, str] | None = None
) -> Any:
    chosen = catalog or builders.catalog(standard("web", sensors=declared or (NODE,)))
    bindings = bind(chosen, snapshot(instance()), date(2026, 11, 23))
    return render.render(chosen, bindings, {**TEMPLATES, **(texts or {})}, "sha256:0")


def template_of(result: render.Rendered) -> dict[str, Any]:
    found: dict[str, Any] = emit.read_json(result.files["sensors/web/template.json"])
    return found


def associations(result: render.Rendered) -> list[list[dict[str, Any]]]:
    resources = template_of(result)["Resources"]
    return [
        resource["Properties"]["Targets"]
        for resource in resources.values()
        if resource["Type"] == "AWS::SSM::Association"
    ]


# --- what is generated -------------------------------------------------------------------------------


def test_a_standard_with_sensors_has_a_script_for_each_and_four_files_that_deliver_them() -> None:
    made = rendered(NODE, AGENT)
    assert {path for path in made.files if path.startswith("sensors/")} == {
        *("sensors/web/node-exporter.sh", "sensors/web/jmx-exporter.sh", "sensors/web/document.json"),
        *("sensors/web/template.json", "sensors/web/cloud-init.yaml", "sensors/web/ansible.yaml"),
    }
    assert made.problems == ()


def test_sensors_are_the_same_whatever_machines_there_are() -> None:
    chosen = builders.catalog(standard("web", sensors=(NODE,)))
    made = [
        render.render(chosen, bind(chosen, snapshot(*some), date(2026, 11, 23)), TEMPLATES, "sha256:0").files
        for some in ((), (instance(1), instance(2)))
    ]
    own = [{p: c for p, c in tree.items() if p.startswith("sensors/")} for tree in made]
    assert own[0] == own[1]
    assert own[0]


def test_every_way_of_delivery_carries_the_script_as_it_is() -> None:
    made = rendered(NODE)
    script = made.files["sensors/web/node-exporter.sh"].decode()
    commands = emit.read_json(made.files["sensors/web/document.json"])["mainSteps"][0]["inputs"]["runCommand"]
    assert "\n".join(commands[1:]) + "\n" == script
    user_data = made.files["sensors/web/cloud-init.yaml"].decode()
    assert user_data.startswith("#cloud-config\n")
    assert emit.read_yaml(user_data)["write_files"][0]["content"] == script
    variables = emit.read_yaml(made.files["sensors/web/ansible.yaml"].decode())
    assert variables["mac_sensors_web"][0]["script"] == script


def test_what_is_generated_fits_its_schemas() -> None:
    made = rendered(NODE, AGENT, BUILT_IN)
    assert validate.check(made.files, made.documents, made.provenance) == ()


def test_a_command_that_holds_a_parameter_of_its_own_does_not_fit() -> None:
    text = TEMPLATES["sensors/sensor.sh.j2"] + "echo '{{ Secret }}'\n"
    made = rendered(texts={"sensors/sensor.sh.j2": text})
    found = validate.check(made.files, made.documents, made.provenance)
    assert {p.location.path for p in found} == {"sensors/web/document.json", "sensors/web/template.json"}


def test_downloads_of_the_settings_are_defaults_and_without_them_the_template_asks() -> None:
    asked = template_of(rendered())["Parameters"]
    assert "Default" not in asked["NodeExporterUrl"]
    chosen = builders.catalog(
        standard("web", sensors=(NODE,)), downloads={"node-exporter": Download(URL, "a" * 64)}
    )
    made = rendered(catalog=chosen)
    assert template_of(made)["Parameters"]["NodeExporterUrl"]["Default"] == URL
    assert emit.read_yaml(made.files["sensors/web/cloud-init.yaml"].decode())["runcmd"] == [
        ["/opt/mac-sensors/web/node-exporter.sh", URL, "a" * 64]
    ]


def test_user_data_does_not_ask_an_agent_whose_program_has_not_started() -> None:
    made = rendered(AGENT, BUILT_IN)
    assert emit.read_yaml(made.files["sensors/web/cloud-init.yaml"].decode())["runcmd"] == [
        ["env", "SENSOR_CHECK=no", "/opt/mac-sensors/web/jmx-exporter.sh"]
    ]


def changes(before: render.Rendered, after: render.Rendered) -> set[tuple[str, str, str, str]]:
    made = diff.plan(before.files, after.files, before.provenance, after.provenance)
    return {(c.action, c.kind, c.name, c.cause) for c in made.changes}


def test_a_changed_sensor_is_a_change_of_its_files_by_the_standard() -> None:
    before, chosen = rendered(NODE), builders.catalog(standard("web", sensors=(replace(NODE, port=9200),)))
    after = rendered(catalog=replace(chosen, digests={"standard/web": "sha256:1"}))
    names = ("ansible.yaml", "cloud-init.yaml", "document.json", "node-exporter.sh", "template.json")
    assert changes(before, after) == {
        ("modify", "sensor", f"sensors/web/{name}", "standard") for name in names
    }


def test_another_template_of_scripts_is_the_cause_in_every_file_that_carries_one() -> None:
    text = TEMPLATES["sensors/sensor.sh.j2"] + "# the end\n"
    found = changes(rendered(NODE), rendered(NODE, texts={"sensors/sensor.sh.j2": text}))
    assert len(found) == 5
    assert {cause for *_, cause in found} == {"template"}


# --- which machines ----------------------------------------------------------------------------------


def bound(*clauses: Mapping[str, tuple[str, ...]]) -> render.Rendered:
    applies = AppliesTo("ec2-instance", clauses)
    found: render.Rendered = rendered(
        catalog=builders.catalog(standard("web", applies_to=applies, sensors=(NODE,)))
    )
    return found


def test_a_standard_for_every_machine_is_for_every_managed_node() -> None:
    assert associations(bound()) == [[{"Key": "InstanceIds", "Values": ["*"]}]]


def test_each_clause_is_an_association_by_the_tags_that_the_settings_name() -> None:
    found = associations(bound({"role": ("a", "b"), "environment": ("production",)}, {"emr_role": ("core",)}))
    role = {"Key": "tag:role", "Values": ["a", "b"]}
    values = ["prod", "production"]  # mac.yaml translates one into the other
    assert found == [
        [role, {"Key": "tag:environment", "Values": values}],
        [role, {"Key": "tag:env", "Values": values}],
        [{"Key": "tag:aws:elasticmapreduce:instance-group-role", "Values": ["CORE"]}],
    ]


def test_a_label_that_no_tag_tells_is_a_warning_and_no_association() -> None:
    made = bound({"zone": ("us-east-1a",)})
    assert associations(made) == []
    assert [(p.code, p.severity) for p in made.problems] == [("sensor-target", Severity.WARNING)]


# --- the documents in AWS ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with aws_fleet.serve() as endpoint:
        yield endpoint


def test_cloudformation_has_nothing_against_the_templates() -> None:
    chosen = builders.catalog(
        standard("web", sensors=(NODE, AGENT, BUILT_IN)),
        downloads={"node-exporter": Download(URL, "a" * 64)},
    )
    text = rendered(catalog=chosen).files["sensors/web/template.json"].decode()
    found = lint(text, config=ManualArgs(regions=["us-east-1"]))
    assert [f"{match.rule.id} {match.message}" for match in found] == []
    broken = text.replace('"Targets"', '"Target"')
    assert lint(broken, config=ManualArgs(regions=["us-east-1"]))


def test_systems_manager_takes_the_documents_and_the_associations_of_the_library(moto: str) -> None:
    client = boto3.client("ssm", region_name="us-east-1", endpoint_url=moto)
    library = standards.load(PROJECT).catalog
    assert library is not None
    made = rendered(catalog=library)
    named = [name for name, each in library.standards.items() if each.sensors]
    assert "host" in named
    for name in named:
        content = made.files[f"sensors/{name}/document.json"].decode()
        assert len(content) < 64 * 1024  # what Systems Manager takes
        resources = emit.read_json(made.files[f"sensors/{name}/template.json"])["Resources"]
        properties = resources.pop("Document")["Properties"]
        assert properties.pop("UpdateMethod") == "NewVersion"  # the one that is CloudFormation's own
        assert properties["Content"] == json.loads(content)
        client.create_document(**{**properties, "Content": content})
        assert resources, name
        for resource in resources.values():
            asked = dict(resource["Properties"])
            parameters = {key: ["https://example.com/x"] for key in asked.pop("Parameters", {})}
            asked["Name"] = properties["Name"]
            # moto has no associations, so what would be sent is held against AWS's own description of it.
            shape = client.meta.service_model.operation_model("CreateAssociation").input_shape
            sent = {**asked, **({"Parameters": parameters} if parameters else {})}
            report = ParamValidator().validate(sent, shape)
            assert not report.has_errors(), report.generate_report()
            key = client.meta.service_model.shape_for("TargetKey").metadata
            for target in asked["Targets"]:
                assert len(target["Key"]) <= key["max"]
                assert re.fullmatch(r"[\w \-_.:/=@]*", target["Key"])  # its pattern in the words of re
    pages = client.get_paginator("list_documents").paginate(Filters=[{"Key": "Owner", "Values": ["Self"]}])
    listed = [document for page in pages for document in page["DocumentIdentifiers"]]
    assert {d["Name"] for d in listed} >= {f"mac-sensors-{name}" for name in named}


# --- the script on a machine -------------------------------------------------------------------------


@pytest.fixture
def shells() -> list[str]:
    found = [path for name in ("bash", "dash", "sh") if (path := shutil.which(name))]
    assert found
    return found


def test_the_scripts_of_the_library_are_shell(tmp_path: Path, shells: list[str]) -> None:
    library = standards.load(PROJECT).catalog
    made = rendered(catalog=library)
    scripts = [content for path, content in made.files.items() if path.endswith(".sh")]
    assert scripts
    for number, content in enumerate(scripts):
        path = tmp_path / f"{number}.sh"
        path.write_bytes(content)
        for shell in shells:
            checked = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
            assert (checked.returncode, checked.stderr) == (0, "")


class Machine:
    """A folder that stands for a machine, with programs in place of curl and systemctl.

    `answer` is what the sensor answers; `archive` what is downloaded.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.archive = folder / "archive"
        self.answer = folder / "answer"
        self.log = folder / "log"
        self.log.write_text("")
        programs = folder / "bin"
        programs.mkdir()
        self._program(
            programs / "curl",
            'out=; last=\nfor word in "$@"; do if [ "$last" = -o ]; then out=$word; fi; last=$word; done\n'
            f'case "$last" in\n  https:*) cp {self.archive} "$out" ;;\n'
            f'  *) cp {self.answer} "$out" ;;\nesac\n',
        )
        self._program(programs / "systemctl", f'echo "$*" >>{self.log}\n')
        self.path = f"{programs}:{os.environ['PATH']}"

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\nset -eu\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, sensor: Sensor, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Paths of the machine are put below the folder, in the script's own variables."""
        meant = {
            **sensors.script(standard("web"), sensor),
            "programs": f"{self.root}/opt",
            "settings": f"{self.root}/etc",
        }
        text = templating.template(TEMPLATES["sensors/sensor.sh.j2"], templating.Mode.FILE).render(meant)
        text = text.replace("/etc/systemd/system", f"{self.root}/systemd")
        script = self.folder / "sensor.sh"
        script.write_text(text)
        return subprocess.run(
            ["sh", str(script), *arguments],
            env={"PATH": self.path, "SENSOR_TRIES": "1", **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def offer(self, name: str, content: bytes) -> str:
        """Puts an archive with one program up for download; its SHA-256."""
        with tarfile.open(self.archive, "w:gz") as archive:
            entry = tarfile.TarInfo(f"release/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return hashlib.sha256(self.archive.read_bytes()).hexdigest()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_service_is_installed_started_and_asked(machine: Machine) -> None:
    digest = machine.offer("node_exporter", b"the program")
    machine.answer.write_text("# a comment\nnode_load1 0.5\n")
    done = machine.run(NODE, URL, digest)
    assert (done.returncode, done.stderr) == (0, "")
    program = machine.root / "opt/node-exporter-1.11.1/node_exporter"
    assert program.read_bytes() == b"the program"
    assert program.stat().st_mode & 0o777 == 0o755
    unit = (machine.root / "systemd/mac-sensor-web-node-exporter.service").read_text()
    assert (
        'ExecStart="/opt/mac-sensors/node-exporter-1.11.1/node_exporter" "--web.listen-address=:9100"' in unit
    )
    service = "mac-sensor-web-node-exporter.service"
    calls = ["daemon-reload", f"enable --quiet {service}", f"restart {service}"]
    assert machine.log.read_text().splitlines() == calls


def test_a_second_run_does_not_restart_what_has_not_changed(machine: Machine) -> None:
    digest = machine.offer("node_exporter", b"the program")
    machine.answer.write_text("node_load1 0.5\n")
    assert machine.run(NODE, URL, digest).returncode == 0
    machine.log.write_text("")
    assert machine.run(NODE, URL, digest).returncode == 0
    assert machine.log.read_text().splitlines()[-1] == "start mac-sensor-web-node-exporter.service"
    machine.run(replace(NODE, flags=("--collector.processes",)), URL, digest)
    assert machine.log.read_text().splitlines()[-1] == "restart mac-sensor-web-node-exporter.service"


def test_a_file_of_another_checksum_is_not_installed(machine: Machine) -> None:
    machine.offer("node_exporter", b"something else")
    done = machine.run(NODE, URL, "0" * 64)
    assert done.returncode == 1
    assert "the SHA-256 of" in done.stderr
    assert not (machine.root / "opt").exists()
    assert machine.log.read_text() == ""


def test_an_archive_without_the_program_is_told(machine: Machine) -> None:
    done = machine.run(NODE, URL, machine.offer("another", b""))
    assert done.returncode == 1
    assert "there is no file node_exporter" in done.stderr


def test_a_sensor_that_answers_something_else_fails_the_run(machine: Machine) -> None:
    digest = machine.offer("node_exporter", b"the program")
    machine.answer.write_text("apache_up 1\n")
    done = machine.run(NODE, URL, digest)
    assert done.returncode == 1
    assert "has no text node_load1" in done.stderr


def test_the_url_may_stand_in_a_file_of_the_machine(machine: Machine) -> None:
    digest = machine.offer("node_exporter", b"the program")
    machine.answer.write_text("node_load1 0.5\n")
    told = machine.run(NODE)
    assert told.returncode == 1
    assert "say the URL and the SHA-256" in told.stderr
    given = machine.root / "etc/downloads/node-exporter"
    given.parent.mkdir(parents=True)
    given.write_text(f"{URL}\n{digest}")
    assert machine.run(NODE).returncode == 0


def test_an_agent_is_laid_down_with_the_option_that_loads_it(machine: Machine) -> None:
    machine.archive.write_bytes(b"a jar")
    digest = hashlib.sha256(b"a jar").hexdigest()
    done = machine.run(AGENT, URL, digest, SENSOR_CHECK="no")
    assert done.returncode == 0, done.stderr
    folder = machine.root
    assert (folder / "etc/web/jmx-exporter.yaml").read_text() == AGENT.config
    option = (folder / "etc/web/jmx-exporter.jvm-options").read_text()
    jar = folder / "opt/jmx-exporter-1.3.0/jmx.jar"
    assert option == f"-javaagent:{jar}=9404:{folder}/etc/web/jmx-exporter.yaml"
    assert jar.read_bytes() == b"a jar"
    assert machine.log.read_text() == ""


def test_what_is_built_in_is_only_asked(machine: Machine) -> None:
    machine.answer.write_text("up 1\n")
    assert machine.run(BUILT_IN).returncode == 0
    assert not machine.root.exists()
    machine.answer.write_text("")
    assert machine.run(BUILT_IN).returncode == 1


# --- values that are syntax elsewhere ----------------------------------------------------------------

HOSTILE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


@given(HOSTILE | st.sampled_from(["$(id)", "`id`", "'; id; '", "{{{{ Url }}}}", "a\n'", "\\'", "!!", "# x"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_shell_reads_exactly_what_was_quoted(text: str) -> None:
    word = templating.shell_word(text)
    assert "{{" not in word
    printed = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout
    assert printed.decode() == text


@given(HOSTILE)
@settings(max_examples=60)
def test_a_hostile_configuration_comes_back_from_the_script_and_its_carriers(text: str) -> None:
    made = rendered(replace(AGENT, config=text, check=SensorCheck("/x'$(id)", "{{ Url }}'")))
    assert made.problems == ()
    assert validate.check(made.files, made.documents, made.provenance) == ()
    read = sensors.read_script(made.files["sensors/web/jmx-exporter.sh"].decode())
    assert (read["config"], read["contains"]) == (text, "{{ Url }}'")


@pytest.mark.parametrize("flag", ["--a=$HOME", "--b=%h %%", '--c="x y"', "--d=\\n", "--e=';'"])
def test_a_flag_reaches_systemd_escaped(flag: str) -> None:
    word = sensors.systemd_word(flag)
    plain = word[1:-1].replace("%%", "%").replace("$$", "$").replace('\\"', '"').replace("\\\\", "\\")
    assert (word[0], word[-1], plain) == ('"', '"', flag)


# --- the library -------------------------------------------------------------------------------------


def test_every_standard_of_machines_that_is_scraped_says_which_sensor_answers() -> None:
    library = standards.load(PROJECT).catalog
    assert library is not None
    scraped = [
        each for each in library.standards.values() if each.scrape and each.applies_to.kind == "ec2-instance"
    ]
    assert len(scraped) > 15
    assert [each.name for each in scraped if not each.sensors] == []


def test_every_service_is_told_once_of_machines_that_do_not_answer_and_of_none() -> None:
    library = standards.load(PROJECT).catalog
    assert library is not None
    for each in (each for each in library.standards.values() if each.scrape):
        assert _is_told(each, "absent("), each.name
        assert any("up{" in text.text for text in _expressions(each)), each.name


def _expressions(each: Standard) -> list[Text]:
    return [*(rule.expr for rule in each.recording), *(alert.expr for alert in each.alerts)]


def _is_told(each: Standard, part: str) -> bool:
    return any(part in alert.expr.text for alert in each.alerts)


def test_the_schemas_of_a_script_refuse_what_is_no_port() -> None:
    meant = sensors.script(standard("web"), NODE)
    assert schema.check(meant, "generated/sensor-script") == ()
    assert schema.check({**meant, "port": "http"}, "generated/sensor-script")
