"""Several prompts on one loaded model: each is typed to an interactive program, and its answer is told apart."""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestrator.drive import notes
from orchestrator.drive.session import Ended, Session
from orchestrator.programs.plan.kinds import SessionPlan
from orchestrator.programs.talk import Talk
from orchestrator.values import Value

OnTurn = Callable[[int, int, str], None]
# How long a program may take to leave: it frees the model, and prints its timings.
_LEAVE_S = 20.0
_RATE = rb"(?:-?\d+\.\d+|-?inf|-?nan)"
# What a text ends with is not told from the line end that the program adds where there is none.
_RATES = re.compile(rb"\n?\n\[ Prompt: (" + _RATE + rb") t/s \| Generation: (" + _RATE + rb") t/s \]\n\Z")


class Exchange(Value):
    """One prompt and what came of it. Times in seconds since the program's start; None: it did not come to that.

    text: the answer's bytes, exactly, without what the program prints around them.
    whole: the program was ready for the next prompt.
    ended: end: the model ended the text; limit: it was cut; None: not known.
    n_prompt, n_gen: tokens, where the program notes them; the one that ends a text is not counted.
    rates: tokens per second of prompt and generation, as printed.
    log: what came on standard error meanwhile.
    """

    prompt: str
    text: bytes
    whole: bool
    sent_at_s: float
    first_at_s: float | None
    done_at_s: float
    ended: str | None = None
    n_prompt: int | None = None
    n_gen: int | None = None
    rates: tuple[float, float] | None = None
    log: bytes = b""


class Dialogue:
    """Asks the prompts of a session. Pass `hold` to `Session.run`; `exchanges` has the answers so far at any time."""

    def __init__(self, plan: SessionPlan, *, on_turn: OnTurn | None = None) -> None:
        """Prepare to ask the prompts of a planned session.

        Args:
            on_turn: told the number of each prompt, how many there are, and the prompt, before it is asked.
        """
        self.prompts = plan.prompts
        self.exchanges: list[Exchange] = []
        self._talk = plan.talk
        self._reset = plan.run.history == "reset"
        self._n_predict = plan.run.n_predict
        self._on_turn = on_turn
        self._mark = plan.talk.mark.encode()
        self._remain: int | None = plan.run.n_predict
        self._notes_read = 0

    def hold(self, session: Session) -> None:
        """Ask all prompts, then leave.

        Raises:
            Ended: the program went before the last answer.
        """
        session.wait_for_prompt(self._mark, 0)
        self._noted(session, b"")
        for number, prompt in enumerate(self.prompts, 1):
            if self._reset and number > 1 and self._talk.clear is not None:
                self._command(session, self._talk.clear)
            if self._on_turn is not None:
                self._on_turn(number, len(self.prompts), prompt)
            self._ask(session, prompt)
        if self._talk.leave is None:
            session.interrupt()
        else:
            session.send(self._talk.leave.encode() + b"\n")
        session.wait_for_end(_LEAVE_S)

    def _command(self, session: Session, command: str) -> None:
        begin = session.size("stdout")
        session.send(command.encode() + b"\n")
        session.wait_for_prompt(self._mark, begin)

    def _ask(self, session: Session, prompt: str) -> None:
        turn = _Turn(session, prompt, self._talk)
        typed = typing(prompt, self._talk)
        n_gen, n_prompt = 0, None
        noted: notes.Noted | None = None
        try:
            while True:
                begin = session.size("stdout")
                session.send(typed)
                session.wait_for_prompt(self._mark, begin)
                turn.cut(begin)
                noted = self._noted(session, prompt.encode())
                if noted is None:
                    break
                n_gen += noted.n_gen
                n_prompt = noted.n_prompt if n_prompt is None else n_prompt
                # The program counts the prompt's tokens too, and may stop at once. An empty line makes it go on.
                if noted.ended or n_gen >= self._n_predict or not self._talk.budget:
                    break
                typed = b"\n"
        except BaseException:
            # Ended, a limit, Ctrl-C: what came of this answer is kept.
            self.exchanges.append(turn.broken())
            raise
        if noted is None:
            self.exchanges.append(turn.finish(None, None, None))
        else:
            self.exchanges.append(turn.finish("end" if noted.ended else "limit", n_prompt, n_gen))

    def _noted(self, session: Session, prompt: bytes) -> notes.Noted | None:
        """What the program noted since the last time."""
        where = self._talk.notes_in
        if where is None:
            return None
        if where == "stderr":
            fresh = session.since("stderr", self._notes_read)
        else:
            try:
                with (session.folder / where).open("rb") as file:
                    file.seek(self._notes_read)
                    fresh = file.read()
            except OSError:
                return None
        self._notes_read += len(fresh)
        noted = notes.read(fresh, prompt, self._remain)
        if noted is not None and noted.remain is not None:
            # At nothing left, the program begins anew.
            self._remain = noted.remain if noted.remain > 0 else self._n_predict
        return noted


