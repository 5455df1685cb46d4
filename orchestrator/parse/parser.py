"""From a transcript to a record. Pure: it can be run again, years later, by a better parser."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from orchestrator.engine.dialect import Layout
from orchestrator.errors import ParseError
from orchestrator.parse import answer, formats, lines
from orchestrator.parse.answer import Answer
from orchestrator.parse.formats import Sheet
from orchestrator.parse.record import (
    BenchTest,
    Buffer,
    Context,
    Coverage,
    Decoded,
    Generation,
    KvCache,
    Loader,
    Metadata,
    Record,
    SystemInfo,
    Timings,
    Weights,
)

_KEPT_LINES = 200
_KEPT_WIDTH = 300
_ERROR = re.compile(
    r"\berror\b|\bfailed to\b|GGML_ASSERT|GGML_ABORT|terminate called|^\s*what\(\):|unable to|prompt is too long"
    r"|input is empty",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"\$ \S*(?:llama-[\w-]+|main|simple)(?:\s.*)?$")
# A block of free text that a server prints between quotes: b7348 and later show the chat template by example.
_EXAMPLE = re.compile(r"example_format: '")
_EXAMPLE_LINES = 200


def parse_run(stdout: bytes, stderr: bytes, layout: Layout, prompt: str) -> Record:
    """Read what a run printed, its two streams apart, when the program's layout and the prompt are known."""
    text, invalid = _decode(stdout)
    errors, invalid_errors = _decode(stderr)
    if layout.shape == "between_marks":
        text, invalid = lines.clean(text), invalid_errors
    # The answer's own bytes stay as they are; only a program that draws (spinner, colours) is cleaned.
    elif layout.shape == "chat":
        text = lines.clean(text)
    told = answer.separate(text, errors if layout.shape == "between_marks" else lines.clean(errors), layout, prompt)
    bench = _bench(text) if layout.shape == "bench" else ()
    return _record(told, invalid if told.text is not None else 0, bench)


def parse_log(log: bytes) -> Record:
    """Read one log of any llama.cpp program and era, all streams in one.

    Raises:
        ParseError: not one line of it is llama.cpp's.
    """
    text, invalid = _decode(log)
    text = lines.clean(text)
    if text.lstrip().startswith(("[", "{")) and (bench := _bench(text)):
        return _record(Answer(text=None, log=""), 0, bench)
    told = answer.find(text)
    record = _record(told, invalid, ())
    if record.coverage.n_lines == record.coverage.n_unrecognised and not record.errors:
        raise ParseError(
            "no line of llama.cpp was recognised; a line such as `llama_model_loader: loaded meta data with …` "
            "or `llama_print_timings: …` was expected",
            hint="give the program's whole output, standard error included: `llama-simple … > run.log 2>&1`",
        )
    return record


def _decode(raw: bytes) -> tuple[str, int]:
    text = raw.decode(errors="replace")
    return text, text.count("\ufffd") - raw.count("\ufffd".encode())


