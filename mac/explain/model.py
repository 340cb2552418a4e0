"""What `mac explain` answers, as values: the JSON of the command is made of these, field by field."""

from __future__ import annotations

from dataclasses import dataclass

from mac.model import ParameterValue


@dataclass(frozen=True, slots=True)
class Setting:
    """One who said what a value is. `who`: standard, environment, service, tag, tier or slo; `name`: which of
    them. `place`: path:line:column, or the resources that have the tag.
    """

    who: str
    name: str
    value: ParameterValue
    place: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A value of a rule, and all who set it, the weakest first: the last of `chain` won.

    `used`: where the rule reads it, its own keys and series that its standard records.
    """

    name: str
    value: ParameterValue
    unit: str
    description: str
    used: tuple[str, ...]
    chain: tuple[Setting, ...]

    @property
    def winner(self) -> Setting:
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class Label:
    """A label that binds a resource. `tag`: the key of the tag that it comes from, "" for none."""

    name: str
    value: str
    tag: str


@dataclass(frozen=True, slots=True)
class Bound:
    """The resource behind a target. `because`: what of the standard it fits, in words."""

    arn: str
    kind: str
    account: str
    region: str
    name: str
    labels: tuple[Label, ...]
    because: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Why a target is in a shard: the hash of `identity` says so. Once there are `moves_at` shards it moves
    to the last of them.
    """

    cell: str
    shard: int
    count: int
    identity: str
    moves_at: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """One target or rule. `kind`: alert, recording or target. `line`: in `file`, 0 when it is not found.

    `standard`: its name, `written`: where; `defined`: the alert, the series or the job in it. `override`: the
    tags' values that this one is for. `evaluated`: by what; "" for a target.
    """

    what: str
    kind: str
    file: str
    line: int
    cell: str
    group: str
    service: str
    environment: str
    override: str
    standard: str
    written: str
    defined: str
    template: str
    expr: str = ""
    decisions: tuple[Decision, ...] = ()
    arn: str = ""
    resource: Bound | None = None
    evaluated: str = ""
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Something that what stands on a line comes from, and where it is written."""

    what: str
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Lead:
    """Generated things that come from a line. `kind`: alert, recording, target, panel or file."""

    kind: str
    name: str
    service: str
    environment: str
    cell: str
    file: str
    line: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Value:
    """The value that a parameter has for a service in an environment, and for which tags; see `Decision`."""

    service: str
    environment: str
    override: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file. `owner`: mac, when it is generated; you, for documents and templates; else "".

    `what`: a phrase for what stands there; `at`: the keys that lead to it, as jq writes them. `origins`: what
    it comes from. `leads`: what is generated from it, and `values`: what a parameter becomes. `line` is 0
    when the whole file is meant.
    """

    path: str
    line: int
    text: str
    owner: str
    what: str
    at: str = ""
    origins: tuple[Origin, ...] = ()
    leads: tuple[Lead, ...] = ()
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`line`: of FILE:LINE; `found`: the targets and rules that are meant; `notes`: what else matters."""

    found: tuple[Explanation, ...]
    line: Line | None = None
    notes: tuple[str, ...] = ()
