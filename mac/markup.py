"""Pages of HTML from templates. Every value is escaped; only `Html` is taken as it is.

The templates are mac's own; the values are anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2


class Html:
    """Text that is HTML already. Whoever makes one answers for what is in it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __html__(self) -> str:
        return self.text


def page(folder: Path, template: str, names: Mapping[str, Any]) -> str:
    """The template of this name in `folder`, filled in. A name that is missing is a bug, and raises."""
    return _environment(folder).get_template(template).render(names)


def clean(text: str) -> str:
    """Control characters, lone surrogates and what turns the direction of writing become U+FFFD."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t\xa0" else "\ufffd" for c in text)


def _finalize(value: Any) -> Any:
    # What a macro of a template made is a string too, and was cleaned piece by piece.
    return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _environment(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
