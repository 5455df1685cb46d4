"""The two ends of loading: a recipe's file as a tree, and a checked recipe with the texts that it names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import RecipeError
from orchestrator.recipe.document.problem import Malformed, Place, Problem, quoted, recipe_error
from orchestrator.recipe.document.suggest import close_to
from orchestrator.recipe.document.tree import Items, Node, Scalar, Table, compose, place_in
from orchestrator.recipe.schema.recipe import Recipe, RunSpec
from orchestrator.values import Value

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_PROMPT_BYTES = 4_000_000
MAX_PROMPTS = 10_000
_SUFFIXES = (".yaml", ".yml")
# What no argument can carry, and the halves of characters that JSON may hold.
_NO_TEXT = re.compile("[\\0\\ud800-\\udfff]")
_LATER = ("history", "n_parallel")


class LoadedRecipe(Value):
    """A recipe that is known to be good.

    Args:
        recipe: what it says, with overrides applied and its name filled in from the file's.
        path: the file.
        base: the file's folder; relative paths in the recipe start there.
        prompt: the prompt itself, also when it is in a file of its own; None for a bench and for a session.
        prompts: the prompts of a session, also when they are in a file of their own; empty when it is none.
        digest: SHA-256 (hex) of what it says with the prompt's text in it. How it is written, its comments, the
            file's name, and whether a default is spelled out do not change it.
        overrides: what the command line changed, as it was given; and a case's values of the matrix, in the same form.
    """

    recipe: Recipe
    path: Path
    base: Path
    prompt: str | None
    prompts: tuple[str, ...]
    digest: str
    overrides: tuple[str, ...]


class Source(Value):
    """A recipe's file: its folder, its size, and its tree; `problems` did not hinder reading it."""

    path: Path
    base: Path
    size_bytes: int
    tree: Table
    problems: tuple[Problem, ...]


def read_source(path: Path) -> Source:
    """Read a recipe's file; nothing in it is checked yet.

    Raises:
        RecipeError: it cannot be read, or is not one YAML mapping.
    """
    base, data = _read(path)
    problems: list[Problem] = []
    source = quoted(str(path), 300)
    try:
        tree = _mapping(compose(_decode(data, source), source, problems), Place(source, 1, 1))
    except Malformed as error:
        raise recipe_error([*problems, error.problem]) from None
    return Source(path=path, base=base, size_bytes=len(data), tree=tree, problems=tuple(problems))