def _record(told: Answer, invalid: int, bench: tuple[BenchTest, ...]) -> Record:
    sheet = Sheet()
    command: str | None = None
    n_lines = n_unrecognised = 0
    unrecognised: list[str] = []
    skip = 0
    for line in lines.split(told.log):
        n_lines += 1
        if skip:
            skip = 0 if line.text.endswith("'") else skip - 1
            continue
        if _recognise(sheet, line):
            if line.text[-1] != "'" and _EXAMPLE.search(line.rest):
                skip = _EXAMPLE_LINES
            continue
        if command is None and _COMMAND.match(line.text):
            command = line.text[2:]
            continue
        if line.level == "E" or _ERROR.search(line.text):
            sheet.errors.append(line.text[:_KEPT_WIDTH])
            continue
        if line.level == "W":
            sheet.warnings.append(line.text[:_KEPT_WIDTH])
            continue
        n_unrecognised += 1
        if len(unrecognised) < _KEPT_LINES:
            unrecognised.append(line.text[:_KEPT_WIDTH])
    missing = dict(sheet.missing)
    if told.missing:
        missing["generation.text" if told.text is None else "generation.echo"] = told.missing
    if not sheet.timings and not bench:
        missing["timings"] = "no timing lines were printed"
    return Record(
        command=command,
        build=sheet.build,
        loader=_loader(sheet),
        metadata=_metadata(sheet),
        weights=Weights(buffers=tuple(sheet.weights.values()), context_mib=sheet.weights_context_mib),
        context=_context(sheet),
        system_info=_system_info(sheet),
        generation=Generation(
            text=told.text,
            echo=told.echo,
            end_of_text=told.end_of_text or sheet.end_of_text,
            n_predict=sheet.asked.get("n_predict"),
            n_ctx=sheet.asked.get("n_ctx"),
            n_invalid_bytes=invalid,
        ),
        decoded=_decoded(sheet),
        timings=Timings(graphs_reused=sheet.graphs_reused, **sheet.timings),
        bench=bench,
        errors=tuple(sheet.errors[:_KEPT_LINES]),
        warnings=tuple(sheet.warnings[:_KEPT_LINES]),
        coverage=Coverage(n_lines=n_lines, n_unrecognised=n_unrecognised, unrecognised=tuple(unrecognised)),
        missing=missing,
    )


def _recognise(sheet: Sheet, line: lines.Line) -> bool:
    family = formats.family_of(line.component, line.function)
    if family is None:
        family, rest = formats.BARE, line.text
    else:
        rest = formats.in_english(line.rest)
    if line.component and line.rest:
        # From b9829 on a component may print another function's line whole: `cmn  common_param: system_info: …`.
        inner = lines.read(line.rest)
        if inner.function and formats.family_of("", inner.function) and _recognise(sheet, inner):
            return True
    for pattern, handler in family:
        if match := pattern.match(rest):
            handler(sheet, match)
            return True
    return False


def _loader(sheet: Sheet) -> Loader | None:
    if not sheet.loader:
        return None
    return Loader(
        file=sheet.loader["file"],
        format=sheet.loader["format"],
        n_kv=int(sheet.loader["n_kv"]),
        n_tensors=int(sheet.loader["n_tensors"]),
        kv=tuple(pair for _, pair in sorted(sheet.kv.items())),
        tensor_types=sheet.tensor_types,
    )


_SCALES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def _metadata(sheet: Sheet) -> Metadata | None:
    said = sheet.metadata
    if not said:
        return None
    n_params = re.fullmatch(r"([\d.]+) ([KMBT])", said.get("model params", ""))
    size = re.fullmatch(r"([\d.]+) ([MG])i?B \(([\d.]+) BPW\)", said.get("file size", said.get("model size", "")))
    return Metadata(
        arch=said.get("arch"),
        vocab_type=said.get("vocab type"),
        n_vocab=_integer(said.get("n_vocab")),
        n_ctx_train=_integer(said.get("n_ctx_train")),
        n_embd=_integer(said.get("n_embd")),
        n_layer=_integer(said.get("n_layer")),
        n_head=said.get("n_head"),
        n_head_kv=said.get("n_head_kv"),
        n_ff=said.get("n_ff"),
        model_type=said.get("model type"),
        ftype=said.get("file type", said.get("model ftype")),
        n_params=None if n_params is None else round(float(n_params[1]) * _SCALES[n_params[2]]),
        size_mib=None if size is None else float(size[1]) * (1024 if size[2] == "G" else 1),
        bits_per_weight=None if size is None else float(size[3]),
        name=said.get("general.name"),
        tokens={name: tuple(tokens) for name, tokens in sheet.tokens.items()},
        entries=said,
    )


