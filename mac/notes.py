"""What is to be said once about many resources, as Problems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mac import conventions
from mac.model import Resource
from mac.problems import Location, Problem, Severity

_SHOWN = 5  # resources named in one message; the count says how many more there are
_NAMES = 60  # names without a document in one message
_TOGETHER = 3  # more such names than this are one problem: each has nothing to say of its own


@dataclass(slots=True)
class Notes:
    """Collects what is to be said once about many resources: (code, subject) → message and resources."""

    texts: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    resources: dict[tuple[str, str], list[Resource]] = field(default_factory=lambda: defaultdict(list))
    unknown: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, code: str, subject: str, resource: Resource, message: str, hint: str = "") -> None:
        self.texts.setdefault((code, subject), (message, hint))
        self.resources[code, subject].append(resource)

    def add_unknown(self, code: str, name: str, resource: Resource, message: str, near: str) -> None:
        """A name of a tag that no document has. `near`: the hint, when it is a misspelling."""
        self.add(code, name, resource, message, near or _UNKNOWN[code].hint)
        if not near:
            self.unknown[code][name] = message

    def problems(self) -> list[Problem]:
        together = {code: names for code, names in self.unknown.items() if len(names) > _TOGETHER}
        found = [self._together(code, names) for code, names in together.items()]
        for (code, subject), (message, hint) in self.texts.items():
            if subject in together.get(code, ()):
                continue
            who = self.resources[code, subject]
            named = ", ".join(sorted({r.id for r in who})[:_SHOWN])
            more = f" and {len(who) - _SHOWN} more" if len(who) > _SHOWN else ""
            found.append(
                Problem(
                    Location(min(r.arn for r in who)),
                    code,
                    f"{message} ({len(who)} resource{'s' * (len(who) != 1)}: {named}{more})",
                    hint,
                    Severity.WARNING,
                )
            )
        return found

    def _together(self, code: str, names: Iterable[str]) -> Problem:
        sizes = {name: len(self.resources[code, name]) for name in names}
        first = sorted(sizes, key=lambda name: (-sizes[name], name))[:_NAMES]
        named = ", ".join(_word(name) + (f" ({sizes[name]})" if sizes[name] > 1 else "") for name in first)
        more = f" and {len(sizes) - len(first)} more" if len(sizes) > len(first) else ""
        unknown = _UNKNOWN[code]
        total = f"{sum(sizes.values())} resources"
        message = f"{len(sizes)} {unknown.plural} ({total}) {unknown.lack}: {named}{more}"
        return Problem(Location(unknown.folder), code, message, unknown.hint, Severity.WARNING)


@dataclass(frozen=True, slots=True)
class _Unknown:
    """How names of tags that no document has are told together. `folder`: where the documents belong."""

    plural: str
    lack: str
    folder: str
    hint: str


_UNKNOWN = {
    "undeclared-service": _Unknown(
        "services that tags name",
        "have no document",
        conventions.SERVICES_DIR,
        "write one in standards/services: until then the team of its tags is told, or default_team",
    ),
    "unknown-team": _Unknown(
        "teams that tags name",
        "do not exist, so that default_team is told instead",
        conventions.TEAMS_DIR,
        "write it in standards/teams, or name another owner in the document of the service",
    ),
}


def quoted(value: str) -> str:
    shown = value if len(value) <= 60 else value[:59] + "…"
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown) + '"'


def _word(value: str) -> str:
    """A name in a list of names: bare when it cannot be mistaken."""
    return value if value.isascii() and value.replace("-", "").replace("_", "").isalnum() else quoted(value)
