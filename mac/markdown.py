"""The Markdown of runbooks (CommonMark and tables) as HTML.

HTML inside a text stays text, an image is shown as its description, and a link leads where the caller says:
whatever a text holds, no script and no foreign file comes into a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from mac.markup import Html, clean

Follow = Callable[[str], str]
"""A link's address as it is written → the address on the page, or "" where it leads nowhere."""

_OUTSIDE = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was read. `anchors`: its headings', in order, as GitHub makes them. `title`: the first."""

    title: str
    anchors: tuple[str, ...]
    _tokens: tuple[Token, ...]
    _sections: Mapping[str, tuple[int, int]]

    def html(self, follow: Follow) -> Html:
        """The whole text; headings have ids."""
        return _render(self._tokens, follow)

    def section(self, anchor: str, follow: Follow) -> Html | None:
        """What stands below a heading, up to the next of its level, without ids; None if it is not there."""
        if anchor not in self._sections:
            return None
        start, end = self._sections[anchor]
        return _render([_without_id(token) for token in self._tokens[start:end]], follow)

    def opening(self, anchor: str) -> str:
        """The first paragraph below a heading as plain text, or ""."""
        start, end = self._sections.get(anchor, (0, 0))
        for token in self._tokens[start:end]:
            if token.type == "inline":
                return _plain(token)
        return ""


def read(text: str) -> Text:
    tokens = _parser().parse(text)
    headings = [n for n, token in enumerate(tokens) if token.type == "heading_open"]
    levels = {n: int(tokens[n].tag[1:]) for n in headings}
    sections: dict[str, tuple[int, int]] = {}
    seen: dict[str, int] = {}
    title = ""
    for n in headings:
        words = _plain(tokens[n + 1])
        title = title or words
        anchor = _anchor(words, seen)
        tokens[n].attrSet("id", anchor)
        end = next((m for m in headings if m > n and levels[m] <= levels[n]), len(tokens))
        sections[anchor] = (n + 3, end)
    return Text(title, tuple(sections), tuple(tokens), sections)


def _anchor(words: str, seen: dict[str, int]) -> str:
    """GitHub's: small letters, no punctuation, hyphens for blanks, a number where it is there already."""
    plain = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") or "section"
    anchor = plain
    while anchor in seen:
        seen[plain] += 1
        anchor = f"{plain}-{seen[plain]}"
    seen[anchor] = 0
    return anchor


def _plain(inline: Token) -> str:
    shown = []
    for child in inline.children or ():
        if child.type in ("softbreak", "hardbreak"):
            shown.append(" ")
        elif child.type == "image":
            shown.append(_plain(child))
        else:
            shown.append(child.content)
    return "".join(shown).strip()


def _without_id(token: Token) -> Token:
    return token.copy(attrs={}) if token.type == "heading_open" else token


def _render(tokens: Sequence[Token], follow: Follow) -> Html:
    parser = _parser()
    return Html(parser.renderer.render(tokens, parser.options, {"follow": follow}))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.push("clean", _clean)
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("image", _image)
    return parser


def _clean(state: Any) -> None:
    for token in state.tokens:
        for each in (token, *(token.children or ())):
            each.content = clean(each.content)


def _link(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    written = str(tokens[index].attrGet("href") or "")
    if _OUTSIDE.match(written):
        leads, rel = written, "noreferrer"
    else:
        leads, rel = "" if _ELSEWHERE.match(written) else env["follow"](written), ""
    attributes = {name: value for name, value in (("href", leads), ("rel", rel)) if value}
    opened: str = renderer.renderToken([tokens[index].copy(attrs=attributes)], 0, options, env)
    return opened


def _image(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    shown: str = renderer.renderInlineAsText(tokens[index].children, options, env)
    return str(renderer.text([Token("text", "", 0, content=shown)], 0, options, env))