def _context(sheet: Sheet) -> Context | None:
    said = sheet.context
    if not (said or sheet.kv_sizes or sheet.compute_buffers):
        return None
    return Context(
        n_ctx=_integer(said.get("n_ctx")),
        n_batch=_integer(said.get("n_batch")),
        n_ubatch=_integer(said.get("n_ubatch")),
        n_seq_max=_integer(said.get("n_seq_max")),
        flash_attn=said.get("flash_attn"),
        freq_base=_float(said.get("freq_base")),
        freq_scale=_float(said.get("freq_scale")),
        kv_cache=_kv_cache(sheet),
        output_buffers=tuple(sheet.output_buffers.values()),
        compute_buffers=tuple(sheet.compute_buffers.values()),
        graph_nodes=sheet.graph.get("nodes"),
        graph_splits=sheet.graph.get("splits"),
        entries=said,
    )


def _kv_cache(sheet: Sheet) -> KvCache:
    buffers: dict[str, Buffer] = {}
    for buffer in sheet.kv_buffers:
        before = buffers.get(buffer.device)
        size = buffer.size_mib if before is None else round(before.size_mib + buffer.size_mib, 2)
        buffers[buffer.device] = Buffer(device=buffer.device, size_mib=size)
    if not sheet.kv_sizes:
        return KvCache(buffers=tuple(buffers.values()))
    sizes, cells, k_types, k_sizes, v_types, v_sizes = zip(*sheet.kv_sizes, strict=True)
    k_mib, v_mib = round(sum(k_sizes), 2), round(sum(v_sizes), 2)
    return KvCache(
        size_mib=round(sum(sizes), 2),
        k_type=k_types[0] or None,
        k_mib=None if math.isnan(k_mib) else k_mib,
        v_type=v_types[0] or None,
        v_mib=None if math.isnan(v_mib) else v_mib,
        n_cells=max((cell for cell in cells if cell is not None), default=None),
        buffers=tuple(buffers.values()),
    )


def _system_info(sheet: Sheet) -> SystemInfo | None:
    if sheet.system_info is None:
        return None
    threads, batch, cpus, features = sheet.system_info
    found = {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", features)}
    return SystemInfo(n_threads=threads, n_threads_batch=batch, n_cpu=cpus, features=found)


def _decoded(sheet: Sheet) -> Decoded | None:
    if sheet.decoded is None:
        return None
    n_tokens, seconds, rate = sheet.decoded
    return Decoded(n_tokens=n_tokens, seconds=seconds, tokens_per_second=rate)


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text) else None


def _float(text: str | None) -> float | None:
    return formats.number(text) if text is not None and re.fullmatch(formats.NUMBER, text) else None


def _bench(text: str) -> tuple[BenchTest, ...]:
    """llama-bench's `-o json` (one array) or `-o jsonl` (an object a line)."""
    try:
        rows = json.loads(text)
    except ValueError:
        try:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            return ()
    if not isinstance(rows, list):
        rows = [rows]
    try:
        return tuple(_bench_test(row) for row in rows if isinstance(row, dict) and "n_gen" in row)
    except (ValidationError, KeyError, TypeError, ValueError):
        return ()


def _bench_test(row: Mapping[str, Any]) -> BenchTest:
    return BenchTest(
        build_commit=row.get("build_commit"),
        model_type=row.get("model_type"),
        n_threads=row.get("n_threads"),
        n_batch=row.get("n_batch"),
        n_ubatch=row.get("n_ubatch"),
        n_prompt=row["n_prompt"],
        n_gen=row["n_gen"],
        avg_ns=row["avg_ns"],
        stddev_ns=row["stddev_ns"],
        avg_ts=_finite(row["avg_ts"]),
        stddev_ts=_finite(row["stddev_ts"]),
        samples_ns=tuple(row.get("samples_ns", ())),
        samples_ts=tuple(row.get("samples_ts", ())),
        fields={key: _finite(value) if isinstance(value, float) else value for key, value in row.items()},
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
