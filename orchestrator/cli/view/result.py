"""A result as people read it: the answer, then a table of figures and checks."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.settings import Settings
from orchestrator.parse.record import BatchedTest, Perplexity, Record
from orchestrator.result.limits import in_words
from orchestrator.result.memory_fit import MemoryFit
from orchestrator.result.registry import FIGURES, Figure
from orchestrator.result.schema import AnswerResult, Measured, Result

_SHOWN = 100


def show(result: Result, path: Path, console: Console) -> None:
    """Print the answer (escape sequences made visible) and the table."""
    if result.text:
        # Words are wrapped for a reader; a file gets the lines as they are.
        console.print(Text(Settings.safe(result.text.strip("\n"))), soft_wrap=not console.is_terminal)
        console.print()
    for number, answer in enumerate(() if result.dummy else result.answers, 1):
        _answer(answer, f"{number} of {len(result.asked.prompts)}", console)
    console.print(_figures(result))
    for check in result.checks:
        if check.ok:
            line = Text.assemble(("✓ ", "green"), Settings.safe(f"{check.name}: {check.expected}"))
        else:
            failed = f"{check.name}: expected {check.expected!r}, found {check.found!r}"
            line = Text.assemble(("✗ ", "bold red"), Settings.safe(failed))
        console.print(line, soft_wrap=True)
    if result.dummy:
        line = Text(
            "dummy: the weights are random, so there is no answer; speed and memory are those of the real model"
        )
        console.print(line, style="yellow", soft_wrap=True)
    for reason in () if result.noise is None else result.noise.disturbed:
        console.print(Text(f"disturbed: {Settings.safe(reason)}", style="yellow"), soft_wrap=True)
    for note in result.notes:
        console.print(Text(f"note: {Settings.safe(note)}", style="dim"), soft_wrap=True)
    console.print(Text(f"result: {path}", style="dim"), soft_wrap=True)


def _answer(answer: AnswerResult, place: str, console: Console) -> None:
    """One prompt of a session, its answer, and its figures in a line."""
    console.print(Text(f"[{place}] > {_short(Settings.safe(answer.prompt))}", style="bold"), soft_wrap=True)
    shown = answer.text if answer.error is None else answer.error
    console.print(Text(Settings.safe(shown.strip("\n"))), soft_wrap=not console.is_terminal)
    ends = {"end": "", "limit": "cut at n_predict", None: ""}
    parts = [
        "broken off" if not answer.whole and answer.error is None else ends[answer.ended_by],
        "" if answer.n_gen is None else f"{answer.n_gen} tokens",
        "" if answer.generation_per_second is None else f"{answer.generation_per_second:.2f} tokens/s",
        f"{answer.wall_s:.2f} s",
    ]
    console.print(Text(", ".join(part for part in parts if part), style="dim"), soft_wrap=True)
    console.print()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _figures(result: Result) -> Table:
    ran, measured = result.ran, result.measured
    made = ran.engine
    number = "" if made.build_number is None else f"b{made.build_number}, "
    title = f"{result.name} — {ran.process.program}" + (", dummy weights" if result.dummy else "")
    table = Table(title=Settings.safe(title), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        *_perplexity(result.record.perplexity),
        ("llama.cpp", f"{number}{(made.commit or made.fingerprint)[:12]}, {made.build_system}"),
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
    rows += [(one.name, f"asked {one.asked}, ran {one.reported}") for one in result.differences]
    for label, value in rows:
        if value:
            table.add_row(label, Settings.safe(value))
    return table


def _perplexity(found: Perplexity | None) -> list[tuple[str, str]]:
    if found is None or found.estimate is None:
        return []
    spread = "" if found.error is None else f" ± {found.error:g}"
    return [("perplexity", f"{found.estimate:g}{spread}, {len(found.chunks)} chunks of {found.n_ctx} tokens")]


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
    size = f"{meta.size_mib:.2f} MiB" if meta.size_mib < 1024 else f"{meta.size_mib / 1024:.2f} GiB"
    counted = f"; {loader.n_tensors} tensors: {types}" if loader is not None and types else ""
    return f"{_count(meta.n_params)} parameters, {size}{bits}{counted}"


def _count(n: float) -> str:
    return f"{n / 1e9:.2f} B" if n >= 1e9 else f"{n / 1e6:.2f} M"


def _estimate(memory: MemoryFit | None) -> str:
    """What was estimated, each part with its error in per cent of what was measured."""
    if memory is None:
        return ""
    shares = {
        part.name: f"{part.estimated_bytes / 2**20:.1f} ({part.error_percent:+.1f} %)"
        for part in memory.parts
        if part.error_percent is not None and (part.estimated_bytes or part.measured_bytes)
    }
    peak = f"peak {shares.pop('peak')}" if "peak" in shares else ""
    shares.pop("loader", None)
    parts = " + ".join(f"{name.replace('_', ' ').replace('kv', 'KV')} {said}" for name, said in shares.items())
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
    shown = "" if peak is None else f"peak {peak / 2**20:.0f} MiB"
    return f"{shown} ({listed} MiB)" if listed and shown else shown or listed
