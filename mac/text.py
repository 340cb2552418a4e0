"""Texts of documents that are templates, with their places."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mac.problems import NOWHERE, Location


@dataclass(frozen=True, slots=True)
class Text:
    """A template text in a document, with the place of its first character."""

    text: str
    location: Location = NOWHERE

    def find(self, word: str) -> Location:
        """Where `word` first stands by itself, else where the text begins. Block scalars keep their lines."""
        found = re.search(rf"(?<![\w:]){re.escape(word)}(?![\w:])", self.text)
        if found is None or not self.location.line:
            return self.location
        line = self.text.count("\n", 0, found.start())
        column = found.start() - (self.text.rfind("\n", 0, found.start()) + 1)
        return replace(
            self.location,
            line=self.location.line + line,
            column=self.location.column + column,
            length=len(word),
        )
