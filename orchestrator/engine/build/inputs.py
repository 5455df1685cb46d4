"""What a build is made from: two builds with the same inputs are the same, and have one key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from orchestrator.engine.build.manifest import BuildSystem, Manifest
from orchestrator.engine.source.checkout import Checkout
from orchestrator.machine.cpu import Cpu
from orchestrator.recipe.schema.recipe import OptionValue
from orchestrator.toolchain import Compilers
from orchestrator.values import Value

# Part of the key: raise it when lcpp builds otherwise from the same inputs.
_WAY_OF_BUILDING = 1


class BuildInputs(Value):
    """All that decides what comes out, but for the compilers: a machine that only runs programs may have none."""

    checkout: Checkout
    system: BuildSystem
    options: Mapping[str, OptionValue]
    cpu: Cpu

    def key(self, compilers: Compilers) -> str:
        """The name of the build that these compilers make."""
        tools = [[str(compiler.path), compiler.version] for compiler in (compilers.c, compilers.cxx)]
        inputs = {**self._identity(), "compilers": tools, "way": _WAY_OF_BUILDING}
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.key_prefix}{digest}"

    @property
    def key_prefix(self) -> str:
        """What the names of all builds of this commit by this system begin with."""
        return f"{(self.checkout.commit or self.checkout.fingerprint)[:12]}-{self.system}-"

    def match(self, manifest: Manifest) -> bool:
        """Whether a finished build is of these inputs, whatever compilers made it."""
        return self._identity() == {
            "fingerprint": manifest.fingerprint,
            "system": manifest.build_system,
            "options": manifest.options,
            "cpu": [manifest.cpu_model, manifest.cpu_flags_digest],
        }

    def _identity(self) -> dict[str, object]:
        return {
            "fingerprint": self.checkout.fingerprint,
            "system": self.system,
            "options": dict(self.options),
            "cpu": [self.cpu.model, self.cpu.features_digest],
        }
