"""A result as people read it: the answer, then a table of figures and checks."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.output.output import Output
from orchestrator.cli.output.table import TextTable
from orchestrator.parse.record import BatchedTest, Perplexity, Record
from orchestrator.result.limits import in_words
from orchestrator.result.memory_fit import MemoryFit
from orchestrator.result.registry import FIGURES, Figure
from orchestrator.result.schema import AnswerResult, Measured, Result
from orchestrator.text.numbers import MIB, n_params, signed_percent, size
from orchestrator.text.visible import label

_SHOWN = 100


def show(result: Result, path: Path, output: Output) -> None:
    """Print the answer and the table."""
    if result.text:
        _prose(result.text, output)
        output.line()
    for number, answer in enumerate(() if result.dummy else result.answers, 1):
        _answer(answer, f"{number} of {len(result.asked.prompts)}", output)
    output.draw(_figures(result))
    for check in result.checks:
        if check.ok:
            output.text(("✓ ", "green"), f"{check.name}: {check.expected}")
        else:
            output.text(("✗ ", "bold red"), f"{check.name}: expected {check.expected!r}, found {check.found!r}")
    if result.dummy:
        line = "dummy: the weights are random, so there is no answer; speed and memory are those of the real model"
        output.text(line, style="yellow")
    for reason in () if result.noise is None else result.noise.disturbed:
        output.text(f"disturbed: {reason}", style="yellow")
    for note in result.notes:
        output.text(f"note: {note}", style="dim")
    output.text(f"result: {path}", style="dim")


def _prose(text: str, output: Output) -> None:
    """Words are wrapped for a reader; a file gets the lines as they are."""
    output.text(text.strip("\n"), wrap=output.console.is_terminal)


def _answer(answer: AnswerResult, place: str, output: Output) -> None:
    """One prompt of a session, its answer, and its figures in a line."""
    output.text(f"[{place}] > {label(answer.prompt, _SHOWN)}", style="bold")
    _prose(answer.text if answer.error is None else answer.error, output)
    ends = {"end": "", "limit": "cut at n_predict", None: ""}
    parts = [
        "broken off" if not answer.whole and answer.error is None else ends[answer.ended_by],
        "" if answer.n_gen is None else f"{answer.n_gen} tokens",
        "" if answer.generation_per_second is None else f"{answer.generation_per_second:.2f} tokens/s",
        f"{answer.wall_s:.2f} s",
    ]
    output.text(", ".join(part for part in parts if part), style="dim")
    output.line()


def _figures(result: Result) -> TextTable:
    ran, measured = result.ran, result.measured
    engine = ran.engine
    number = "" if engine.build_number is None else f"b{engine.build_number}, "
    title = f"{result.name} — {ran.process.program}" + (", dummy weights" if result.dummy else "")
    table = TextTable(title, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        *_perplexity(result.record.perplexity),
        ("llama.cpp", f"{number}{(engine.commit or engine.fingerprint)[:12]}, {engine.build_system}"),
        ("model", f"{ran.model.name or Path(ran.model.path).name}, {ran.model.file_type or 'type not said'}"),
        ("size", _size(result.record)),
        ("CPU", f"{ran.machine.cpu_model or 'unknown'}, {ran.machine.n_at_once} usable"),
        *((figure.label, _rate(figure, result)) for figure in FIGURES.values() if figure.shown == "histories"),
        ("of the limit", "" if result.limits is None else in_words(result.limits)),
        ("load", _ms(measured.load_ms)),
        ("total", _ms(measured.total_ms)),
        ("memory", _memory(measured)),
        ("estimated", _estimate(result.memory)),
        ("wall / CPU time", f"{ran.process.wall_s:.2f} s / {_seconds(ran.process.cpu_s)}"),
    ]
    rows += [_batched(test) for test in result.record.batched]
    rows += [
        (difference.name, f"asked {difference.asked}, ran {difference.reported}") for difference in result.differences
    ]
    for name, value in rows:
        if value:
            table.add_row(name, value)
    return table


def _perplexity(perplexity: Perplexity | None) -> list[tuple[str, str]]:
    if perplexity is None or perplexity.estimate is None:
        return []
    spread = "" if perplexity.error is None else f" ± {perplexity.error:g}"
    chunks = f"{len(perplexity.chunks)} chunks of {perplexity.n_ctx} tokens"
    return [("perplexity", f"{perplexity.estimate:g}{spread}, {chunks}")]


def _batched(test: BatchedTest) -> tuple[str, str]:
    speeds = (("prompt", test.speed_pp), ("generation", test.speed_tg), ("both", test.speed))
    rates = ", ".join(f"{name} {rate:.2f}" for name, rate in speeds if rate is not None)
    return f"{test.n_parallel} × ({test.n_prompt} + {test.n_gen})", f"{rates} tokens/s"


def _size(record: Record) -> str:
    """As the loader tells it: parameters, size, and how many tensors are of which type."""
    meta, loader = record.metadata, record.loader
    if meta is None or meta.n_params is None or meta.size_mib is None:
        return ""
    bits = "" if meta.bits_per_weight is None else f" ({meta.bits_per_weight:.2f} bits per weight)"
    types = "" if loader is None else ", ".join(f"{n} {name}" for name, n in loader.tensor_types.items())
    counted = f"; {loader.n_tensors} tensors: {types}" if loader is not None and types else ""
    return f"{n_params(meta.n_params)} parameters, {size(meta.size_mib * MIB)}{bits}{counted}"


def _estimate(memory: MemoryFit | None) -> str:
    """What was estimated, each part with its error in per cent of what was measured."""
    if memory is None:
        return ""
    shares = {
        part.name: f"{part.estimated_bytes / MIB:.1f} ({signed_percent(part.error_percent)})"
        for part in memory.parts
        if part.error_percent is not None and (part.estimated_bytes or part.measured_bytes)
    }
    peak = f"peak {shares.pop('peak')}" if "peak" in shares else ""
    shares.pop("loader", None)
    parts = " + ".join(f"{name.replace('_', ' ').replace('kv', 'KV')} {share}" for name, share in shares.items())
    return "; ".join(part for part in (peak, parts) if part)


def _rate(figure: Figure, result: Result) -> str:
    rate = figure.value(result)
    if rate is None:
        return f"not known: {result.measured.missing.get(figure.name, 'not reported')}"
    n_tokens = None if figure.n_tokens is None else FIGURES[figure.n_tokens].value(result)
    return f"{rate:.2f} {figure.unit}" + ("" if n_tokens is None else f" ({n_tokens:.0f} tokens)")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"


def _seconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f} s"


def _memory(measured: Measured) -> str:
    parts = (
        ("weights", measured.weights_mib),
        ("KV cache", measured.kv_cache_mib),
        ("compute", measured.compute_mib),
        ("output", measured.output_mib),
    )
    listed = " + ".join(f"{name} {mib:.1f}" for name, mib in parts if mib is not None)
    peak = measured.peak_memory_bytes
    shown = "" if peak is None else f"peak {peak / MIB:.0f} MiB"
    return f"{shown} ({listed} MiB)" if listed and shown else shown or listed