def _read(path: Path) -> tuple[Path, bytes]:
    """The file's folder and content."""
    try:
        base = path.absolute().parent
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        near = _near(path)
        hint = f"did you mean {' or '.join(near)}?" if near else "`lcpp recipe new NAME` writes a recipe to start from"
        if str(path).startswith(("hub:", "package:")):
            hint = "that names a model: `lcpp model inspect` takes it; a recipe says what to do with it"
        raise RecipeError(f"there is no recipe {quoted(str(path), 300)}", hint=hint) from None
    except IsADirectoryError:
        hint = "name the recipe's file in it"
        raise RecipeError(f"{quoted(str(path), 300)} is a directory, not a recipe", hint=hint) from None
    except (OSError, ValueError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        hint = "give a file that you may read"
        raise RecipeError(f"cannot read the recipe: {reason}", where=quoted(str(path), 300), hint=hint) from None
    if data.startswith(b"GGUF"):
        what = f"{quoted(str(path), 300)} is a GGUF model, not a recipe"
        raise RecipeError(what, hint="`lcpp model inspect` shows it; `model: {source: path, path: FILE}` runs it")
    if len(data) > MAX_FILE_BYTES:
        hint = "move a long prompt to a file of its own, with `run.prompt_file`"
        raise RecipeError(f"larger than {MAX_FILE_BYTES} bytes, which no recipe is", where=str(path), hint=hint)
    return base, data


def _near(path: Path) -> list[str]:
    """Recipes that may be meant by a path that does not exist."""
    names_by_path: dict[str, str] = {}
    for folder in (path.parent, Path("recipes")):
        try:
            names = [entry.name for entry in folder.iterdir() if entry.suffix in _SUFFIXES]
        except (OSError, ValueError):
            continue
        same_stem = [name for name in names if Path(name).stem == path.stem]
        for name in same_stem or close_to(path.name, names, 2):
            names_by_path[str(folder / name)] = name
    return list(names_by_path)[:3]


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", errors="replace")
        place = place_in(before, len(before), source)
        raise Malformed(Problem(place, "", "not UTF-8 text; save the file with the encoding UTF-8")) from None


def _mapping(tree: Node | None, start: Place) -> Table:
    next_step = "`lcpp recipe new` prints one to start from"
    if isinstance(tree, Table):
        return tree
    if tree is None or (isinstance(tree, Scalar) and tree.text == ""):
        raise Malformed(Problem(start, "", f"the recipe is empty; {next_step}"))
    kind = "a list" if isinstance(tree, Items) else "a single value"
    raise Malformed(Problem(tree.place, "", f"expected a mapping (`lcpp: 1`, `model: …`, `run: …`), found {kind}"))


class Texts:
    """The texts that recipes of one folder name, each read once."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._prompt: dict[str, str] = {}
        self._prompts: dict[str, tuple[str, ...]] = {}

    def prompt(self, recipe: Recipe, tree: Table) -> str | None:
        """The prompt, read from its file where it has one.

        Raises:
            Malformed: that cannot be done.
        """
        name = recipe.run.prompt_file
        if name is None:
            return recipe.run.prompt
        if name not in self._prompt:
            place = _place_of(tree, "run", "prompt_file")
            prompt = _read_text("run.prompt_file", name, place, self._base)
            if not prompt:
                raise Malformed(Problem(place, "run.prompt_file", f"{quoted(name, 300)} is empty"))
            self._prompt[name] = prompt
        return self._prompt[name]

    def prompts(self, recipe: Recipe, tree: Table) -> tuple[str, ...]:
        """The prompts of a session, read from their file where they have one.

        Raises:
            Malformed: that cannot be done.
        """
        name = recipe.run.prompts_file
        if name is None:
            return recipe.run.prompts or ()
        if name not in self._prompts:
            self._prompts[name] = _read_prompts(name, _place_of(tree, "run", "prompts_file"), self._base)
        return self._prompts[name]


def finish(recipe: Recipe, source: Source, tree: Table, texts: Texts, overrides: Sequence[str]) -> LoadedRecipe:
    """The checked `recipe` of the file `source`, with its texts.

    Args:
        tree: the recipe's own, with all that was set in it.

    Raises:
        Malformed: a text that it names cannot be had.
    """
    prompt, prompts = texts.prompt(recipe, tree), texts.prompts(recipe, tree)
    return LoadedRecipe(
        recipe=recipe if recipe.name is not None else recipe.model_copy(update={"name": _name(source.path)}),
        path=source.path,
        base=source.base,
        prompt=prompt,
        prompts=prompts,
        digest=_digest(recipe, prompt, prompts),
        overrides=tuple(overrides),
    )


def _read_prompts(name: str, place: Place, base: Path) -> tuple[str, ...]:
    def fail(message: str) -> Malformed:
        return Malformed(Problem(place, "run.prompts_file", f"{quoted(name, 300)} {message}"))

    lines = _read_text("run.prompts_file", name, place, base).split("\n")
    prompts = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        prompt: object = line.rstrip("\r")
        if name.endswith(".jsonl"):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise fail(f"has no JSON in line {number}: {quoted(str(error), 200)}") from None
            prompt = value.get("prompt") if isinstance(value, dict) else value
        if not isinstance(prompt, str) or not prompt or _NO_TEXT.search(prompt):
            raise fail(f'has no prompt in line {number}: "a text" or {{"prompt": "a text"}} was expected')
        prompts.append(prompt)
        if len(prompts) > MAX_PROMPTS:
            raise fail(f"has more than {MAX_PROMPTS:,} prompts")
    if not prompts:
        raise fail("has no prompts")
    return tuple(prompts)


def _read_text(key: str, name: str, place: Place, base: Path) -> str:
    """The text of a file that a recipe names under `key`."""

    def fail(message: str) -> Malformed:
        return Malformed(Problem(place, key, message))

    try:
        file = base / Path(name).expanduser()
        # Only then: a pipe or a device could keep us reading for ever.
        if not file.is_file():
            raise fail(f"there is no file {quoted(str(file), 300)}")
        with file.open("rb") as source:
            data = source.read(MAX_PROMPT_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise fail(f"cannot read {quoted(name, 300)}: {reason}") from None
    if len(data) > MAX_PROMPT_BYTES:
        raise fail(f"larger than {MAX_PROMPT_BYTES} bytes, the longest prompt")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(f"{quoted(str(file), 300)} is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise fail(f"{quoted(str(file), 300)} has a NUL byte, which no program's argument can carry")
    return text


def _place_of(tree: Table, *keys: str) -> Place:
    node: Node = tree
    for key in keys:
        assert isinstance(node, Table)
        node = node.entries[key].value
    return node.place


def _name(path: Path) -> str:
    """A recipe's name from its file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-")[:80] or "recipe"


def _digest(recipe: Recipe, prompt: str | None, prompts: tuple[str, ...]) -> str:
    # Without what is None, so that a key that a later lcpp adds does not change the digests of recipes without it.
    document = recipe.model_dump(mode="json", exclude_none=True)
    document["run"] = {**document["run"], "prompt": prompt}
    for name in ("prompt_file", "prompts_file"):
        document["run"].pop(name, None)
    # Keys that came later count only where they are used, for the same reason.
    if prompts:
        document["run"]["prompts"] = list(prompts)
    for name, field in RunSpec.model_fields.items():
        if name in _LATER and getattr(recipe.run, name) == field.default:
            document["run"].pop(name)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
