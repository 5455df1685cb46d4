"""Many results, made of a few real ones: days, builds, cases, disturbances and failures as a user would have them."""

from __future__ import annotations

import datetime
import random
from pathlib import Path

from orchestrator.noise.document import Noise
from orchestrator.report.content import Report, Run, build_report
from orchestrator.result.measurement import measurement_of
from orchestrator.result.schema import Check, ExperimentPart, Failure, Result

DATA = Path(__file__).parent / "data"
BEGAN = datetime.datetime(2026, 9, 1, 8, tzinfo=datetime.timezone.utc)
# Build, commit, and how fast it is against the first.
BUILDS = (
    (3642, "1d1ccce67613", 1.0),
    (4500, "a4417ddda98f", 1.06),
    (6000, "9c35706b98ab", 1.2),
    (7400, "3d94e967a13f", 1.17),
)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31mred\x1b[0m \x1b]8;;http://x\x07 "
    "\u202egnirts\u202c \u2066x\u2069 ]]> {{ 7*7 }} $\\frac{1}{2}$ --> </pre></details> &lt; | `code` \r\n# h\x00\x7f\x9b"
)


def real(name: str) -> Result:
    """One of the recorded results: smoke, santa_cruz or session."""
    return Result.model_validate_json((DATA / f"{name}.json").read_bytes())


def varied(
    result: Result,
    number: int,
    *,
    at: datetime.datetime,
    build: tuple[int, str, float] = BUILDS[0],
    speed: float = 1.0,
    part: ExperimentPart | None = None,
    n_threads: int | None = None,
    disturbed: tuple[str, ...] = (),
) -> Result:
    """A result like `result` at another time, of another build, so much faster."""
    built, commit, faster = build
    rate = result.measured.generation_per_second or 10.0
    prompt = result.measured.prompt_per_second or 50.0
    measured = result.measured.model_copy(
        update={
            "generation_per_second": round(rate * faster * speed, 2),
            "prompt_per_second": round(prompt * faster * speed, 2),
        }
    )
    ran = result.ran.model_copy(
        update={
            "engine": result.ran.engine.model_copy(update={"build_number": built, "commit": commit.ljust(40, "0")}),
            "process": result.ran.process.model_copy(
                update={"started_at": at.isoformat(), "transcript": f"{result.name}-{number}"}
            ),
        }
    )
    recipe = result.asked.recipe
    if n_threads is not None:
        recipe = recipe.model_copy(update={"run": recipe.run.model_copy(update={"n_threads": n_threads})})
    return result.model_copy(
        update={
            "id": f"{at:%Y%m%dT%H%M%SZ}-{result.name}-{number:06x}",
            "measured": measured,
            "ran": ran,
            "asked": result.asked.model_copy(update={"recipe": recipe}),
            "part": part,
            "noise": Noise(
                load_average_1min=0.4, others_cpus=0.9 if disturbed else 0.02, steal_share=0.01, disturbed=disturbed
            ),
        }
    )


def results(n: int) -> list[Result]:
    """`n` results: half of them a history over builds, the others two sweeps, with some failed and disturbed."""
    dice = random.Random(5)
    smoke, santa_cruz, session = real("smoke"), real("santa_cruz"), real("session")
    made: list[Result] = []
    for number in range(n):
        at = BEGAN + datetime.timedelta(hours=9 * number)
        speed = dice.lognormvariate(0, 0.02)
        build = BUILDS[min(len(BUILDS) - 1, number * len(BUILDS) // n)]
        kind = number % 10
        if kind < 6:
            noisy = dice.random() < 0.08
            one = varied(
                smoke,
                number,
                at=at,
                build=build,
                speed=speed * (0.6 if noisy else 1.0),
                disturbed=("others used 0.9 CPUs",) if noisy else (),
            )
        elif kind < 8:
            # Four cases, interleaved, in rounds.
            step = (number // 10) * 2 + kind - 6
            threads = 1 + step % 4
            part = ExperimentPart(
                experiment="sweep-1",
                kind="sweep",
                case=threads - 1,
                settings={"run.n_threads": str(threads)},
                round=step // 4,
            )
            at = BEGAN + datetime.timedelta(days=3, minutes=2 * step)
            faster = (1.0, 1.8, 1.75, 1.2)[threads - 1]
            one = varied(santa_cruz, number, at=at, speed=speed * faster, part=part, n_threads=threads)
        elif kind == 8:
            one = varied(session, number, at=at, build=build, speed=speed)
        else:
            one = varied(smoke, number, at=at, build=build, speed=speed)
            if number % 20 == 9:
                failure = Failure(what="the program was killed by SIGKILL", where=None, hint="look at its log")
                one = one.model_copy(update={"status": "failed", "failure": failure})
            else:
                check = Check(name="min_generation_per_second", expected="at least 60", found="50.9", ok=False)
                one = one.model_copy(update={"status": "unexpected", "checks": (*one.checks, check)})
        made.append(one)
    return made


def as_runs(made: list[Result], folder: Path, *, log: bytes = b"") -> list[Run]:
    """Runs with a transcript each, below `folder`."""
    runs = []
    for one in made:
        place = folder / one.ran.process.transcript
        place.mkdir(parents=True, exist_ok=True)
        (place / "stdout.log").write_bytes((one.text or "").encode())
        (place / "stderr.log").write_bytes(
            log or b"llama_model_loader: - kv   0: general.architecture str = llama\n" * 300
        )
        runs.append(Run(measurement=measurement_of(one), result=one, folder=place))
    return runs


def report(folder: Path, n: int = 30) -> Report:
    """A report of `n` results."""
    return build_report(
        as_runs(results(n), folder),
        title="lcpp report",
        made_at=BEGAN + datetime.timedelta(days=90),
        lcpp_version="0.1.0",
    )
