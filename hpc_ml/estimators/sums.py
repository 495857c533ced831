"""Sums over partitions along a fixed tree, so that their bits do not depend on who adds."""

from typing import Any, TypeVar

AnswerT = TypeVar("AnswerT")
Node = tuple[int, int]


def add(left: Any, right: Any) -> Any:
    """Return the sum of two answers: numbers, arrays, or tuples of these added one by one."""
    if isinstance(left, tuple):
        return tuple(add(one, other) for one, other in zip(left, right, strict=True))
    return left + right


class TreeSum:
    """Answers of partitions 0 to n - 1, added pairwise as far as both neighbours are there.

    Node (level, index) is the sum of partitions index * 2**level and the next 2**level - 1.
    """

    def __init__(self, n_partitions: int) -> None:
        self._n_partitions = n_partitions
        self.nodes: dict[Node, Any] = {}

    def add(self, node: Node, value: Any) -> None:
        """Take a node, and join it with its neighbours as far up as they are there."""
        level, index = node
        while (1 << level) < self._n_partitions:
            neighbour = (level, index ^ 1)
            if (neighbour[1] << level) < self._n_partitions:
                if neighbour not in self.nodes:
                    break
                other = self.nodes.pop(neighbour)
                value = add(value, other) if index % 2 == 0 else add(other, value)
            level, index = level + 1, index // 2
        self.nodes[level, index] = value

    @property
    def complete(self) -> bool:
        """Whether all partitions are in one node."""
        return len(self.nodes) == 1 and (1 << next(iter(self.nodes))[0]) >= self._n_partitions

    @property
    def value(self) -> Any:
        """The sum of all partitions, once it is complete."""
        (value,) = self.nodes.values()
        return value

    def missing(self) -> list[int]:
        """Return the partitions that no node covers, in their order."""
        there: set[int] = set()
        for level, index in self.nodes:
            there.update(range(index << level, (index + 1) << level))
        return [number for number in range(self._n_partitions) if number not in there]
