"""One document over another: what both say together, each value with the place where it was written."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mac.source import Document, Node, Pointer, digest

Named = Mapping[Pointer, str]
"""Lists whose items have names: where the list stands → the key of an item's name."""

Without = Mapping[Pointer, Collection[str]]
"""Names that are left out, by the list or the mapping that has them."""


def overlay(base: Document, over: Document, named: Named, without: Without) -> Document:
    """`over` with all that `base` says beside it, but for what is left `without`.

    Mappings are joined key by key, the lists of `named` item by item; any other value of `over` takes the
    place of the base's.
    """
    top = _join(_drop(base.top, (), named, without), over.top, (), named)
    return Document(over.path, top.value, over.lines, digest(top.value), top)


def names(document: Document, at: Pointer, named: Named) -> list[str]:
    """The names in a list of `named`, or the keys of a mapping."""
    node = document.top
    for step in at:
        if step not in node.children:
            return []
        node = node.children[step]
    if at in named:
        return [_name(item, named[at]) for item in node.children.values()]
    return [str(key) for key in node.children]


def _join(base: Node, over: Node, at: Pointer, named: Named) -> Node:
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        children = {**base.children, **over.children}
        for key in base.children.keys() & over.children.keys():
            children[key] = _join(base.children[key], over.children[key], (*at, key), named)
        value = {key: node.value for key, node in children.items()}
        return Node(value, over.place, over.inner, {**base.keys, **over.keys}, children)
    if isinstance(base.value, list) and isinstance(over.value, list) and at in named:
        return _join_items(base, over, at, named)
    return over


def _join_items(base: Node, over: Node, at: Pointer, named: Named) -> Node:
    """Items of one name are joined, in the base's order; then come those that only `over` has."""
    own = list(over.children.values())
    items: list[Node] = []
    for node in base.children.values():
        name = _name(node, named[at])
        meant = next((other for other in own if name and _name(other, named[at]) == name), None)
        if meant is None:
            items.append(node)
        else:
            own.remove(meant)
            items.append(_join(node, meant, (*at, name), named))
    return _listed([*items, *own], over)


def _drop(node: Node, at: Pointer, named: Named, without: Without) -> Node:
    dropped = without.get(at, ())
    if isinstance(node.value, dict):
        kept = {
            key: _drop(child, (*at, key), named, without)
            for key, child in node.children.items()
            if key not in dropped
        }
        value = {key: child.value for key, child in kept.items()}
        return Node(value, node.place, node.inner, node.keys, kept)
    if dropped and at in named:
        return _listed([n for n in node.children.values() if _name(n, named[at]) not in dropped], node)
    return node


def _listed(items: list[Node], where: Node) -> Node:
    return Node([n.value for n in items], where.place, where.inner, {}, dict(enumerate(items)))


def _name(node: Node, key: str) -> str:
    name = node.value.get(key) if isinstance(node.value, dict) else None
    return name if isinstance(name, str) else ""
