"""The one configuration tree: frozen, strict at every depth, with a range for every number.

A preset or a file is read by `calcgen_ray.settings.load`; `Config` itself is plain pydantic and
knows nothing of files. Field help is the string under each field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from calcgen_ray.section import Float, Fraction, Int, Name, Positive, Section
from calcgen_ray.space import Distribution, check_grid, check_population, check_space
from calcgen_ray.training_config import ArchitectureConfig, OptimConfig, TrainConfig, WorkersConfig


class RunConfig(Section):
    name: Name | None = None
    """Name of the run and of its folder; made from the preset and a hash when left out."""
    storage: Annotated[str, Field(min_length=1)] = "runs"
    """Folder that holds runs, corpora and the registry; to train also a bucket, as
    s3://bucket/runs."""
    seed: Annotated[Int, Field(ge=0, le=2**31 - 1)] = 0


class SyntheticConfig(Section):
    count: Annotated[Int, Field(ge=0, le=10**7)] = 1500
    """Problems to make; 0 switches the source off."""
    wordings: Annotated[Int, Field(ge=1, le=1000)] = 1
    """Statements of each problem: its code is trained on under so many."""
    families: tuple[str, ...] = ()
    """Empty means all of them."""
    easy_operators: tuple[Positive, Positive] = (1, 2)
    medium_operators: tuple[Positive, Positive] = (2, 4)
    hard_operators: tuple[Positive, Positive] = (4, 6)
    """Fewest and most operators of an expression, by difficulty."""
    variable_share: Fraction = 0.75
    """Share of leaves that are the variable; the rest are integers."""
    max_integer: Annotated[Int, Field(ge=1, le=1000)] = 9

    @model_validator(mode="after")
    def _ordered(self) -> SyntheticConfig:
        for level in ("easy", "medium", "hard"):
            low, high = getattr(self, f"{level}_operators")
            if low > high:
                raise ValueError(f"{level}_operators: {low} is more than {high}")
        return self


class CorpusConfig(Section):
    docstrings: tuple[str, ...] = ("calculus",)
    """Modules whose doctest examples are read; `calculus` stands for SymPy's calculus modules."""
    folders: tuple[str, ...] = ()
    """Folders of .ipynb, .py and .md files."""
    packages: tuple[str, ...] = ()
    """Installed packages whose source is trained on as it stands; it is not run."""
    package_pieces: Annotated[Int, Field(ge=0, le=10**7)] = 0
    """Pieces of some 1,200 characters that are taken of them, evenly; 0 means all."""
    synthetic: SyntheticConfig = SyntheticConfig()
    drills: Annotated[Int, Field(ge=0, le=10**7)] = 0
    """Short texts that carry an expression into code, or ask for an operation on it, shaped as the
    synthetic problems' are. They are made, and not run."""
    valid_fraction: Annotated[Float, Field(ge=0.0, le=0.5)] = 0.1
    """Share of documents and skeletons kept for validation, by which a run keeps its best."""
    hold_out: tuple[str, ...] = ()
    """Groups (chapters, documents) that no run sees, for evaluations to measure on."""
    text: Literal["self_contained", "plain"] = "self_contained"
    """Which form of a notebook's cell is trained on."""
    run_cells: bool = True
    """Run every cell once and keep out what does not run."""
    dedupe: bool = True
    """Drop exact copies, and near copies among cells that people wrote."""
    cell_seconds: Annotated[Float, Field(gt=0, le=600)] = 10.0
    processes: Annotated[Int, Field(ge=0, le=256)] = 0
    """Processes that make and run cells; 0 means one per CPU."""


class JudgeConfig(Section):
    isolation: Literal["strict", "basic"] = "basic"
    """strict refuses to run code where a layer of the sandbox is missing (`calcgen doctor` lists
    them); basic takes what there is and warns once."""
    seconds: Annotated[Float, Field(gt=0, le=600)] = 10.0
    """Wall time of one program."""
    memory_mb: Annotated[Int, Field(ge=512, le=10**6)] = 4096
    """Address space of one program, some 350 MB of imported modules included."""
    verdict_seconds: Annotated[Float, Field(gt=0, le=60)] = 5.0
    """Wall time of one verdict; over it the verdict is unknown."""


