"""The training loop of one worker, in pure torch: start or resume, step, score, save, report.

Run by Ray Train in each worker, and as it is in tests. Everything that decides a weight depends on
(configuration, corpus, step) alone, so a resumed run ends with the weights of an unbroken one.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from calcgen_ray import runtime
from calcgen_ray.config import Config
from calcgen_ray.corpus.tokens import TokenCells, tokenise
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.model.packed import PackedLM
from calcgen_ray.model.scoring import Score, batch_count, score_cells
from calcgen_ray.storage import Mirror
from calcgen_ray.train import journal
from calcgen_ray.train import state as states
from calcgen_ray.train.batches import make_batches
from calcgen_ray.train.kept import Kept
from calcgen_ray.train.optimizer import make_optimizer
from calcgen_ray.train.parallel import distribute
from calcgen_ray.train.schedule import learning_rate
from calcgen_ray.train.step import train_step

WARNING_SECONDS = 5
"""Between two questions whether a machine will be taken away; clouds say so 30 to 120 s before."""

Start = tuple[str, int, dict[str, float], list[float]]
"""Name of the checkpoint to go on from ("" for none), its step, metrics, and losses so far."""

Report = Callable[[Mapping[str, Any]], None]


class Loop:
    """One worker's part of a run.

    Args:
        config: the resolved configuration.
        corpus: folder of a built corpus.
        folder: the run's folder, seen by all workers.
        report: called by every worker after each scoring with its metrics.
        device: where this worker's model lies.
        asked: whether this worker was asked to leave; looked at after each step. Where one was, all
            save a checkpoint after the same step and leave.
        warned: whether this worker heard that the machine of some worker is about to be taken away.
            Called by all workers after the same steps, some seconds apart; at the first yes of any
            a checkpoint is saved.
        mirror: of the bucket that the run lies in; `folder` is then this machine's copy.
    """

    def __init__(
        self,
        config: Config,
        corpus: Path,
        folder: Path,
        report: Report = lambda metrics: None,
        device: str = "cpu",
        asked: Callable[[], bool] = lambda: False,
        warned: Callable[[], bool] = lambda: False,
        mirror: Mirror | None = None,
    ) -> None:
        self.config, self.folder, self.report, self.device = config, folder, report, device
        self.asked, self.warned = asked, warned
        self.kept = Kept(folder, mirror)
        self.leaving = self.look = self.forewarned = False
        self.last_look = time.monotonic()
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        kind: runtime.Device = "cpu" if device == "cpu" else "gpu"
        self.autocast = runtime.pick_precision(config.train.precision, kind) == "bf16"
        runtime.seed_all(config.run.seed)
        if kind == "cpu":
            runtime.keep_memory()
        self.tokenizer = load_model_tokenizer(config.model, config.revision)
        self.batches = make_batches(tokenise(corpus, "train", self.tokenizer), config)
        self.valid = self._valid_cells(tokenise(corpus, "valid", self.tokenizer))
        self.total = config.train.steps or config.train.epochs * self.batches.steps_per_epoch
        self._start()

    def _start(self) -> None:
        train = self.config.train
        path, self.step, self.resumed, self.losses = _agree(self._find_start())
        found = self.kept.here(path) if path else None
        name = str(found) if found and not states.is_sharded(found) else self.config.model
        self.model = load_model(name, self.config.revision, self.config.run.seed)
        self._limit_rows()
        self.lm = PackedLM(self.model, train.attention, train.loss, train.gradient_checkpointing)
        strategy = self.config.workers.strategy
        self.module = distribute(self.lm, strategy, self.world_size, self.device, self.autocast)
        self.optimizer = make_optimizer(self.model, self.config.optim)
        if found:
            states.restore(found, self.model, self.optimizer)

    def _find_start(self) -> Start:
        found = self.kept.newest() if self.rank == 0 else None
        if found is None:
            return "", 0, {}, []
        entries = journal.read(self.folder / journal.JOURNAL)
        scores = [e for e in entries if e["event"] == "eval" and e["step"] <= found.step]
        losses = [e["valid_loss"] for e in scores if "valid_loss" in e]
        return found.path.name, found.step, dict(found.metrics), losses

    def _limit_rows(self) -> None:
        longest = getattr(self.model.config, "n_positions", None)
        if longest and self.config.train.block_size > longest:
            from calcgen_ray.errors import ConfigError

            raise ConfigError(
                f"train.block_size: got {self.config.train.block_size}; "
                f"{self.config.model} reads at most {longest} tokens"
            )

    def _valid_cells(self, cells: TokenCells) -> list[list[int]]:
        """A sample that depends on the seed alone, cut to the rows' length."""
        chosen = list(range(len(cells)))
        random.Random(f"valid/{self.config.run.seed}").shuffle(chosen)
        chosen = sorted(chosen[: self.config.train.valid_cells])
        limit = max(self.config.train.block_size, 512)
        return [cells[i][:limit].tolist() for i in chosen]

    def run(self) -> dict[str, Any]:
        """Trains to the end and returns the last metrics."""
        self._log_start()
        metrics: dict[str, Any] = dict(self.resumed)
        if self.step == 0:
            metrics = self._evaluate()
        elif "perplexity" in metrics and self.step < self.total:
            self.report(metrics)  # the report after this checkpoint may have been lost
        train = self.config.train
        while self.step < self.total and not self._on_plateau():
            self._one_step()
            places = [self.batches.steps_per_epoch, train.eval_steps or self.total]
            if self.step == self.total or any(self.step % place == 0 for place in places):
                metrics = self._evaluate()
                self._save(metrics)
                self.report(metrics)
            elif self.step % train.checkpoint_steps == 0 or self.leaving or self._losing_a_node():
                self._save({})
            if self.leaving and self.step < self.total:
                return metrics
        self._log({"event": "end"})
        return metrics

    def _losing_a_node(self) -> bool:
        """True once, after the step at which all workers are told that a machine will go."""
        if not self.look or self.forewarned:
            return False
        self.last_look = time.monotonic()
        self.forewarned = _sum(self.warned())[0] > 0  # not all may have heard of it
        return self.forewarned

    def _on_plateau(self) -> bool:
        """Whether the last `patience` scorings brought no gain over the best one before them.

        The first, of the model as it was given, does not count: what goes on from a trained model
        is worse than it was until the learning rate has fallen again.
        """
        patience, losses = self.config.train.patience, self.losses[1:]
        if patience is None or len(losses) <= patience:
            return False
        before, last = min(losses[:-patience]), min(losses[-patience:])
        return last > before - self.config.train.min_gain

    def _one_step(self) -> None:
        begin = time.perf_counter()
        lr = learning_rate(self.step, self.total, self.config.optim)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        torch.manual_seed((self.config.run.seed << 20) + self.step * self.world_size + self.rank)
        tokens = self.batches.tokens(self.step)
        passes = self.batches.passes(self.step, self.rank, self.world_size)
        result = train_step(
            self.module,
            self.optimizer,
            [rows.to(self.device) for rows in passes],
            tokens=tokens,
            clip=self.config.optim.clip,
            autocast=self.autocast,
            single=self.batches.single,
        )
        due = time.monotonic() - self.last_look > WARNING_SECONDS
        nats, leave, look = _sum(result.nats, self.asked(), due)
        loss, self.leaving, self.look = nats / tokens, leave > 0, look > 0
        self.step += 1
        seconds = time.perf_counter() - begin
        self._log({"event": "step", "loss": loss, "lr": lr, "grad_norm": result.grad_norm,
                   "tokens": tokens, "seconds": seconds})  # fmt: skip

    def _evaluate(self) -> dict[str, Any]:
        score = score_cells(
            self.lm,
            self.valid[self.rank :: self.world_size],
            device=self.device.split(":")[0],
            autocast=self.autocast,
            batches=batch_count(self.valid[:: self.world_size]),
        )
        nats, tokens = _sum(score.nats, score.tokens)
        total = Score(nats, int(tokens))
        metrics: dict[str, Any] = {"epoch": self.step / self.batches.steps_per_epoch}
        if total.tokens:
            metrics |= {"valid_loss": total.loss, "perplexity": total.perplexity}
            self.losses.append(total.loss)
        self._log({"event": "eval", **metrics})
        return {**metrics, "step": self.step, "epochs": round(metrics["epoch"])}

    def _save(self, metrics: Mapping[str, Any]) -> None:
        """Writes a checkpoint; what has no score may be sharded, the others transformers reads."""
        sharded = self._sharded and not metrics
        whole = None if sharded else states.gather(self.model, self.optimizer, self.rank == 0)
        if self.rank == 0:
            fill = partial(self._fill, whole)
            keep = self.config.train.keep_checkpoints
            name = self.kept.write(fill, self.step, metrics, keep, alone=not sharded)
            self._log({"event": "checkpoint", "path": name})
            self.kept.tell()
        elif sharded:
            self._write_part(None)

    @property
    def _sharded(self) -> bool:
        return self.config.train.sharded_checkpoints and self.world_size > 1

    def _write_part(self, draft: Path | None) -> None:
        """All workers write their part into the folder that rank 0 names."""
        box: list[Any] = [str(draft)]
        dist.broadcast_object_list(box, src=0)
        states.write_part(Path(box[0]), self.model, self.optimizer, self.rank, self.world_size)
        dist.barrier()

    def _fill(self, whole: states.Whole | None, draft: Path) -> None:
        self.model.generation_config = self._generation_config()
        if whole is None:
            self._write_part(draft)
        else:
            states.write_whole(draft, self.model, whole)
        self.tokenizer.save_pretrained(draft)
        states.write_state(draft, {"step": self.step, "total": self.total,
                                   "world_size": self.world_size,
                                   "config": self.config.model_dump(mode="json")})  # fmt: skip

    def _generation_config(self) -> Any:
        from transformers import GenerationConfig

        sampling, end = self.config.sampling, self.tokenizer.eos_token_id
        return GenerationConfig(
            do_sample=sampling.temperature > 0,
            **({"temperature": sampling.temperature} if sampling.temperature > 0 else {}),
            top_p=sampling.top_p,
            max_new_tokens=sampling.max_tokens,
            eos_token_id=end,
            pad_token_id=end,
            bos_token_id=end,
        )

    def _log_start(self) -> None:
        if self.rank == 0:
            journal.rewind(self.folder / journal.JOURNAL, self.step)
        self._log({
            "event": "start",
                "pid": os.getpid(), "total": self.total, "workers": self.world_size,
            "steps_per_epoch": self.batches.steps_per_epoch, "device": self.device,
            "precision": "bf16" if self.autocast else "fp32",
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "pad_fraction": self.batches.pad_fraction, "truncated": self.batches.truncated,
        })  # fmt: skip

    def _log(self, entry: journal.Entry) -> None:
        if self.rank == 0:
            line = {"event": entry["event"], "step": self.step, "time": time.time(), **entry}
            journal.append(self.folder / journal.JOURNAL, line)
            if entry["event"] in ("start", "end"):
                self.kept.tell()


def _agree(choice: Start) -> Start:
    """Rank 0's choice of where to start, told to all: reports and steps must match."""
    if not dist.is_initialized():
        return choice
    box: list[Any] = [choice]
    dist.broadcast_object_list(box, src=0)
    agreed: Start = box[0]
    return agreed


def _sum(*values: float) -> list[float]:
    """Each value summed over the workers."""
    if not dist.is_initialized():
        return list(values)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    out: list[float] = tensor.tolist()
    return out
