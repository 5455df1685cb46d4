"""What the old programs note of each token."""

from __future__ import annotations

from orchestrator.drive.notes import Noted, read, without

NOTES = b"""buffer: 'one two'
formatted: '<|im_start|>user
one two<|im_end|>
'
input tokens: [ 'one':1, ' two':2 ]
n_remain: 38
embd_inp.size(): 2, n_consumed: 0
eval: [ 'one':1, ' two':2 ]
n_past = 2
n_remain: 37
n_past = 3
n_remain: 36
found an EOG token
waiting for user input
"""


def test_tokens_are_counted_without_the_one_that_ends_the_text() -> None:
    assert read(NOTES, b"one two", 40) == Noted(n_prompt=2, n_gen=1, ended=True, remain=36)


def test_the_file_of_older_builds_has_the_time_before_each_line() -> None:
    stamped = b"".join(b"[1719324000] " + line for line in NOTES.splitlines(keepends=True))
    assert read(stamped, b"one two", 40) == Noted(n_prompt=2, n_gen=1, ended=True, remain=36)


def test_a_prompt_that_looks_like_notes_is_not_read_as_one() -> None:
    prompt = b"a\nn_remain: 1\nfound an EOG token\ninput tokens: [\nn_remain: 2\nb"
    notes = NOTES.replace(b"one two", prompt, 2)
    assert read(notes, prompt, 40) == Noted(n_prompt=2, n_gen=1, ended=True, remain=36)


def test_no_notes_say_nothing() -> None:
    assert read(b"some other line\n", b"one", 40) is None
    assert read(b"waiting for user input\n", b"", 40) == Noted(n_prompt=None, n_gen=0, ended=False, remain=40)


def test_the_log_is_what_is_left() -> None:
    log = b"load\nwaiting for user input\n" + NOTES + b"n_past = 4\nerror: no more\n\nllama_perf: load time\n"
    assert without(log) == b"load\nerror: no more\n\nllama_perf: load time\n"
    assert without(b"load\n") == b"load\n"


def test_the_beginning_as_the_program_tokenizes_it_is_no_log() -> None:
    begin = b"n_ctx: 8, add_bos: 0\nformatted: '<|im_start|>system\nerror: no\n'\nprompt: \"x\"\ntokens: [ ]\n"
    log = (
        b"load\n"
        + begin
        + b"recalculate the cached logits (check): 0\nmain: interactive mode on.\nwaiting for user input\n"
    )
    assert without(log) == b"load\nmain: interactive mode on.\n"
