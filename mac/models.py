"""AWS's own models of its services, cut down to what mac calls and reads.

botocore keeps the whole model of a service: seven hundred operations of EC2 and what is written about each,
of which a handful is ever called. And an answer is parsed for every member that its model knows, whether or
not anybody looks at it. A kind of which there are very many resources says what it `reads`; its model then
knows nothing else, and the parser may pass over elements that the model has no name for.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

from botocore.loaders import JSONFileLoader, Loader, create_loader
from botocore.session import Session

from mac.kinds import aws_kinds
from mac.regions import DESCRIBE_CALL

Model = dict[str, Any]
"""A service's model as botocore loads it: "operations" and "shapes"."""

Tree = dict[str, Any]
"""Member → the members that are read of it; none for all."""

Reference = tuple[str, str]
"""The name of an element in an answer, and of its shape."""

_OWN_CALLS = {  # of a service that has kinds, and of no kind
    "ec2": (DESCRIBE_CALL,),
    "sqs": ("DeleteMessageBatch", "GetQueueAttributes", "ReceiveMessage"),  # as mac/sqs.py
}


def called() -> Mapping[str, frozenset[str]]:
    """Service → the operations that mac calls, for those services that kinds are read from."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind in aws_kinds().values():
        found[kind.service].update(kind.calls)
    for service, operations in _OWN_CALLS.items():
        found[service].update(operations)
    return {service: frozenset(operations) for service, operations in found.items()}


def reads() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """(Service, operation) → what is read of an answer, as dotted members, where not all of it is.

    What one kind does not say of an operation that it calls is all of it, for the others as well.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    whole: set[tuple[str, str]] = set()
    for kind in aws_kinds().values():
        for operation in kind.calls:
            wanted = kind.reads.get(operation)
            if wanted:
                found[kind.service, operation].update(wanted)
            else:
                whole.add((kind.service, operation))
    return {call: tuple(sorted(paths)) for call, paths in found.items() if call not in whole}


def _undocumented(node: dict[str, Any]) -> dict[str, Any]:
    """Without the text, which is most of a model. A member may be called "documentation" all the same."""
    if isinstance(node.get("documentation"), str):
        node["documentation"] = ""
    return node


class _Files(JSONFileLoader):
    """Reads models into plain dictionaries: the ordered ones that botocore makes take twice the memory."""

    def _load_file(self, full_path: str, open_method: Callable[[str, str], IO[bytes]]) -> Any:
        if not os.path.isfile(full_path):
            return None
        with open_method(full_path, "rb") as file:
            return json.loads(file.read(), object_hook=_undocumented)


class ModelLoader(Loader):
    """In place of botocore's own. Fills `unread`: the name of an output shape → elements to pass over.

    A service from which no kind is read keeps its whole model.
    """

    FILE_LOADER_CLASS = _Files

    def __init__(self, inner: Loader, unread: dict[str, tuple[bytes, ...]]) -> None:
        super().__init__(extra_search_paths=inner.search_paths, include_default_search_paths=False)
        self.unread = unread
        self._called, self._reads = called(), reads()

    def load_data_with_path(self, name: str) -> Any:
        found, path = super().load_data_with_path(name)
        service, _, kind = name.replace("\\", "/").partition("/")
        if kind.endswith("/service-2") and service in self._called:
            found = self._cut(service, found)
        return found, path

    def _cut(self, service: str, model: Model) -> Model:
        known = model["operations"]  # of a model that is older or newer than mac, perhaps without a call
        operations = {name: known[name] for name in sorted(self._called[service]) if name in known}
        roots = (ref["shape"] for operation in operations.values() for ref in _references(operation))
        shapes = {name: model["shapes"][name] for name in _reachable(model, roots)}
        cut = {**model, "operations": operations, "shapes": shapes}
        for name, operation in operations.items():
            wanted = self._reads.get((service, name))
            if wanted:
                output = operation["output"]["shape"]
                left_out: list[Reference] = []
                short = _narrowed(shapes, output, _tree(wanted), f"as {name} is read", left_out)
                operations[name] = {**operation, "output": {**operation["output"], "shape": short}}
                self.unread[short] = _unread(shapes, short, left_out)
        return cut


def model_loader(session: Session, unread: dict[str, tuple[bytes, ...]]) -> ModelLoader:
    """One that finds the models where the session would. Raises a BotoCoreError for wrong settings."""
    return ModelLoader(create_loader(session.get_config_variable("data_path")), unread)


def _references(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every reference to a shape in an operation or a shape."""
    if isinstance(node, dict):
        if isinstance(node.get("shape"), str):
            yield node
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _reachable(model: Model, roots: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += (reference["shape"] for reference in _references(model["shapes"][name]))
    return sorted(found)


def _tree(paths: Iterable[str]) -> Tree:
    found: Tree = {}
    for path in paths:
        below = found
        for member in path.split("."):
            below = below.setdefault(member, {})
    return found


def _narrowed(
    shapes: dict[str, Any],
    name: str,
    wanted: Tree,
    suffix: str,
    left_out: list[Reference],
    *,
    top: bool = True,
) -> str:
    """Adds a shape with the wanted members alone, and those below it; its name. At the top all stay: there
    are the tokens of pages. Appends to `left_out` the element and the shape of every other member.
    """
    shape, own = shapes[name], f"{name} {suffix}"
    if shape["type"] == "list":
        inner = _narrowed(shapes, shape["member"]["shape"], wanted, suffix, left_out, top=False)
        shapes[own] = {**shape, "member": {**shape["member"], "shape": inner}}
        return own
    members = dict(shape["members"]) if top else {}
    for member, below in wanted.items():
        reference = shape["members"].get(member)
        if reference is None:  # a model older than the kind: botocore would not parse it either
            continue
        if below:
            inner = _narrowed(shapes, reference["shape"], below, suffix, left_out, top=False)
            reference = {**reference, "shape": inner}
        members[member] = reference
    left_out += (_element(*item) for item in shape["members"].items() if item[0] not in members)
    shapes[own] = {**shape, "members": members}
    return own


def _element(member: str, reference: Mapping[str, Any]) -> Reference:
    return reference.get("locationName", member), reference["shape"]


def _unread(shapes: Mapping[str, Any], short: str, left_out: Iterable[Reference]) -> tuple[bytes, ...]:
    """Of what was left out, the elements that have others in them and whose name means nothing else in the
    answer."""
    known = {element for element, _ in _elements(shapes, short)}
    nested = (e for e, shape in left_out if shapes[shape]["type"] in ("structure", "list", "map"))
    return tuple(element.encode() for element in dict.fromkeys(nested) if element not in known)


def _elements(shapes: Mapping[str, Any], root: str) -> Iterator[Reference]:
    """Every element of a shape and of those below it, and the name of its shape."""
    for name in _reachable({"shapes": shapes}, [root]):
        shape = shapes[name]
        references = [*shape.get("members", {}).items()]
        references += [(role, shape[role]) for role in ("member", "key", "value") if role in shape]
        yield from (_element(*item) for item in references)
