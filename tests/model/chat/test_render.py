"""Chat templates: what real ones give, and what hostile ones cannot."""

from __future__ import annotations

import datetime
import resource
from pathlib import Path

import pytest

from orchestrator.errors import ModelError
from orchestrator.model.chat import render, sandbox
from orchestrator.model.chat.render import render_chat
from orchestrator.model.gguf.header import read_header
from orchestrator.model.gguf.summary import HeaderSummary, summarise
from orchestrator.values import replace
from tests.model.gguf_files import tiny_model
from tests.model.sources import Bytes

# The templates as the files of SmolLM2-135M-Instruct and (shortened) Llama 3 have them.
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + "
    "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
HELLO = [{"role": "user", "content": "Hello"}]


def model(template: str | None, *, add_bos: bool = True) -> HeaderSummary:
    source = Bytes(tiny_model(chat_template="x"))
    return replace(summarise(source, read_header(source)), chat_template=template, add_bos=add_bos)


def children_cpu_s() -> float:
    """The processor time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def refusal(template: str | None) -> str:
    before_s = children_cpu_s()
    with pytest.raises(ModelError) as caught:
        render_chat(model(template), HELLO)
    # Not by the clock: a busy machine may be slow, the template costs no more for it.
    assert children_cpu_s() - before_s < sandbox.CPU_LIMIT_S + 2
    assert "run.mode: raw" in str(caught.value.hint)
    assert len(caught.value.what) < 2000
    return caught.value.what


def test_smollm2() -> None:
    assert render_chat(model(SMOLLM2), HELLO) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )
    messages = [{"role": "system", "content": "Be brief."}, *HELLO]
    assert render_chat(model(SMOLLM2), messages, add_generation_prompt=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
    )


def test_bos_is_left_to_llama_cpp_when_it_adds_it() -> None:
    rest = (
        "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert render_chat(model(LLAMA3, add_bos=True), HELLO) == rest
    assert render_chat(model(LLAMA3, add_bos=False), HELLO) == f"<s>{rest}"
    assert render_chat(model("{{ bos_token }}{{ bos_token }}x"), HELLO) == "<s>x", "only one is llama.cpp's"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for m in messages %}\n    {% if true %}\nx\n    {% endif %}\n{% endfor %}\n", "x\n"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ messages | tojson }}", '[{"role": "user", "content": "Hello"}]'),
        ("{{ {'ä': '<'} | tojson(indent=1) }}", '{\n "ä": "<"\n}'),
        ("{{ eos_token }}", "</s>"),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}", "Hello"),
        ("{% if tools is not none or documents is not none %}x{% endif %}.", "."),
        ("{{ nothing }}{{ messages[0].nothing }}.", "."),
        ("{%- set ns = namespace(n=0) -%}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "1"),
    ],
)
def test_what_templates_use(template: str, text: str) -> None:
    assert render_chat(model(template), HELLO) == text


def test_what_the_sandbox_hides_is_nothing() -> None:
    hidden = "{{ raise_exception.__globals__ }}{{ ''.__class__ }}{{ '{0.__class__}'.format(1) }}{{ [].__len__ }}"
    assert render_chat(model(hidden), HELLO) == ""


def test_content_is_never_a_template() -> None:
    content = "{{ 7 * 7 }} {% raw %} <|im_end|> \u2028 \U0001f642 \\n"
    assert render_chat(model("{{ messages[0].content }}"), [{"role": "user", "content": content}]) == content


def test_the_date() -> None:
    text = render_chat(model("{{ strftime_now('%Y') }}"), HELLO)
    assert abs(int(text) - datetime.datetime.now().year) <= 1


def test_no_template() -> None:
    assert refusal(None) == refusal("") == "the model has no chat template"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a\n{{ raise_exception('roles must alternate') }}", "roles must alternate (line 2"),
        ("a\nb\n{% if %}", "(line 3"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ messages[0]['content'].nothing.more }}", "UndefinedError"),
        ("{% include 'x' %}", "no loader"),
        ("{{ raise_exception('x' * 100000) }}", "xxx"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ ''['__class__']['__mro__'] }}", "SecurityError"),
        ("{{ (messages | attr('append')).__globals__ }}", "SecurityError"),
        ("{{ raise_exception.__globals__.os }}", "SecurityError"),
        ("{{ strftime_now.__code__.co_consts }}", "SecurityError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{{ self.__init__.__globals__ }}", "SecurityError"),
        ("{{ cycler.__init__.__globals__.os }}", "SecurityError"),
        ("{% for i in range(10**9) %}{% endfor %}", "OverflowError"),
        ("{{ 'x' * 10**10 }}", "MemoryError"),
        ("{{ 'x' * 10000000 }}", "more than 4000000 characters"),
        ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "more than 4000000 characters"),
        ("{{ '%10000000000d' % 1 }}", "Error"),
        ("{{ 'x' | center(10**10) }}", "MemoryError"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "failed"),
    ],
)
def test_templates_that_fail(template: str, words: str) -> None:
    assert words in refusal(template)


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 10 ** (10 ** 9) }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    ],
)
def test_templates_that_never_end(template: str) -> None:
    what = refusal(template)
    assert "too much time or memory" in what or "MemoryError" in what


def test_the_clock_does_not_decide() -> None:
    """On a machine that has a tenth of a processor to give, the template still ends by what it used."""
    assert render.WALL_LIMIT_S > 10 * sandbox.CPU_LIMIT_S


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    render_chat(model(SMOLLM2), HELLO)
    assert list(tmp_path.iterdir()) == []


def test_a_text_is_rendered_once_and_kept_unless_it_is_of_the_day(tmp_path: Path) -> None:
    text = render_chat(model(SMOLLM2), HELLO, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.read_text() == text
    kept.write_text("from the cache")
    assert render_chat(model(SMOLLM2), HELLO, cache=tmp_path) == "from the cache"
    assert render_chat(model(SMOLLM2), [{"role": "user", "content": "Other"}], cache=tmp_path) != "from the cache"
    assert len(list(tmp_path.iterdir())) == 2
    render_chat(model("{{ strftime_now('%Y') }}"), HELLO, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
