"""What a results folder keeps of a sweep beside its tables: everything that reading needs, as data.

It is written when a sweep is run. Reading imports no algorithm and no environment, and builds nothing.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.claims.claim import Claim
from orchestrator.claims.columns import PLANNED_ROUNDS
from orchestrator.errors import UserError, asked
from orchestrator.planning.plain import is_list, is_mapping

if TYPE_CHECKING:
    import numpy as np

    from orchestrator.planning.sweep import Sweep
    from orchestrator.store.folder import Folder

FORMAT = 1


class StoredSweep(BaseModel):
    """A sweep as it was last run into a results folder: ``sweeps/NAME.json``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = FORMAT
    name: str
    description: str
    hash: str  #: of the cases and their cells
    seeds: tuple[int, ...]
    at_most: int | None = None  #: seeds up to which it grows until its claims are decided
    command: str  #: runs a shipped sweep again; empty for a file or an ad-hoc run
    varied: Literal["seeds", "instances"]  #: what differs between replicates besides the seed itself
    axes: list[str]  #: columns of the settings that differ between cells, ``agents`` first
    rows: list[dict[str, object]]  #: one per case and cell: case, cell_id, planned rounds, columns of ``runs``
    claims: list[Claim]
    meanings: dict[str, str]  #: metric -> what it is
    labels: dict[str, str]  #: metric -> what an axis calls it
    parameters: dict[str, str]  #: parameter (``env.NAME`` of environments) -> its description
    scores: list[str]  #: metrics that are returns or gaps of returns
    definition: dict[str, object]  #: the sweep file, with plug-in files by absolute path

    @classmethod
    def of(cls, sweep: "Sweep") -> "StoredSweep":
        """What there is to keep of a sweep. Raises ``UserError`` for a sweep that cannot be run."""
        from orchestrator.planning.classes import environment_parameters  # imports what algorithms are written in

        classes = {(cell.algorithm_class, cell.environment_class): None for _, cell in sweep.cells}
        meanings: dict[str, str] = {}
        parameters: dict[str, str] = {}
        labels: dict[str, str] = {}
        scores: dict[str, None] = {}
        for algorithm, environment in classes:
            with asked(algorithm.name, "metrics, labels or scores"):
                meanings = {str(name): str(text) for name, text in algorithm.metrics.items()} | meanings
                labels |= {str(name): str(text) for name, text in algorithm.labels.items()}
                scores |= dict.fromkeys(map(str, algorithm.scores))
            for model, prefix in ((algorithm.Parameters, ""), (environment_parameters(environment), "env.")):
                for name, parameter in model.model_fields.items():
                    parameters.setdefault(prefix + name, parameter.description or "")
        return cls(
            name=sweep.name,
            description=sweep.description,
            hash=sweep.hash,
            seeds=sweep.seeds,
            at_most=sweep.until.at_most if sweep.until else None,
            command=sweep.command,
            varied=sweep.varied,
            axes=sweep.axes,
            rows=sweep.rows,
            claims=sweep.checked_claims,
            meanings=meanings,
            labels=labels,
            parameters=parameters,
            scores=list(scores),
            definition=sweep.located().model_dump(mode="json"),
        )

    @classmethod
    def read(cls, name: str, data: bytes) -> "StoredSweep":
        """The sweep ``name`` from its file's bytes. Raises ``UserError`` for a file that is damaged or older.

        A file that calls the sweep otherwise is damaged: the name is part of paths.
        """
        again = "Run the sweep again: that writes the file anew and computes only what is missing."
        try:
            content: object = json.loads(data)
            if not is_mapping(content):
                raise ValueError("it is not a mapping")
        except ValueError as error:
            raise UserError(f"sweeps/{name}.json of the results folder is damaged ({error}). {again}") from error
        if content.get("format") != FORMAT:
            raise UserError(f"sweeps/{name}.json was written by another version of marl-orchestrator. {again}")
        try:
            stored = cls.model_validate(content)
            if stored.name != name:
                raise UserError(f"sweeps/{name}.json of the results folder is damaged (in name). {again}")
            return stored
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise UserError(f"sweeps/{name}.json of the results folder is damaged (in {field}). {again}") from error

    def to_bytes(self) -> bytes:
        """The content of the sweep's file."""
        return json.dumps(self.model_dump(mode="json"), indent=1).encode()

    @property
    def cases(self) -> list[str]:
        """Names of the cases, in the file's order."""
        return list(dict.fromkeys(str(row["case"]) for row in self.rows))

    @cached_property
    def planned_rounds(self) -> dict[str, int]:
        """Cell id -> rounds that its replicates should take."""
        pairs = ((str(row["cell_id"]), row[PLANNED_ROUNDS]) for row in self.rows)
        return {cell: rounds for cell, rounds in pairs if isinstance(rounds, int)}

    @property
    def replicates(self) -> Sequence[dict[str, object]]:
        """One row per planned replicate: a row of ``rows`` with its seed."""
        return [row | {"seed": seed} for row in self.rows for seed in self.seeds]


