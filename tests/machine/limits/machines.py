"""A machine of two CPUs with round limits: 25 and 40 GB/s, 100 and 200 GFLOP/s, 400 and 800 Gop/s."""

from __future__ import annotations

from orchestrator.machine.limits.stored import MachineLimits, Rate, ThreadLimits


def rate(value: float, kernel: str = "read.in_order") -> Rate:
    """A rate without spread."""
    return Rate(best=value, median=value, lowest=value, n_passes=7, kernel=kernel)


def machine(
    *, cache_bytes: int | None = 32 * 2**20, int8: bool = True, disturbed: tuple[str, ...] = ()
) -> MachineLimits:
    """The machine. Rates of arithmetic are of multiply-adds, each two operations."""
    return MachineLimits(
        cpu_model="Example",
        architecture="x86_64",
        n_cpu=2,
        memory_bytes=2**34,
        cache_bytes=cache_bytes,
        array_bytes=2**28,
        compiler="cc 1.0",
        flags=("-O3",),
        int8_kind="AVX2" if int8 else None,
        f32_kind="256 bits",
        measured_at="2026-01-01T00:00:00+00:00",
        threads=tuple(
            ThreadLimits(
                n_threads=n,
                memory=rate(memory),
                f32=rate(5e10 * n, "f32"),
                int8=rate(2e11 * n, "int8") if int8 else None,
            )
            for n, memory in ((1, 2.5e10), (2, 4e10))
        ),
        missing={} if int8 else {"int8": "this CPU multiplies with AMX, which lcpp does not measure"},
        disturbed=disturbed,
    )
