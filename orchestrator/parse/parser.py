"""From a transcript to a record. Pure: it can be run again, years later, by a better parser."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from orchestrator.errors import ParseError
from orchestrator.parse import answer as answers
from orchestrator.parse import keep, lines, reading
from orchestrator.parse.answer import Answer
from orchestrator.parse.bench import Bench, read_bench
from orchestrator.parse.keep import Sheet
from orchestrator.parse.layout import Layout
from orchestrator.parse.record import (
    Buffer,
    Context,
    Decoded,
    Generation,
    KvCache,
    Loader,
    Metadata,
    Perplexity,
    Record,
    SystemInfo,
    Timings,
    Token,
    Weights,
)

_CHUNKS = re.compile(rb"(?:\[\d{1,9}\](?:-?\d{1,18}\.\d{1,9}|-?nan|inf),\s?)+")
_CHUNK = re.compile(rb"\](-?[\w.]+),")


def parse_run(stdout: bytes, stderr: bytes, layout: Layout, prompt: str) -> Record:
    """Read what a run printed, its two streams apart, when the program's layout and the prompt are known."""
    answer = answers.tell_apart(stdout, stderr, layout, prompt)
    bench = read_bench(stdout) if layout.shape == "json" else Bench()
    return _record(answer, bench)


def parse_log(log: bytes) -> Record:
    """Read one log of any llama.cpp program and era, all streams in one.

    Raises:
        ParseError: not one line of it is llama.cpp's.
    """
    log = lines.scrub(log)
    bench = read_bench(log)
    answer = Answer(text=None, log=bench.rest) if bench.tests else answers.find(log)
    record = _record(answer, bench if bench.tests else Bench())
    if record.coverage.n_lines == record.coverage.n_unrecognised and not (record.errors or _says_something(record)):
        raise ParseError(
            "no line of llama.cpp was recognised; a line such as `llama_model_loader: loaded meta data with …` "
            "or `llama_print_timings: …` was expected",
            hint="give the program's whole output, standard error included: `llama-simple … > run.log 2>&1`",
        )
    return record


def _says_something(record: Record) -> bool:
    return bool(record.bench or record.batched or record.perplexity)


def _record(answer: Answer, bench: Bench) -> Record:
    chunks, pieces = _take_chunks(answer.log)
    log = reading.read(pieces)
    sheet = log.sheet
    perplexity = _perplexity(sheet, chunks)
    missing = dict(sheet.missing)
    if answer.missing:
        missing["generation.text" if answer.text is None else "generation.echo"] = answer.missing
    if answer.cut:
        missing["generation.end"] = answer.cut
    if not sheet.timings and not bench.tests:
        missing["timings"] = answer.untimed
    for label, match in sheet.timings.items():
        missing |= {f"timings.{label}.{name}": why for name, why in keep.unprinted(match).items()}
    if bench.missing is not None:
        missing["bench"] = bench.missing
    if perplexity is not None and perplexity.estimate is None:
        missing["perplexity.estimate"] = "the program did not come to the last chunk"
    return Record(
        lcpp_record=1,
        command=log.command,
        build=sheet.build,
        loader=_loader(sheet),
        metadata=_metadata(sheet),
        weights=Weights(buffers=_buffers(sheet.weights), context_mib=sheet.weights_context_mib),
        context=_context(sheet),
        system_info=_system_info(sheet),
        generation=Generation(
            text=answer.text,
            echo=answer.echo,
            end_of_text=answer.end_of_text or sheet.end_of_text,
            n_predict=sheet.limits.get("n_predict"),
            n_ctx=sheet.limits.get("n_ctx"),
            n_invalid_bytes=answer.n_invalid_bytes,
        ),
        decoded=_decoded(sheet),
        timings=Timings(
            graphs_reused=sheet.graphs_reused,
            **{label: keep.timing(match) for label, match in sheet.timings.items()},
        ),
        bench=bench.tests,
        batched=tuple(sheet.batched),
        perplexity=perplexity,
        errors=tuple(sheet.errors[: reading.MOST_LINES]),
        warnings=tuple(sheet.warnings[: reading.MOST_LINES]),
        coverage=log.coverage(),
        missing=missing,
    )


def _take_chunks(pieces: tuple[bytes, ...]) -> tuple[list[bytes], tuple[bytes, ...]]:
    """llama-perplexity's running values, and the log without them: they stand in one line of any length."""
    taken: list[bytes] = []
    rest: list[bytes] = []
    for piece in pieces:
        at = 0 if piece.startswith(b"[1]") else piece.find(b"\n[1]") + 1
        if (at or piece.startswith(b"[1]")) and (match := _CHUNKS.match(piece, at)):
            taken += _CHUNK.findall(piece, at, match.end())
            rest += (piece[:at], piece[match.end() :])
        else:
            rest.append(piece)
    return taken, tuple(rest)


def _perplexity(sheet: Sheet, chunks: list[bytes]) -> Perplexity | None:
    header = sheet.perplexity
    if not header:
        return None
    running = tuple(keep.number(chunk.decode()) for chunk in chunks)
    estimate, error = sheet.estimate or (None, None)
    if sheet.estimate is None and len(running) == header["n_chunks"]:
        # Before b1068 the last running value is all that is printed.
        estimate = running[-1]
    n_ctx = header.get("n_ctx", _integer(sheet.context.get("n_ctx", sheet.metadata.get("n_ctx"))))
    return Perplexity(estimate=estimate, error=error, n_chunks=header["n_chunks"], chunks=running, n_ctx=n_ctx)


