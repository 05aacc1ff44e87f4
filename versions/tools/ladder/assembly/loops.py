"""The innermost loops of a program, found in its control-flow graph."""

from collections.abc import Callable, Sequence

Graph = Sequence[Sequence[int]]  # node -> the nodes that may come next; execution starts at node 0


def innermost(successors: Graph, is_padding: Callable[[int], bool] = lambda node: False) -> list[list[int]]:
    """The innermost loops, each a sorted list of nodes, in the order of their first nodes.

    These are natural loops: a node h, an edge back to h from a node that can be reached only through h, and all nodes
    from which that edge can be reached without passing h again (Aho, Lam, Sethi and Ullman, Compilers, section 9.6.6).
    Edges back to the same h make one loop. A node that can't be reached from node 0, because a jump table leads there,
    counts as another start, unless it is padding, which is never executed.
    """
    entries, reached = find_entries(successors, is_padding)
    predecessors: list[list[int]] = [[] for _ in successors]
    for node in sorted(reached):
        for successor in successors[node]:
            predecessors[successor].append(node)
    dominating = dominators(predecessors, entries, sorted(reached))
    bodies: dict[int, set[int]] = {}
    for node in reached:
        for head in successors[node]:
            if dominating[node] >> head & 1:
                bodies[head] = bodies.get(head, {head}) | body(head, node, predecessors)
    return sorted(sorted(nodes) for head, nodes in bodies.items() if not (bodies.keys() - {head}) & nodes)


def find_entries(successors: Graph, is_padding: Callable[[int], bool]) -> tuple[set[int], set[int]]:
    """All nodes that execution may reach, starting at node 0."""
    entries: set[int] = set()
    reached: set[int] = set()
    for node in range(len(successors)):
        if node in reached or is_padding(node):
            continue
        entries.add(node)
        waiting = [node]
        while waiting:
            last = waiting.pop()
            if last not in reached:
                reached.add(last)
                waiting += successors[last]
    return entries, reached


def dominators(predecessors: Graph, entries: set[int], reached: list[int]) -> list[int]:
    """For each reached node, its dominators: the nodes on every path to it, itself included, as the bits of a number.

    Every set starts with all nodes and loses those that some predecessor lacks, until nothing changes.
    """
    everything = (1 << len(predecessors)) - 1
    found = [everything] * len(predecessors)
    changed = True
    while changed:
        changed = False
        for node in reached:
            common = 0 if node in entries else everything
            for predecessor in predecessors[node]:
                common &= found[predecessor]
            if common | 1 << node != found[node]:
                found[node] = common | 1 << node
                changed = True
    return found


def body(head: int, last: int, predecessors: Graph) -> set[int]:
    """The nodes from which `last` can be reached without passing `head`, and `head` itself."""
    nodes, waiting = {head}, [last]
    while waiting:
        node = waiting.pop()
        if node not in nodes:
            nodes.add(node)
            waiting += predecessors[node]
    return nodes
