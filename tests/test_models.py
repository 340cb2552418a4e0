"""Models cut down to what is read: nothing that is read is missing, and nothing else is parsed."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.model import ServiceModel
from botocore.session import Session
from test_parsing import fake

from mac.kinds import Kind, aws_kinds
from mac.kinds.kind import Place
from mac.models import ModelLoader, called, model_loader, reads
from mac.parsing import ParserFactory, without

ACCOUNT, REGION = fake.account_id(0), "us-east-1"
PLACE = Place(ACCOUNT, REGION)
NARROWED = [
    pytest.param(kind, operation, id=f"{kind.name}-{operation}")
    for kind in aws_kinds().values()
    for operation in kind.reads
]


@pytest.fixture(scope="module")
def loader() -> ModelLoader:
    return model_loader(Session(), {})


def model(loader: Any, service: str) -> ServiceModel:
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def whole(service: str) -> ServiceModel:
    return Session().get_service_model(service)


class Recorded(dict[str, Any]):
    """A structure of an answer that keeps which of its members are asked for."""

    def __init__(self, values: Mapping[str, Any], path: str, asked: set[str]) -> None:
        super().__init__({key: _recorded(value, f"{path}.{key}", asked) for key, value in values.items()})
        self._path, self._asked = path, asked

    def __getitem__(self, key: str) -> Any:
        self._asked.add(f"{self._path}.{key}".lstrip("."))
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._asked.add(f"{self._path}.{key}".lstrip("."))
        return super().get(key, default)


def _recorded(value: Any, path: str, asked: set[str]) -> Any:
    if isinstance(value, dict):
        return Recorded(value, path, asked)
    return [_recorded(item, path, asked) for item in value] if isinstance(value, list) else value


class Told:
    """In place of AWS: one page of the operation, and nothing of any other."""

    def __init__(self, operation: str, page: Mapping[str, Any]) -> None:
        self._operation, self._page = operation, page

    def pages(self, operation: str, key: str, **_: Any) -> Iterator[Any]:
        yield from self._page[key] if operation == self._operation else ()


def answer(service: str, operation: str) -> bytes:
    """With every member that the model of the service has."""
    place = (ACCOUNT, REGION)
    answers = fake.Answers({place: 120})
    if operation == "DescribeInstances":  # a tenth of these are spot instances
        return bytes(answers.body(service, operation, ("0", "120", "120", ""), *place))
    shape = fake.operation_of(service, operation)
    return bytes(fake.rendered(shape, fake.example(shape.output_shape, operation)))


def parsed(factory: ParserFactory, service: ServiceModel, operation: str, body: bytes) -> Any:
    response = {"body": body, "headers": {}, "status_code": 200}
    shape = service.operation_model(operation).output_shape
    return factory.create_parser(service.resolved_protocol).parse(response, shape)


def read(kind: Kind, operation: str, page: Mapping[str, Any]) -> list[Any]:
    return [kind.transform(PLACE, raw) for raw in kind.fetch(Told(operation, page), PLACE)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "operation"), NARROWED)
def test_a_kind_makes_the_same_of_what_it_reads_as_of_the_whole(
    loader: ModelLoader, kind: Kind, operation: str
) -> None:
    bodies = [answer(kind.service, operation)]
    short, complete = model(loader, kind.service), whole(kind.service)
    if operation == "DescribeInstances":
        bodies += [
            bodies[0].replace(b"<name>running<", b"<name>%b<" % s) for s in (b"stopped", b"terminated")
        ]
    for body in bodies:
        narrowed = parsed(ParserFactory(loader.unread), short, operation, body)
        everything = parsed(ParserFactory(), complete, operation, body)
        assert narrowed != everything
        assert read(kind, operation, narrowed) == read(kind, operation, everything)
        assert len(read(kind, operation, everything))


@pytest.mark.parametrize(("kind", "operation"), NARROWED)
def test_a_kind_declares_every_member_that_it_asks_for(kind: Kind, operation: str) -> None:
    asked: set[str] = set()
    page = parsed(ParserFactory(), whole(kind.service), operation, answer(kind.service, operation))
    read(kind, operation, Recorded(page, "", asked))
    declared = kind.reads[operation]
    # What leads to a declared member is asked for on the way; what lies below it, is read whole.
    known = {path for path in asked for name in declared if f"{name}.".startswith(f"{path}.")}
    known |= {path for path in asked for name in declared if path.startswith(f"{name}.")}
    own = {"SpotStatus"}  # that `fetch` adds
    assert {path for path in asked - known if path.rpartition(".")[2] not in own} == set()


@pytest.mark.parametrize(("kind", "operation"), NARROWED)
def test_no_kind_names_a_member_that_is_not_parsed(loader: ModelLoader, kind: Kind, operation: str) -> None:
    """Also in a branch that no example takes."""
    shapes = [
        whole(kind.service).operation_model(operation).output_shape,
        model(loader, kind.service).operation_model(operation).output_shape,
    ]
    everything, narrowed = (set(_members(shape, ())) for shape in shapes)
    assert narrowed < everything
    source = inspect.getsource(importlib.import_module(kind.fetch.__module__))
    named = {n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)}
    for other in set(kind.calls) - {operation}:
        narrowed |= set(_members(whole(kind.service).operation_model(other).output_shape, ()))
    assert named & (everything - narrowed) == set()


def _members(shape: Any, above: tuple[str, ...]) -> Iterator[str]:
    if shape.type_name == "list":
        yield from _members(shape.member, above)
    elif shape.type_name == "structure" and shape.name not in above:
        for name, member in shape.members.items():
            yield name
            yield from _members(member, (*above, shape.name))


def test_a_service_keeps_what_is_called_of_it_and_no_text(loader: ModelLoader) -> None:
    for service, operations in called().items():
        kept = loader.load_service_model(service, "service-2")
        assert set(kept["operations"]) == operations
        assert not any(shape.get("documentation") for shape in kept["shapes"].values())


def test_a_call_that_is_read_whole_has_the_shapes_of_botocore(loader: ModelLoader) -> None:
    for service, operations in called().items():
        short, complete = model(loader, service), whole(service)
        for operation in operations:
            ours, theirs = short.operation_model(operation), complete.operation_model(operation)
            pairs = [(ours.input_shape, theirs.input_shape)]
            if (service, operation) not in reads():
                pairs.append((ours.output_shape, theirs.output_shape))
            for own, other in pairs:
                assert (own and set(_members(own, ()))) == (other and set(_members(other, ())))
            assert [e.name for e in ours.error_shapes] == [e.name for e in theirs.error_shapes]


def test_a_model_that_lacks_a_call_or_a_member_is_cut_all_the_same(tmp_path: Path) -> None:
    """A botocore of another time than mac's, or a folder of the user's own models."""
    told = Session().get_component("data_loader").load_service_model("ec2", "service-2")
    told["operations"].pop("DescribeNatGateways")
    told["shapes"]["Instance"]["members"].pop("Architecture")
    own = tmp_path / "ec2/2099-01-01"
    own.mkdir(parents=True)
    (own / "service-2.json").write_text(json.dumps(told), encoding="utf-8")
    session = Session()
    session.set_config_variable("data_path", str(tmp_path))
    found = model(model_loader(session, {}), "ec2")
    assert "DescribeNatGateways" not in found.operation_names
    members = set(_members(found.operation_model("DescribeInstances").output_shape, ()))
    assert "ImageId" in members
    assert "Architecture" not in members


def test_a_service_without_kinds_keeps_every_operation(loader: ModelLoader) -> None:
    assert set(model(loader, "sts").operation_names) == set(whole("sts").operation_names)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b"<r><a><b>1</b></a><c/></r>", b"<r><c/></r>"),
        (b"<r><a>1</a><c/><a>2</a></r>", b"<r><c/></r>"),
        (b"<r><a/><ab>1</ab></r>", b"<r><a/><ab>1</ab></r>"),
        (b"<r><a x='1'>1</a></r>", b"<r><a x='1'>1</a></r>"),
        (b"<r><n:a>1</n:a></r>", b"<r><n:a>1</n:a></r>"),
        (b"<r><a><a>1</a></a></r>", b"<r><a><a>1</a></a></r>"),
        (b"<r><a>1<c/></r>", b"<r><a>1<c/></r>"),
        (b"<r><a>1</r><a>2</a>", b"<r><a>1</r><a>2</a>"),
        (b"<r><![CDATA[<a>]]><a>1</a></r>", b"<r><![CDATA[<a>]]><a>1</a></r>"),
        (b"<r><!-- <a> --><a>1</a></r>", b"<r><!-- <a> --><a>1</a></r>"),
        (b"<?xml?><r><?p <a> ?><a>1</a></r>", b"<?xml?><r><?p <a> ?><a>1</a></r>"),
        (b"<?xml?><r><a>1</a></r>", b"<?xml?><r></r>"),
        (b"<r>&lt;a&gt;<a>1</a></r>", b"<r>&lt;a&gt;</r>"),
    ],
)
def test_elements_are_passed_over_where_they_are_told_for_sure(body: bytes, left: bytes) -> None:
    assert without(body, (b"a",)) == left
