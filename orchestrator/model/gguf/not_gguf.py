"""What a file is that was taken for a GGUF: people meet the same few again and again."""

from __future__ import annotations

from orchestrator.errors import ModelError

_AGAIN = "fetch the model again; `source: hub` with `repo` and `file` does it right"
_STARTS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer: the repository was cloned without its large files",
        "git lfs pull",
    ),
    (b"<!doctype html", "an HTML page, such as a login or error page of a web site", _AGAIN),
    (b"<html", "an HTML page, such as a login or error page of a web site", _AGAIN),
    (b'{"error"', "an error message of a server, saved as a file", _AGAIN),
    (b"entry not found", "an error message of a server, saved as a file", _AGAIN),
    (b"invalid username or password", "an error message of a server, saved as a file", _AGAIN),
    (b"pk\x03\x04", "a zip archive, such as a PyTorch model", "convert the model to GGUF, or take a GGUF of it"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    *(
        (magic, "a model in the format from before GGUF (August 2023)", "take a GGUF of the model")
        for magic in (b"lmgg", b"fmgg", b"tjgg")
    ),
    (b"fugg", "a GGUF with its bytes swapped", _AGAIN),
)


def explain_not_gguf(start: bytes, name: str) -> ModelError:
    """The error for a file that does not begin as a GGUF does.

    Args:
        start: its first bytes, some hundreds of them.
        name: what the message calls it.
    """
    if not start:
        return ModelError("the file is empty, not a GGUF", where=name, hint=_AGAIN)
    # A safetensors file begins with the length of its JSON header.
    if start[8:10] == b'{"':
        return ModelError(
            "not a GGUF: the file is a safetensors model", where=name, hint="take a GGUF of the model, or convert it"
        )
    plain = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, kind, hint in _STARTS:
        if plain.startswith(beginning):
            return ModelError(f"not a GGUF: the file is {kind}", where=name, hint=hint)
    if not start.strip(b"\0"):
        kind = "begins with zeros: space was kept for it, but its bytes never came"
    else:
        kind = f"starts with {start[:8]!r}, a GGUF with b'GGUF'"
    return ModelError(f"not a GGUF: the file {kind}", where=name, hint=_AGAIN)
