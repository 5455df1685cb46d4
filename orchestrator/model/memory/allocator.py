"""How much memory a compute graph needs: what ggml's graph allocator does, with sizes and without a computation.

ggml gives each tensor of a graph a place in one buffer, frees it behind its last reader, and lets some operations
write over their input (`ggml_gallocr` in ggml-alloc.c). The size of that buffer is what llama.cpp prints as its
compute buffer. The same steps are taken here, so the size comes out the same, not merely near it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.values import Struct, Value, field

F32, F16, I32, I64 = 4, 2, 4, 8

_ALIGNMENT = 32
_ENDLESS = 1 << 62
_PAGE = 4096


class GraphTensor(Struct, eq=False):
    """A tensor of a graph: its extents (ggml's order, fastest first), and what it is made of.

    layout: what must be equal for one tensor to be written over another: element size, extents, strides.
    view_of: the tensor whose memory it shows a part of.
    external: it has memory of its own (a weight, the KV cache).
    """

    shape: tuple[int, ...]
    element_bytes: int
    sources: tuple[GraphTensor, ...] = ()
    view_of: GraphTensor | None = None
    contiguous: bool = True
    over_input: bool = False
    external: bool = False
    is_input: bool = False

    @property
    def n_bytes(self) -> int:
        n = self.element_bytes
        for extent in self.shape:
            n *= extent
        return n

    def same_layout(self, other: GraphTensor) -> bool:
        return (
            self.contiguous
            and other.contiguous
            and self.element_bytes == other.element_bytes
            and _extents(self.shape) == _extents(other.shape)
        )


def _extents(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 1, 1, 1, 1)[:4]


EXTERNAL = GraphTensor((0,), 0, external=True)


class Graph:
    """A graph in the making: nodes in the order in which ggml computes them, and its leaves (inputs)."""

    def __init__(self) -> None:
        self.nodes: list[GraphTensor] = []
        self.leaves: list[GraphTensor] = []
        self._seen: set[int] = {id(EXTERNAL)}

    def expand(self, tensor: GraphTensor) -> GraphTensor:
        """Add `tensor` and all that it is made of, as `ggml_build_forward_expand`."""
        stack = [(tensor, iter(tensor.sources))]
        if id(tensor) in self._seen:
            return tensor
        self._seen.add(id(tensor))
        while stack:
            node, rest = stack[-1]
            source = next((unseen for unseen in rest if id(unseen) not in self._seen), None)
            if source is not None:
                self._seen.add(id(source))
                stack.append((source, iter(source.sources)))
                continue
            stack.pop()
            if node.sources:
                self.nodes.append(node)
            elif not node.external:
                self.leaves.append(node)
        return tensor

    # The operations that models are made of. Each result is f32 unless it says otherwise.

    def input(self, *shape: int, element_bytes: int = F32) -> GraphTensor:
        return GraphTensor(shape, element_bytes, is_input=True)

    def mul_mat(self, n_out: int, x: GraphTensor) -> GraphTensor:
        """A weight of `n_out` rows times `x`."""
        return GraphTensor((n_out, *x.shape[1:]), F32, (EXTERNAL, x))

    def new(self, shape: tuple[int, ...], *sources: GraphTensor, element_bytes: int = F32) -> GraphTensor:
        """An operation whose result needs memory of its own."""
        return GraphTensor(shape, element_bytes, sources)

    def over(self, x: GraphTensor, *others: GraphTensor) -> GraphTensor:
        """An operation that may write its result over one of its inputs: add, mul, scale, norm, rope, softmax …"""
        return GraphTensor(x.shape, F32, (x, *others), over_input=True)

    def reshape(self, x: GraphTensor, *shape: int) -> GraphTensor:
        return GraphTensor(shape, x.element_bytes, (x,), view_of=x.view_of or x)

    def view(self, x: GraphTensor, *shape: int) -> GraphTensor:
        """A part of `x`, or `x` with its dimensions in another order: not contiguous."""
        return GraphTensor(shape, x.element_bytes, (x,), view_of=x.view_of or x, contiguous=False)

    def store(self, *sources: GraphTensor) -> GraphTensor:
        """An operation that writes into external memory (the KV cache)."""
        return GraphTensor((0,), 0, (*sources, EXTERNAL), external=True)


class _State(Struct):
    children: int = 0
    views: int = 0
    offset: int = 0
    allocated: bool = False


class BufferPlan(Value, kw_only=False):
    """Where the tensors of a graph lie: `places` in the order of the leaves and then the nodes; None: no place."""

    n_bytes: int
    places: tuple[int | None, ...]


class _Space(Struct):
    """Free blocks of one endless buffer, by offset."""

    free: list[list[int]] = field(default_factory=lambda: [[0, _ENDLESS]])
    n_bytes: int = 0

    def take(self, size: int) -> int:
        size = -(-size // _ALIGNMENT) * _ALIGNMENT
        best, best_size = len(self.free) - 1, _ENDLESS
        for index, (_, free) in enumerate(self.free[:-1]):
            if size <= free <= best_size:
                best, best_size = index, free
        block = self.free[best]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if block[1] == 0:
            del self.free[best]
        self.n_bytes = max(self.n_bytes, offset + size)
        return offset

    def give(self, offset: int, size: int) -> None:
        size = -(-size // _ALIGNMENT) * _ALIGNMENT
        index = 0
        while index < len(self.free) and self.free[index][0] < offset:
            index += 1
        before = self.free[index - 1] if index else None
        after = self.free[index] if index < len(self.free) else None
        touches_before = before is not None and before[0] + before[1] == offset
        touches_after = after is not None and offset + size == after[0]
        if before is not None and touches_before:
            before[1] += size
            if after is not None and touches_after:
                before[1] += after[1]
                del self.free[index]
        elif after is not None and touches_after:
            after[0] = offset
            after[1] += size
        else:
            self.free.insert(index, [offset, size])


class _Planner:
    """Walks a graph as `ggml_gallocr_alloc_graph_impl` does: a tensor's place is free again after its last use."""

    def __init__(self) -> None:
        self.space = _Space()
        self._states: dict[int, _State] = {}

    def state(self, tensor: GraphTensor) -> _State:
        state = self._states.get(id(tensor))
        if state is None:
            state = self._states[id(tensor)] = _State()
        return state

    def count_uses(self, graph: Graph) -> None:
        """Count each tensor's children and views; inputs get their places here, before all else."""
        for leaf in graph.leaves:
            self.allocate(leaf)
        for node in graph.nodes:
            if node.view_of is not None:
                self.state(node.view_of).views += 1
            for source in node.sources:
                self.state(source).children += 1
                if source.is_input:
                    self.allocate(source)

    def allocate(self, tensor: GraphTensor) -> None:
        here = self.state(tensor)
        if here.allocated or tensor.external or tensor.view_of is not None:
            return
        here.allocated = True
        if tensor.over_input:
            for parent in tensor.sources:
                offset = self._reuse(tensor, parent)
                if offset is not None:
                    here.offset = offset
                    return
        here.offset = self.space.take(tensor.n_bytes)

    def release(self, parent: GraphTensor) -> None:
        """One child of `parent` has been computed: give its place back when that was the last use."""
        of_parent = self.state(parent)
        of_parent.children -= 1
        if of_parent.children or of_parent.views:
            return
        gone = parent
        if parent.view_of is not None:
            gone = parent.view_of
            self.state(gone).views -= 1
        of_gone = self.state(gone)
        if not gone.external and not of_gone.views and not of_gone.children and of_gone.allocated:
            self.space.give(of_gone.offset, gone.n_bytes)
            of_gone.allocated = False

    def _reuse(self, tensor: GraphTensor, parent: GraphTensor) -> int | None:
        """The place of `parent`, when `tensor` may be written over it (never over a view: its memory is another's)."""
        of_parent = self.state(parent)
        free = of_parent.allocated and of_parent.children == 1 and not of_parent.views
        if not free or parent.view_of is not None or not tensor.same_layout(parent):
            return None
        of_parent.allocated = False
        return of_parent.offset


def plan(graph: Graph) -> BufferPlan:
    """Give each tensor its place, as `ggml_gallocr_alloc_graph_impl` does."""
    planner = _Planner()
    planner.count_uses(graph)
    places = {}
    for node in graph.nodes:
        for source in node.sources:
            planner.allocate(source)
        planner.allocate(node)
        places[id(node)] = planner.state(node).offset
        for parent in node.sources:
            planner.release(parent)
    return BufferPlan(
        n_bytes=planner.space.n_bytes,
        places=tuple(
            None
            if tensor.external or tensor.view_of is not None
            else places.get(id(tensor), planner.state(tensor).offset)
            for tensor in (*graph.leaves, *graph.nodes)
        ),
    )


def touched_bytes(plan: BufferPlan, graph: Graph) -> int:
    """How much of a buffer laid out by `plan` a graph of the same form, with smaller tensors, really uses.

    llama.cpp plans once, for the largest batch, and keeps the places; pages that no tensor touches cost nothing.
    """
    end, total = 0, 0
    for start, stop in _pages(plan.places, (*graph.leaves, *graph.nodes)):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total


def _pages(places: Sequence[int | None], tensors: Sequence[GraphTensor]) -> Iterator[tuple[int, int]]:
    pairs = zip(places, tensors, strict=True)
    yield from sorted(
        (place // _PAGE * _PAGE, -(-(place + tensor.n_bytes) // _PAGE) * _PAGE)
        for place, tensor in pairs
        if place is not None and not tensor.external
    )
