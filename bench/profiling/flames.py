"""Turns py-spy's folded stacks into bounded trees: the consumer, the other threads of its process, and its workers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from feedrate.bench.results.profiles.names import shortened
from feedrate.bench.results.profiles.record import Flame

MAX_NODES = 400
"""Nodes of a tree. Those with the most samples are kept."""
MAX_FLAMES = 8
MAX_DEPTH = 60
MAIN = "MainThread"
_PROCESS = re.compile(r'process (\d+):".*?"(?=;process \d+:"|;thread \()')
_THREAD = re.compile(r"thread \([^)]*\)(?:: )?(.*)")
_LINE = re.compile(r":\d+\)$")
Stack = tuple[tuple[str, ...], int]
"""Functions from the outermost to the innermost, and the number of samples."""


def flames_of(folded: str, consumer: int) -> tuple[Flame, ...]:
    """Return a tree for the consumer and for each other thread and worker. consumer: id of its process."""
    groups: dict[tuple[int, str], list[Stack]] = defaultdict(list)
    for process, thread, stack in _parsed(folded):
        if process == consumer:
            groups[process, thread].append(stack)
        else:  # threads of a worker share a tree
            frames, samples = stack
            groups[process, MAIN].append((frames if thread == MAIN else (thread, *frames), samples))
    workers = sorted({process for process, _ in groups if process != consumer})
    names = {
        (process, thread): f"worker {workers.index(process) + 1}"
        if process != consumer
        else "consumer"
        if thread == MAIN
        else thread
        for process, thread in groups
    }
    ranked = sorted(groups, key=lambda key: (names[key] != "consumer", -_total(groups[key])))
    return tuple(_flame(names[key], groups[key]) for key in ranked[:MAX_FLAMES])


def _parsed(folded: str) -> Iterator[tuple[int, str, Stack]]:
    """Yield (process id, thread name, stack) for each line: processes, a thread, functions, and the samples."""
    for line in folded.splitlines():
        text, _, samples = line.rpartition(" ")
        processes = list(_PROCESS.finditer(text))
        if not processes or not samples.isdigit():
            continue
        thread, *frames = text[processes[-1].end() + 1 :].split(";")
        match = _THREAD.match(thread)
        # the line is that of the function's definition, and would only make equal functions look different
        functions = tuple(shortened(_LINE.sub(")", frame)) for frame in frames[:MAX_DEPTH])
        yield int(processes[-1][1]), (match[1] if match and match[1] else "thread"), (functions, int(samples))


def _total(stacks: Sequence[Stack]) -> int:
    return sum(samples for _, samples in stacks)


@dataclass(slots=True)
class _Node:
    samples: int = 0
    children: dict[str, _Node] = field(default_factory=dict)


def _flame(who: str, stacks: Sequence[Stack]) -> Flame:
    root = _Node()
    for frames, samples in stacks:
        node = root
        node.samples += samples
        for frame in frames:
            node = node.children.setdefault(frame, _Node())
            node.samples += samples
    root = _without_start(root)
    nodes = list(_walk("", root, 0))
    least = sorted((node.samples for _, node, _ in nodes), reverse=True)[:MAX_NODES][-1]
    kept = [(name, node.samples, depth) for name, node, depth in nodes if node.samples >= least][:MAX_NODES]
    names = {name: index for index, name in enumerate(dict.fromkeys(name for name, _, _ in kept))}
    return Flame(
        who=who,
        names=tuple(names),
        depth=tuple(depth for _, _, depth in kept),
        name=tuple(names[name] for name, _, _ in kept),
        samples=tuple(samples for _, samples, _ in kept),
        left_out=len(nodes) - len(kept),
    )


def _without_start(root: _Node) -> _Node:
    """Skip the functions that every sample has, such as those that start a thread or worker. One of them stays."""
    node = root
    while len(node.children) == 1:
        [child] = node.children.values()
        if child.samples < root.samples or not child.children or len(child.children) > 1:
            break
        node = child
    return node


def _walk(name: str, node: _Node, depth: int) -> Iterator[tuple[str, _Node, int]]:
    """Yield (name, node, depth), depth first, children with the most samples first."""
    yield name, node, depth
    for child_name, child in sorted(node.children.items(), key=lambda item: -item[1].samples):
        yield from _walk(child_name, child, depth + 1)
