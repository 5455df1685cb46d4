"""The check before a run: from a recipe's model, of which only the header is read, to a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.machine import cpu
from orchestrator.machine.memory import available
from orchestrator.model.check import facts_cache
from orchestrator.model.memory.allocator import BufferPlan
from orchestrator.model.memory.estimate import Estimate, estimate, reserve
from orchestrator.model.memory.settings import MemorySettings, memory_settings
from orchestrator.model.memory.shape import Shape, shape_of
from orchestrator.model.memory.shape_cache import load_shape, save_shape
from orchestrator.model.memory.verdict import Fit, fit
from orchestrator.model.source.open_model import open_model
from orchestrator.programs.plan.kinds import RunPlan
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import ModelSpec, OptionValue
from orchestrator.values import Value, replace
from orchestrator.workspace import Workspace

# Build options that keep the CPU backend from rearranging weights.
_REPACK_OPTIONS = ("GGML_CPU_REPACK", "GGML_CPU_AARCH64")


class MemoryCheck(Value):
    """What was judged, and how. `ran` gives the estimate of the run as it really was.

    reserved: the layout of the compute buffer for `settings`.
    """

    shape: Shape
    settings: MemorySettings
    reserved: BufferPlan
    fit: Fit

    def ran(self, *, n_ctx: int | None, n_prompt: int | None, n_gen: int | None) -> Estimate:
        """The estimate for what the command asked for and the tokens that were really processed (None: as guessed).

        Only the peak depends on the tokens; the loader's figures depend on n_ctx.
        """
        before = self.settings
        ran = replace(
            before,
            n_ctx=n_ctx or before.n_ctx,
            n_prompt=n_prompt or before.n_prompt,
            n_gen=before.n_gen if n_gen is None else n_gen,
        )
        return estimate(self.shape, ran, reserved=self.reserved if ran.n_ctx == before.n_ctx else None)


def read_shape(spec: ModelSpec, workspace: Workspace, progress: Progress, *, base: Path) -> Shape:
    """The shape of the model that `spec` names; of a model on the hub nothing but the header is fetched.

    Of files on this disk it is read once, and kept.

    Args:
        base: the folder that a relative `path` counts from.

    Raises:
        ModelError, PackageIndexError, WorkspaceError: the header cannot be had, or is not sound.
    """
    with open_model(spec, workspace, progress, base=base) as opened:
        paths = [part.path for part in opened.parts if part.path is not None]
        if len(paths) < len(opened.parts):
            return shape_of(opened.headers())
        files = [facts_cache.identity(path) for path in paths]
        shape = load_shape(files, workspace)
        if shape is None:
            shape = shape_of(opened.headers())
            save_shape(shape, files, workspace)
        return shape


def check_memory(plan: RunPlan, shape: Shape, *, options: Mapping[str, OptionValue] | None = None) -> MemoryCheck:
    """Judge a planned run of a model of that shape on this machine, now.

    Args:
        options: the build's options.
    """
    repack = not any((options or {}).get(name) is False for name in _REPACK_OPTIONS)
    settings = memory_settings(plan, repack=repack, cpu=cpu.read().features)
    reserved = reserve(shape, settings)
    verdict = fit(shape, settings, available(), reserved)
    return MemoryCheck(shape=shape, settings=settings, reserved=reserved, fit=verdict)
