"""The little query language of the search box: ``a b``, ``a | b``, ``-a``, ``"a b"``, ``a*`` and parentheses."""

from __future__ import annotations

from dataclasses import dataclass

from .analysis import phrases, tokens


@dataclass(frozen=True)
class Leaf:
    """Tokens that stand side by side; ``prefix`` lets the last one go on."""

    tokens: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True)
class Everything:
    """A lone ``*``."""


@dataclass(frozen=True)
class Not:
    """Anything but ``part``."""

    part: Node


@dataclass(frozen=True)
class Group:
    """``op`` is AND or OR."""

    op: str
    parts: tuple[Node, ...]


Node = Leaf | Everything | Not | Group


DEEPEST = 12
"""So many changes between AND and OR, or parentheses, are understood; SQLite's own parser has a limit too."""
MOST_NEGATED = 200


def parse(text: str) -> Node | None:
    """The query as a tree; None when nothing in it can be searched for. A tangle is read as plain words."""
    reader = _Reader(text)
    tree = reader.expression(depth=0)
    if reader.turns <= DEEPEST and reader.negations <= MOST_NEGATED:
        return tree
    words = tuple(Leaf((token,)) for token, _ in tokens(text))
    return Group("AND", words) if words else None


def negated(node: Node) -> bool:
    """True when a ``-`` stands anywhere in the tree."""
    if isinstance(node, Group):
        return any(negated(part) for part in node.parts)
    return isinstance(node, Not | Everything)


def wanted(node: Node) -> list[Leaf]:
    """The leaves that count for the score: those under no ``-``."""
    if isinstance(node, Group):
        return [leaf for part in node.parts for leaf in wanted(part)]
    return [node] if isinstance(node, Leaf) else []


@dataclass
class _Reader:
    """Reads left to right; operators bind in the order they come, as Lucene's simple parser does."""

    text: str
    at: int = 0
    turns: int = 0
    negations: int = 0

    def expression(self, depth: int) -> Node | None:
        tree: Node | None = None
        op, minus = "AND", False
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == ")":
                self.at += 1
                if depth:
                    return tree
                continue
            if char.isspace():
                self.at += 1
                continue
            if char in "|+":
                op = "OR" if char == "|" else "AND"
                self.at += 1
                continue
            if char == "-":
                minus = not minus
                self.at += 1
                continue
            part = self._part(char, depth)
            if part is not None:
                self.negations += minus
                tree = self._joined(op, tree, Not(part) if minus else part)
            op, minus = "AND", False
        return tree

    def _joined(self, op: str, left: Node | None, right: Node) -> Node:
        if left is None:
            return right
        if isinstance(left, Group) and left.op == op:
            return Group(op, (*left.parts, right))
        self.turns += isinstance(left, Group)
        return Group(op, (left, right))

    def _part(self, char: str, depth: int) -> Node | None:
        if char == "(" and depth < DEEPEST:
            self.at += 1
            self.turns += 1
            return self.expression(depth + 1)
        if char == '"':
            return self._quoted()
        return self._word()

    def _quoted(self) -> Node | None:
        end = self.text.find('"', self.at + 1)
        if end < 0:
            self.at += 1
            return None
        found = tuple(token for token, _ in tokens(self.text[self.at + 1 : end]))
        self.at = end + 1
        self._skip_slop()
        return Leaf(found) if found else None

    def _skip_slop(self) -> None:
        if self.text[self.at : self.at + 1] == "~":
            self.at += 1
            while self.text[self.at : self.at + 1].isdigit():
                self.at += 1

    def _word(self) -> Node | None:
        start, word = self.at, []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char.isspace() or char in '|+")~' or (char == "(" and self.at > start):
                break
            if char == "\\" and self.at + 1 < len(self.text):
                self.at += 1
                char = self.text[self.at]
            word.append(char)
            self.at += 1
        self._skip_slop()
        typed = "".join(word)
        if typed == "*":
            return Everything()
        prefix = typed.endswith("*")
        leaves: list[Node] = [Leaf(tuple(found)) for found in phrases(typed)]
        if not leaves:
            return None
        last = leaves[-1]
        if prefix and isinstance(last, Leaf):
            leaves[-1] = Leaf(last.tokens, prefix=True)
        return leaves[0] if len(leaves) == 1 else Group("AND", tuple(leaves))
