"""Which worker holds which partitions: pure."""

from collections.abc import Iterable, Mapping, Sequence


def place(
    sizes: Sequence[int], before: Mapping[str, Iterable[int]], workers: Sequence[str]
) -> dict[str, list[int]]:
    """Return the partitions of each worker, in ascending order.

    At first neighbouring partitions go to the same worker, so that files are read in few places;
    later as few as can be move: those of lost workers to whoever has least, then from whoever
    has most to whoever has least.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of each partition.
    before : mapping
        Partitions by worker, as they lie now; workers that are gone included.
    workers : sequence of str
        The workers that are there; at least one.
    """
    held = {worker: sorted(before.get(worker, ())) for worker in workers}
    if not any(held.values()):
        return _share_out(sizes, workers)
    there = {number for numbers in held.values() for number in numbers}
    loads = {worker: sum(_weight(sizes, n) for n in numbers) for worker, numbers in held.items()}
    for number in range(len(sizes)):
        if number not in there:
            least = min(workers, key=lambda worker: loads[worker])
            held[least].append(number)
            loads[least] += _weight(sizes, number)
    while _move_one(sizes, held, loads):
        pass
    return {worker: sorted(numbers) for worker, numbers in held.items()}


def _weight(sizes: Sequence[int], number: int) -> int:
    return max(1, sizes[number])


def _share_out(sizes: Sequence[int], workers: Sequence[str]) -> dict[str, list[int]]:
    held: dict[str, list[int]] = {worker: [] for worker in workers}
    total = sum(_weight(sizes, number) for number in range(len(sizes)))
    passed = 0
    for number in range(len(sizes)):
        middle = passed + _weight(sizes, number) / 2
        held[workers[min(len(workers) - 1, int(middle * len(workers) / total))]].append(number)
        passed += _weight(sizes, number)
    return held


def _move_one(sizes: Sequence[int], held: dict[str, list[int]], loads: dict[str, int]) -> bool:
    """Move a partition from the most to the least loaded worker, where that evens them out."""
    most = max(held, key=lambda worker: loads[worker])
    least = min(held, key=lambda worker: loads[worker])
    if len(held[most]) < 2:
        return False
    size = _weight(sizes, held[most][-1])
    if loads[least] + size >= loads[most]:
        return False
    held[least].append(held[most].pop())
    loads[most] -= size
    loads[least] += size
    return True