class EvaluateConfig(Section):
    benchmark: Literal["calcbench", "generalisation", "held_out"] = "calcbench"
    """generalisation: compositions of functions that training never shows, deeper expressions.
    held_out: cells of corpus.hold_out, or else of validation, to go on from their first third."""
    problems: Annotated[Int, Field(ge=0, le=100_000)] = 0
    """Problems of the benchmark, spread evenly over its file; 0 means all of them."""
    samples: Annotated[Int, Field(ge=0, le=1000)] = 10
    """Sampled completions a problem, for pass@k; a greedy one is made besides."""
    temperature: Annotated[Float, Field(gt=0, le=2)] = 0.8
    top_p: Annotated[Float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[Int, Field(ge=1, le=2048)] = 192
    recheck: bool = True
    """Run each right program once more with another expression in place of the given one: what
    writes its answer down and does not compute it is wrong. About three times the work."""
    engine: Literal["ctranslate2", "transformers"] = "ctranslate2"
    task_problems: Annotated[Int, Field(ge=1, le=1000)] = 12
    """Problems of one Ray task; the samples depend on it, the number of workers does not count."""
    workers: Annotated[Int, Field(ge=0, le=4096)] = 0
    """Processes that sample and judge, a CPU each; 0 means as many as fit."""


class SamplingConfig(Section):
    temperature: Annotated[Float, Field(ge=0, le=2)] = 0.7
    top_p: Annotated[Float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[Int, Field(ge=1, le=2048)] = 128


class ServeConfig(Section):
    host: str = "127.0.0.1"
    port: Annotated[Int, Field(ge=1, le=65_535)] = 8000
    replicas: Annotated[Int, Field(ge=1, le=1000)] = 1
    cpus: Annotated[Float, Field(gt=0, le=256)] = 1.0
    """CPUs that each replica reserves; also its engine's threads."""
    device: Literal["cpu", "gpu"] = "cpu"
    compute_type: Literal["auto", "int8", "float32", "float16", "int8_float16"] = "auto"
    """auto: int8 on a CPU, float16 on a GPU."""
    max_queued_requests: Annotated[Int, Field(ge=1)] = 128
    max_replicas: Annotated[Int, Field(ge=1, le=1000)] = 1
    """Above `replicas`: more are started with the load, and ended when it is gone."""
    keys_file: str | None = None
    """A file with a key on each line, any of which opens. Needed for another host than this one."""
    hosts: tuple[str, ...] = ()
    """Names besides this machine's under which the endpoint is asked."""
    run: bool = True
    """Whether `POST /v1/run` runs code that clients send."""
    isolation: Literal["strict", "basic"] = "strict"
    """As judge.isolation, for code that clients send; its limits are those of judge."""


DEFAULT_SPACE: dict[str, Distribution] = {
    "optim.lr": {"log_uniform": (3e-4, 1e-2)},
    "train.epochs": {"choice": (1, 2)},
}


class TuneConfig(Section):
    trials: Annotated[Int, Field(ge=1, le=100_000)] = 4
    """Of a grid all points are tried, whatever stands here."""
    concurrent: Annotated[Int, Field(ge=0)] = 0
    """Trials at once; 0 means as many as fit."""
    scheduler: Literal["asha", "median", "pbt", "none"] = "asha"
    """asha and median end trials that are behind at equal epochs; pbt lets the worst go on from the
    best one's checkpoint with other values. Where the space has a choice of train.epochs, asha
    trains all proposals with the fewest, and the best of them anew with more."""
    searcher: Literal["random", "optuna", "grid"] = "random"
    """Where values come from: drawn, proposed by Optuna's TPE, or every combination of choices."""
    grace_epochs: Positive = 1
    """asha and median end no trial before."""
    reduction_factor: Annotated[Int, Field(ge=2, le=16)] = 2
    """asha keeps one trial in so many at each rung."""
    population: Annotated[Int, Field(ge=2, le=1000)] = 4
    """Members of pbt; trials / population are the generations."""
    interval_epochs: Positive = 1
    """Epochs of a generation of pbt."""
    max_seconds: Annotated[Float, Field(gt=0)] | None = None
    """No trial begins after so long, and those that run end with their next score."""
    max_tokens: Annotated[Int, Field(ge=1)] | None = None
    """The same for training tokens, of all trials together."""
    report_to: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ()
    """Trackers that hear of every score; each needs its package."""
    space: dict[str, Distribution] = DEFAULT_SPACE
    """Dotted key of the configuration: log_uniform, uniform, int_uniform or choice."""

    @model_validator(mode="after")
    def _fits_together(self) -> TuneConfig:
        if self.searcher == "grid":
            check_grid(self.space)
        if self.scheduler == "pbt":
            check_population(self.space, self.searcher, self.trials, self.population)
        return self


class Config(Section):
    """All that a run is made from."""

    version: Literal[1] = 1
    base: str | None = None
    """Preset or file that this one starts from."""
    model: Annotated[str, Field(min_length=1)] = "embedded"
    """A folder, a hub id, `embedded`, or `embedded-random`."""
    revision: str | None = None
    run: RunConfig = RunConfig()
    corpus: CorpusConfig = CorpusConfig()
    architecture: ArchitectureConfig = ArchitectureConfig()
    train: TrainConfig = TrainConfig()
    optim: OptimConfig = OptimConfig()
    workers: WorkersConfig = WorkersConfig()
    judge: JudgeConfig = JudgeConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    sampling: SamplingConfig = SamplingConfig()
    serve: ServeConfig = ServeConfig()
    tune: TuneConfig = TuneConfig()

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Config:
        if self.train.micro_batch_size > self.train.batch_size:
            raise ValueError(
                f"train.micro_batch_size: {self.train.micro_batch_size} is more than "
                f"train.batch_size {self.train.batch_size}"
            )
        if self.train.sharded_checkpoints and self.workers.strategy != "fsdp":
            raise ValueError(
                f"train.sharded_checkpoints: {self.workers.strategy} workers hold the whole model; "
                "set workers.strategy=fsdp, or leave it out"
            )
        if self.train.sharded_checkpoints and "://" in self.run.storage:
            raise ValueError(
                "train.sharded_checkpoints: workers write their parts into one folder, which "
                f"run.storage={self.run.storage} is not; name a folder that all nodes see"
            )
        if self.tune.scheduler == "pbt" and self.train.steps is not None:
            raise ValueError(f"train.steps: got {self.train.steps}; pbt trains by epochs, set null")
        if self.tune.scheduler == "pbt" and self.optim.schedule != "constant":
            raise ValueError(
                f"optim.schedule: {self.optim.schedule} runs over a whole training, which pbt cuts "
                "into generations; set constant"
            )
        if info.context != _POINT:
            check_space(self.tune.space, self.model_dump(), _build)
        return self

    def digest(self, *sections: str) -> str:
        """12 hex digits of the named sections' values: equal settings, equal digest."""
        part: dict[str, Any] = {name: self.model_dump(mode="json")[name] for name in sections}
        text = json.dumps(part, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def run_name(self) -> str:
        """The given name, or one made from the preset and what training depends on."""
        if self.run.name:
            return self.run.name
        stem = (self.base or "run").rsplit("/", 1)[-1].removesuffix(".yaml")
        return f"{stem}-{self.training_digest[:6]}"

    @property
    def training_digest(self) -> str:
        """Digest of everything that the weights depend on."""
        return self.digest("model", "revision", "corpus", "architecture", "train", "optim")


_POINT = {"space": "a point of it"}


def _build(tree: Mapping[str, Any]) -> Config:
    return Config.model_validate(tree, context=_POINT)
