"""How settings are spelled on a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.eras.since import Since
from orchestrator.values import Value

SettingValue = str | int | float | bool


class Flag(Value, kw_only=False):
    """A setting spelled `NAME VALUE`; `values`: those that it takes, when not all."""

    name: str
    values: tuple[SettingValue, ...] | None = None

    def words(self, value: SettingValue) -> tuple[str, ...] | None:
        """The words on the command line; None: it does not take this value."""
        return None if self.values is not None and value not in self.values else (self.name, str(value))


class Switch(Value, kw_only=False):
    """A setting with words of its own for each value; a value without an entry cannot be had."""

    by_value: Mapping[SettingValue, tuple[str, ...]]

    def words(self, value: SettingValue) -> tuple[str, ...] | None:
        """The words on the command line (none for what is the default); None: it does not take this value."""
        return self.by_value.get(value)


Spelling = Flag | Switch
# By setting, how it is spelled since which build.
Spellings = Mapping[str, Since[Spelling]]
CANNOT = Switch({})


class Argument(Value):
    """Words of a command line that belong together: an option and its values.

    key: the recipe's key that asks for it; None: lcpp's own.
    optional: it may be left out where the program does not know it.
    """

    words: tuple[str, ...]
    key: str | None = None
    optional: bool = False


def spelled(spellings: Spellings, setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """The words of a setting in a build (none where it is so anyway); None: it cannot be given."""
    steps = spellings.get(setting)
    return None if steps is None else steps.at(build).words(value)


def must(*words: str) -> Argument:
    """Words that are given whatever the program's help says."""
    return Argument(words=words)


def own(flags: Iterable[str], *, needed: Iterable[str] = ()) -> list[Argument]:
    """lcpp's own flags, each together with its values; those that are not `needed` may be left out."""
    groups: list[list[str]] = []
    for word in flags:
        if word.startswith("-") or not groups:
            groups.append([word])
        else:
            groups[-1].append(word)
    return [Argument(words=tuple(group), optional=group[0] not in needed) for group in groups]