def begun(sweep: "Sweep", data: bytes | None) -> "Sweep":
    """A copy of a sweep that grows, with the seeds of the look that an earlier run of it had begun.

    ``data`` is the content of ``sweeps/NAME.json``, None if there is none.
    """
    if not sweep.until or data is None:
        return sweep
    try:
        stored = StoredSweep.read(sweep.name, data)
    except UserError:  # it is written anew
        return sweep
    same = stored.hash == sweep.hash and stored.at_most is not None
    return sweep.grown(len(stored.seeds)) if same else sweep


def read_portraits(sweep: str, data: bytes | None) -> "dict[str, np.ndarray]":
    """Pictures by title from the content of ``sweeps/NAME.npz``; none where there is no such file.

    Raises ``UserError`` for a damaged file.
    """
    if data is None:
        return {}
    import numpy as np

    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            titles: object = json.loads(bytes(arrays["titles"]))
            if not is_list(titles) or not all(isinstance(title, str) for title in titles):
                raise ValueError("it has no titles")
            pictures = {str(title): arrays[f"picture_{k}"] for k, title in enumerate(titles)}
            if any(picture.dtype != np.uint8 or picture.ndim != 3 for picture in pictures.values()):
                raise ValueError("it holds something else than pictures")
            return pictures
    except Exception as error:  # zipfile, zlib and numpy raise what they like
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"sweeps/{sweep}.npz of the results folder, the pictures of its environments, is damaged ({reason}). "
            "Delete it and run the sweep again."
        ) from error


def damaged_definitions(folder: "Folder", sweeps: Iterable[str]) -> tuple[int, list[str]]:
    """How many files beside the tables these sweeps have, and a sentence for each that cannot be read."""
    count, damaged = 0, list[str]()
    for sweep in sweeps:
        readers: dict[str, Callable[[str, bytes], object]] = {"json": StoredSweep.read, "npz": read_portraits}
        for ending, reader in readers.items():
            try:
                if (data := folder.read(f"sweeps/{sweep}.{ending}")) is not None:
                    count += 1
                    reader(sweep, data)
            except UserError as error:
                damaged.append(str(error))
    return count, damaged


def portraits_to_bytes(portraits: "Mapping[str, np.ndarray]") -> bytes:
    """The content of ``sweeps/NAME.npz``: pictures uint8 [height, width, 3], and their titles as JSON."""
    import numpy as np

    buffer = io.BytesIO()
    pictures = {f"picture_{k}": picture for k, picture in enumerate(portraits.values())}
    titles = np.frombuffer(json.dumps(list(portraits)).encode(), np.uint8)
    np.savez_compressed(buffer, allow_pickle=False, titles=titles, **pictures)
    return buffer.getvalue()