def _loader(sheet: Sheet) -> Loader | None:
    if not sheet.loader:
        return None
    return Loader(
        file=sheet.loader["file"],
        format=sheet.loader["format"],
        n_kv=int(sheet.loader["n_kv"]),
        n_tensors=int(sheet.loader["n_tensors"]),
        kv=tuple(keep.key_value(*pair) for _, pair in sorted(sheet.kv.items())),
        tensor_types=sheet.tensor_types,
    )


_SCALES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def _metadata(sheet: Sheet) -> Metadata | None:
    entries = sheet.metadata
    if not entries:
        return None
    n_params = re.fullmatch(r"(\d{1,9}\.\d{1,6}) ([KMBT])", entries.get("model params", ""))
    size = re.fullmatch(
        r"(\d{1,9}\.\d{1,6}) ([MG])i?B \((\d{1,9}\.\d{1,6}) BPW\)",
        entries.get("file size", entries.get("model size", "")),
    )
    return Metadata(
        arch=entries.get("arch"),
        vocab_type=entries.get("vocab type"),
        n_vocab=_integer(entries.get("n_vocab")),
        n_ctx_train=_integer(entries.get("n_ctx_train")),
        n_embd=_integer(entries.get("n_embd")),
        n_layer=_integer(entries.get("n_layer")),
        n_head=entries.get("n_head"),
        n_head_kv=entries.get("n_head_kv"),
        n_ff=entries.get("n_ff"),
        model_type=entries.get("model type"),
        ftype=entries.get("file type", entries.get("model ftype")),
        n_params=None if n_params is None else round(float(n_params[1]) * _SCALES[n_params[2]]),
        size_mib=None if size is None else float(size[1]) * (1024 if size[2] == "G" else 1),
        bits_per_weight=None if size is None else float(size[3]),
        name=entries.get("general.name"),
        tokens={
            name: tuple(Token(id=number, text=text) for number, text in tokens) for name, tokens in sheet.tokens.items()
        },
        entries=entries,
    )


def _context(sheet: Sheet) -> Context | None:
    entries = sheet.context
    if not (entries or sheet.kv_sizes or sheet.compute_buffers):
        return None
    return Context(
        # Up to b1288 these three stand in the metadata block.
        n_ctx=_integer(entries.get("n_ctx", sheet.metadata.get("n_ctx"))),
        n_batch=_integer(entries.get("n_batch")),
        n_ubatch=_integer(entries.get("n_ubatch")),
        n_seq_max=_integer(entries.get("n_seq_max")),
        flash_attn=entries.get("flash_attn"),
        freq_base=_float(entries.get("freq_base", sheet.metadata.get("freq_base"))),
        freq_scale=_float(entries.get("freq_scale", sheet.metadata.get("freq_scale"))),
        kv_cache=_kv_cache(sheet),
        output_buffers=_buffers(sheet.output_buffers),
        compute_buffers=_buffers(sheet.compute_buffers),
        graph_nodes=sheet.graph.get("nodes"),
        graph_splits=sheet.graph.get("splits"),
        entries=entries,
    )


def _kv_cache(sheet: Sheet) -> KvCache:
    sums: dict[str, float] = {}
    for device, size in sheet.kv_buffers:
        sums[device] = round(sums.get(device, 0.0) + size, 2)
    buffers = _buffers(sums)
    if not sheet.kv_sizes:
        return KvCache(buffers=buffers)
    sizes, cells, k_types, k_sizes, v_types, v_sizes = zip(*sheet.kv_sizes, strict=True)
    k_mib, v_mib = round(sum(k_sizes), 2), round(sum(v_sizes), 2)
    return KvCache(
        size_mib=round(sum(sizes), 2),
        k_type=k_types[0] or None,
        k_mib=None if math.isnan(k_mib) else k_mib,
        v_type=v_types[0] or None,
        v_mib=None if math.isnan(v_mib) else v_mib,
        n_cells=max((cell for cell in cells if cell is not None), default=None),
        buffers=buffers,
    )


def _buffers(sizes: Mapping[str, float]) -> tuple[Buffer, ...]:
    return tuple(Buffer(device=device, size_mib=size) for device, size in sizes.items())


def _system_info(sheet: Sheet) -> SystemInfo | None:
    if sheet.system_info is None:
        return None
    threads, batch, cpus, features = sheet.system_info
    flags = {name: int(value) for name, value in re.findall(r"(\w+) = (\d{1,9})\b", features, re.ASCII)}
    return SystemInfo(n_threads=threads, n_threads_batch=batch, n_cpu=cpus, features=flags)


def _decoded(sheet: Sheet) -> Decoded | None:
    if sheet.decoded is None:
        return None
    n_tokens, seconds, rate = sheet.decoded
    return Decoded(n_tokens=n_tokens, seconds=seconds, tokens_per_second=rate)


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None


def _float(text: str | None) -> float | None:
    return keep.number(text) if text is not None and re.fullmatch(keep.NUMBER, text, re.ASCII) else None
