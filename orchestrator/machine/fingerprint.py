"""Which machine it is: equal for runs that may be compared, and for what was measured of the machine itself."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING

from orchestrator.values import Value

if TYPE_CHECKING:
    # Only for the types: readers of stored measurements do without pydantic.
    from orchestrator.machine.facts import Machine

_GIB = 2**30


class Fingerprint(Value):
    """digest: equal for the same machine, in hexadecimal digits. name: the machine in words; it tells less."""

    digest: str
    name: str


def fingerprint(machine: Machine) -> Fingerprint:
    """The fingerprint of a machine as it was observed, now or years ago. Pure.

    Its state, its kernel and the limits of a container are not part of it. Memory counts in whole GiB: what the kernel
    keeps for itself changes with its version. Of x86 the CPU's name is enough, and stored results have no more.
    """
    memory_gib = math.ceil(machine.memory_bytes / _GIB)
    cores = [[kind.implementer, kind.part, kind.variant, kind.revision, kind.n_cores] for kind in machine.core_kinds]
    # The name of a core may be learned later: its numbers stay.
    cpu = cores or machine.cpu_model
    facts = [machine.architecture, cpu, machine.n_cpu, machine.n_cpu_online, memory_gib]
    if machine.board is not None:
        facts.append(machine.board)
    digest = hashlib.sha256(json.dumps(facts, ensure_ascii=True).encode()).hexdigest()[:16]
    cpus = "1 CPU" if machine.n_cpu == 1 else f"{machine.n_cpu} CPUs"
    words = [machine.board, machine.cpu_model or machine.architecture, cpus, f"{memory_gib} GiB"]
    return Fingerprint(digest=digest, name=", ".join(filter(None, words)))
