"""The trees of a forest that are grown, kept by the run in parts of bounded size."""

from dataclasses import dataclass, field
from typing import Any

from hpc_ml.estimators.surroundings import Checkpoint

# A part is written anew while it grows: small enough for that, large enough for few files.
_PART_BYTES = 8 * 2**20
_PART_TREES = 32
_TREE = "sklearn.tree._tree.Tree"


@dataclass
class _Part:
    """Some trees by their numbers; `written` of them are on the disk."""

    digest: str
    trees: dict[int, Any] = field(default_factory=dict)
    size_bytes: int = 0
    written: int = 0

    @property
    def full(self) -> bool:
        return self.size_bytes > _PART_BYTES or len(self.trees) >= _PART_TREES

    def dump(self) -> bytes:
        """Return the part as bytes that can be read without running code."""
        import skops.io

        self.written = len(self.trees)
        return bytes(
            skops.io.dumps(
                {
                    "digest": self.digest,
                    "numbers": list(self.trees),
                    "trees": list(self.trees.values()),
                }
            )
        )


class KeptTrees:
    """Trees by their numbers, read from the checkpoint and kept there.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where they are kept.
    digest : str
        What tells the trees of this forest from those of another.
    """

    def __init__(self, checkpoint: Checkpoint, digest: str) -> None:
        import skops.io  # noqa: F401 - now, since it would count as the cost of the first part

        self._checkpoint = checkpoint
        self._digest = digest
        self._trees: dict[int, Any] = {}
        self._parts: list[_Part] = []
        while (part := self._read(len(self._parts))) is not None:
            self._trees.update(part.trees)
            self._parts.append(part)
        self._parts.append(_Part(digest))

    def __contains__(self, number: int) -> bool:
        return number in self._trees

    def __len__(self) -> int:
        return len(self._trees)

    def in_order(self) -> list[Any]:
        """Return the trees by their numbers."""
        return [self._trees[number] for number in sorted(self._trees)]

    def add(self, number: int, tree: Any) -> None:
        """Take a tree."""
        self._trees[number] = tree
        if self._parts[-1].full:
            self._parts.append(_Part(self._digest))
        part = self._parts[-1]
        part.trees[number] = tree
        part.size_bytes += _size_bytes(tree)

    def save(self, seconds: float) -> None:
        """Have the checkpoint keep the trees that are not written yet.

        `seconds` is what the newest of them took, which others were grown beside.
        """
        for number, part in enumerate(self._parts):
            if part.written < len(part.trees):
                self._checkpoint.keep_state(_name(number), part.dump, seconds)

    def _read(self, number: int) -> _Part | None:
        import skops.io

        state = self._checkpoint.kept_state(_name(number))
        if state is None:
            return None
        kept = skops.io.loads(state, trusted=[_TREE])
        if kept["digest"] != self._digest:
            return None
        trees = dict(zip(kept["numbers"], kept["trees"], strict=True))
        return _Part(self._digest, trees, written=len(trees))


def _name(part: int) -> str:
    return f"forest-{part:04d}"


def _size_bytes(tree: Any) -> int:
    # A node takes 64 bytes besides its values (sklearn/tree/_tree.pxd).
    return int(tree.tree_.node_count * 64 + tree.tree_.value.nbytes)
