"""What run.json and each line of metrics.jsonl may hold; anything else is reported as damage."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from vidprep.recipes.manifests import class_list_hash

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Share = Annotated[float, Field(ge=0, le=1)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Loss = float  # NaN passes: the report shows such a line and says what it is


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Environment(_Strict):
    vidprep: str
    python: str
    torch: str
    cuda: str | None
    cudnn: int | None
    device: str
    num_ranks: PositiveInt
    num_threads: PositiveInt
    system: str
    command: list[str]


class _Start(_Strict):
    time: str
    total_steps: NonNegativeInt
    weights: str
    changes: list[str] = []
    clips_per_pass: PositiveInt
    micro_batches: PositiveInt
    precision: Literal["fp32", "bf16"]
    compiled: bool
    environment: _Environment

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        if datetime.fromisoformat(self.time).tzinfo is None:
            raise ValueError(f"the time {self.time} has no time zone")
        return self


class _Facts(_Strict):
    name: str | None = None
    note: str | None = None
    shards: str
    fingerprint: _Sha256
    num_videos: PositiveInt
    steps_per_epoch: PositiveInt
    classes: list[str]
    class_list_hash: _Sha256
    seed: int
    starts: list[_Start]

    @model_validator(mode="after")
    def _classes_have_their_hash(self) -> Self:
        if class_list_hash(self.classes) != self.class_list_hash:
            raise ValueError("the classes are not those of class_list_hash")
        return self


class _Line(_Strict):
    step: NonNegativeInt
    epoch: _Amount | None = None
    lr: _Amount | None = None
    loss: _Loss | None = None
    top1: _Share | None = None
    clips_per_second: _Amount | None = None
    data_wait: _Share | None = None
    seconds: _Amount | None = None
    validation_loss: _Loss | None = None
    validation_top1: _Share | None = None
    validation_top5: _Share | None = None
    validation_videos: _Amount | None = None
    validation_seconds: _Amount | None = None


class LineProblem(NamedTuple):
    """A line that is not one that a training writes.

    Attributes:
        number: Line number, from 1.
        what: What is wrong with it, in words.
        content: Content of the line where it is JSON, else None.
    """

    number: int
    what: str
    content: Any = None

    def __str__(self) -> str:
        return f"line {self.number}: {self.what}"


class MetricsFile(NamedTuple):
    """What metrics.jsonl holds.

    Attributes:
        lines: The good lines.
        problems: What is wrong with each of the others.
        torn: Number of a last line that was cut short; None if the last one is whole.
    """

    lines: list[dict[str, Any]]
    problems: list[LineProblem]
    torn: int | None


def facts_problem(content: Any) -> str | None:
    """Return what is wrong with the content of run.json, or None."""
    return _problem(_Facts, content)


def scan_metrics(path: Path) -> MetricsFile:
    """Read all lines of a metrics.jsonl, the bad ones as problems."""
    texts = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else [""]
    *whole, rest = texts  # a whole line ends with a line break
    lines: list[dict[str, Any]] = []
    problems = []
    for number, found in enumerate(map(_read_line, whole), start=1):
        if isinstance(found, dict) and lines and found["step"] < lines[-1]["step"]:
            problems.append(
                LineProblem(number, f"step {found['step']} after step {lines[-1]['step']}", found)
            )
        elif isinstance(found, dict):
            lines.append(found)
        else:
            problems.append(found._replace(number=number))
    return MetricsFile(lines, problems, len(texts) if rest else None)


def _read_line(text: str) -> dict[str, Any] | LineProblem:
    try:
        content = json.loads(text)
    except ValueError as error:
        return LineProblem(0, str(error))
    problem = _problem(_Line, content)
    return content if problem is None else LineProblem(0, problem, content)


def _problem(model: type[_Strict], content: Any) -> str | None:
    try:
        model.model_validate(content)
    except ValidationError as error:
        return _in_words(error)
    return None


def _in_words(error: ValidationError) -> str:
    """Say the first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    place, value = ".".join(map(str, first["loc"])), first["input"]
    known = {
        "extra_forbidden": f"unknown key {place!r}",
        "missing": f"no {place!r}",
        "model_type": "it is no object with names and values",
    }
    if first["type"] in known:
        return known[first["type"]]
    got = f", got {value!r}" if isinstance(value, str | int | float) else ""
    return f"{place or 'it'}: {first['msg'].removeprefix('Value error, ')}{got}"
