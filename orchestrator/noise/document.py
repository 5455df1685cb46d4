"""What disturbed a run: readings of the machine from before to after it, and what they mean."""

from typing import Annotated

from pydantic import Field

from orchestrator.piece import Piece


class Noise(Piece):
    """What the machine did beside the run. A reading that this machine does not give is None.

    Shares are of the run's wall time, 0 to 1, where nothing else is said; CPUs are means over the run.
    """

    waited_s: Annotated[float, Field(description="How long lcpp waited for the machine to become quiet.")] = 0.0
    load_average_1min: Annotated[float | None, Field(description="Before the run.")] = None
    runnable_before: Annotated[
        int | None, Field(description="Run queue: tasks, without lcpp's, that ran or wanted to run before the run.")
    ] = None
    others_cpus_before: Annotated[
        float | None, Field(description="CPUs that other processes kept busy right before the run, on average.")
    ] = None
    others_cpus: Annotated[
        float | None, Field(description="CPUs that other processes kept busy during the run, on average.")
    ] = None
    contended_cpus: Annotated[
        float | None, Field(description="The part of `others_cpus` for which there was no CPU free beside the program.")
    ] = None
    steal_share: Annotated[
        float | None, Field(description="Of the CPU time that the machine wanted: what the host gave to somebody else.")
    ] = None
    cpu_pressure_share: Annotated[float | None, Field(description="PSI: some task waited for a CPU.")] = None
    memory_pressure_share: Annotated[float | None, Field(description="PSI: some task waited for memory.")] = None
    io_pressure_share: Annotated[float | None, Field(description="PSI: some task waited for a disk.")] = None
    run_delay_share: Annotated[
        float | None, Field(description="The program's main thread was ready to run and had no CPU.")
    ] = None
    involuntary_switches: Annotated[int | None, Field(description="Of the program, over all its threads.")] = None
    major_faults: Annotated[int | None, Field(description="Pages that the program had to wait for a disk for.")] = None
    read_bytes: Annotated[int | None, Field(description="What the program read from a disk.")] = None
    swapped_in_bytes: Annotated[int | None, Field(description="By the whole machine.")] = None
    frequency_mhz: Annotated[
        float | None, Field(description="Mean over the run and over the CPUs that the program's threads were on.")
    ] = None
    n_throttled: Annotated[int | None, Field(description="Times that heat slowed a CPU.")] = None
    throttled_share: Annotated[
        float | None, Field(description="How long heat slowed the CPU that it slowed longest.")
    ] = None
    model_cached_share: Annotated[
        float | None,
        Field(description="Share of the model's files that was in the page cache before the run (by samples)."),
    ] = None
    model_cached_share_after: Annotated[float | None, Field(description="The same after the run.")] = None
    cpus: Annotated[tuple[int, ...] | None, Field(description="The CPUs that the program was pinned to.")] = None
    disturbed: Annotated[
        tuple[str, ...], Field(description="Why this run does not count in statistics; empty when it was quiet.")
    ] = ()