class _Turn:
    """One prompt while it is answered."""

    def __init__(self, session: Session, prompt: str, talk: Talk) -> None:
        self._session = session
        self._prompt = prompt
        self._talk = talk
        self._out, self._log = session.size("stdout"), session.size("stderr")
        self._sent_at_s = session.now_s
        self._pieces: list[bytes] = []
        self._cut_at = self._out

    def cut(self, begin: int) -> None:
        """Keep what was printed behind `begin`, without the prompt mark."""
        self._pieces.append(self._session.since("stdout", begin).removesuffix(self._talk.mark.encode()))
        self._cut_at = self._session.size("stdout")

    def finish(self, ended: str | None, n_prompt: int | None, n_gen: int | None) -> Exchange:
        """The whole answer."""
        text = b"".join(self._pieces).removeprefix(self._talk.lead.encode())
        rates: tuple[float, float] | None = None
        if self._talk.rates and (line := _RATES.search(text)):
            # The one at the very end is the program's own.
            text, rates = text[: line.start()], (float(line[1]), float(line[2]))
        elif ended == "end" or (ended is None and self._talk.end_mark):
            text = text.removesuffix(self._talk.end_mark.encode())
        return self._exchange(text, whole=True, ended=ended, n_prompt=n_prompt, n_gen=n_gen, rates=rates)

    def broken(self) -> Exchange:
        """What came of it until the program went or was stopped."""
        self._pieces.append(self._session.since("stdout", self._cut_at))
        return self._exchange(b"".join(self._pieces).removeprefix(self._talk.lead.encode()), whole=False)

    def _exchange(
        self,
        text: bytes,
        *,
        whole: bool,
        ended: str | None = None,
        n_prompt: int | None = None,
        n_gen: int | None = None,
        rates: tuple[float, float] | None = None,
    ) -> Exchange:
        return Exchange(
            prompt=self._prompt,
            text=text,
            whole=whole,
            sent_at_s=self._sent_at_s,
            first_at_s=self._session.first_after("stdout", self._out + len(self._talk.lead.encode())),
            done_at_s=self._session.now_s,
            ended=ended,
            n_prompt=n_prompt,
            n_gen=n_gen,
            rates=rates,
            log=self._session.since("stderr", self._log),
        )


def typing(prompt: str, talk: Talk) -> bytes:
    """What must be typed so that `prompt` arrives exactly.

    A line that goes on ends with `\\`, which is taken off. The last one ends with `/`, which is taken off with its line
    end; or, where the program takes one line end off itself, with nothing, unless its own end would be mistaken.
    """
    *lines, last = prompt.encode().split(b"\n")
    if talk.slash or last.endswith((b"/", b"\\")):
        last += b"/"
    return b"".join(line + b"\\\n" for line in lines) + last + b"\n"


__all__ = ["Dialogue", "Ended", "Exchange", "OnTurn", "typing"]
