"""What the endpoint is compared with: transformers' own `generate` behind the same route."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from ray import serve

from calcgen_ray import runtime
from calcgen_ray.model.loading import load_model, load_model_tokenizer

api = FastAPI()


@serve.deployment
@serve.ingress(api)
class PlainGenerate:
    """Completes one request at a time with `model.generate`, float32 on a CPU."""

    def __init__(self, folder: str, threads: int) -> None:
        runtime.set_threads(threads)
        self.model = load_model(folder).eval()
        self.tokenizer = load_model_tokenizer(folder)

    @api.get("/health")
    def health(self) -> dict[str, str]:
        return {"status": "ok"}

    @api.post("/v1/completions")
    async def complete(self, request: Request) -> dict[str, Any]:
        asked = await request.json()
        ids = self.tokenizer(asked["prompt"], return_tensors="pt")
        made = self.model.generate(
            **ids, do_sample=True, temperature=asked["temperature"], top_p=asked["top_p"],
            top_k=0, max_new_tokens=asked["max_tokens"], pad_token_id=self.tokenizer.eos_token_id,
        )  # fmt: skip
        new = made[0, ids["input_ids"].shape[1] :]
        text = self.tokenizer.decode(new, skip_special_tokens=True)
        return {"choices": [{"text": text}], "usage": {"completion_tokens": len(new)}}


def build(folder: Path, threads: int) -> Any:
    """The Serve application."""
    deployment: Any = PlainGenerate
    return deployment.options(
        ray_actor_options={"num_cpus": 1}, max_ongoing_requests=64,
        logging_config={"enable_access_log": False},
    ).bind(str(folder), threads)  # fmt: skip
