"""The allocator: places are reused as ggml reuses them, and never shared by two tensors that are needed together."""

from __future__ import annotations

from orchestrator.model.memory.allocator import EXTERNAL, Graph, plan, touched_bytes

KIB = 1024


def test_a_chain_needs_two_places() -> None:
    graph = Graph()
    now = graph.new((256,), EXTERNAL)
    for _ in range(20):
        now = graph.new((256,), now)
    graph.expand(now)
    assert plan(graph).n_bytes == 2 * KIB


def test_an_operation_in_place_needs_none_unless_its_input_is_read_again() -> None:
    graph = Graph()
    first = graph.new((256,), EXTERNAL)
    graph.expand(graph.over(graph.over(first)))
    assert plan(graph).n_bytes == KIB
    graph = Graph()
    first = graph.new((256,), EXTERNAL)
    graph.expand(graph.over(graph.over(first), first))
    assert plan(graph).n_bytes == 2 * KIB


def test_a_view_keeps_what_it_shows_and_is_not_written_over() -> None:
    graph = Graph()
    first = graph.new((256,), EXTERNAL)
    graph.expand(graph.over(graph.reshape(first, 16, 16)))
    assert plan(graph).n_bytes == 2 * KIB


def test_the_best_hole_is_taken() -> None:
    graph = Graph()
    keep = [graph.new((size,), EXTERNAL) for size in (1024, 64, 512, 64)]
    for each in keep:
        graph.expand(each)
    graph.expand(graph.store(keep[0]))
    graph.expand(graph.store(keep[2]))
    last = graph.new((512,), keep[1], keep[3])
    graph.expand(last)
    made = plan(graph)
    assert made.n_bytes == 4 * (1024 + 64 + 512 + 64)
    assert made.places[graph.nodes.index(last)] == 4 * (1024 + 64)


def test_only_pages_that_are_written_count() -> None:
    def graph_of(n: int) -> Graph:
        graph = Graph()
        wide = graph.new((n * 1024 * 1024,), EXTERNAL)
        graph.expand(graph.new((n * 1024,), wide))
        return graph

    made = plan(graph_of(8))
    assert touched_bytes(made, graph_of(8)) == made.n_bytes
    assert touched_bytes(made, graph_of(1)) == 4 * (1024 * 1024 + 1024)
