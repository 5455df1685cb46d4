"""What disturbed a run: readings of the machine from before to after it, and what they mean."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Noise(BaseModel):
    """What the machine did beside the run. A reading that this machine does not give is None.

    Shares are of the run's wall time, 0 to 1; `others_cpus` is a mean number of CPUs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    waited_s: Annotated[float, Field(description="How long lcpp waited for the machine to become quiet.")] = 0.0
    load_average_1min: Annotated[float | None, Field(description="Before the run.")] = None
    others_cpus_before: Annotated[
        float | None, Field(description="CPUs that other processes kept busy right before the run, on average.")
    ] = None
    others_cpus: Annotated[
        float | None, Field(description="CPUs that other processes kept busy during the run, on average.")
    ] = None
    steal_share: Annotated[float | None, Field(description="CPU time that the host gave to somebody else.")] = None
    cpu_pressure_share: Annotated[float | None, Field(description="PSI: some task waited for a CPU.")] = None
    memory_pressure_share: Annotated[float | None, Field(description="PSI: some task waited for memory.")] = None
    io_pressure_share: Annotated[float | None, Field(description="PSI: some task waited for a disk.")] = None
    involuntary_switches: Annotated[int | None, Field(description="Of the program, over all its threads.")] = None
    major_faults: Annotated[int | None, Field(description="Pages that the program had to read from disk.")] = None
    swapped_in_bytes: Annotated[int | None, Field(description="By the whole machine.")] = None
    frequency_mhz: Annotated[float | None, Field(description="Mean over CPUs and over the run.")] = None
    n_throttled: Annotated[int | None, Field(description="Times that heat slowed a CPU.")] = None
    model_cached_share: Annotated[
        float | None, Field(description="Share of the model file that was in the page cache before the run.")
    ] = None
    cpus: Annotated[tuple[int, ...] | None, Field(description="The CPUs that the program was pinned to.")] = None
    disturbed: Annotated[
        tuple[str, ...], Field(description="Why this run does not count in statistics; empty when it was quiet.")
    ] = ()
