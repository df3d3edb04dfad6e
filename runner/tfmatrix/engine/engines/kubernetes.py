"""Engine `kubernetes`: a round of batches is an Indexed Job of units, whose manifest goes to `kubectl`.

The image has the same tfmatrix and what its executor needs; credentials of the store come from a Secret.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.engine.engines._arrays import ArrayEngine, run_command
from tfmatrix.engine.engines.base import Setting, require_bucket, unit_arguments

OPTIONS = {
    "image": "image of the units, by digest: it has tfmatrix",
    "namespace": "namespace of the job (default)",
    "secret": "Secret whose keys become variables: credentials of the store",
    "cache": "PersistentVolumeClaim for environments, shared by all units (else each pod provides its own)",
    "memory": "memory of a pod (4Gi)",
    "deadline": "seconds that a pod may take (3600); batches stay below half of it",
    "poll": "seconds between looks at the job (5)",
}

_CACHE = "/var/cache/tfmatrix"


class Kubernetes:
    """Indexed Jobs. `folder` gets the manifests. Pods that fail are begun again only by the client."""

    def __init__(
        self, url: str, run: str, folder: Path, workers: int, options: Mapping[str, str], deadline: float
    ) -> None:
        self._url = url
        self._run = run
        self._folder = folder
        self._workers = workers
        self._options = options
        self._deadline = deadline

    def start(self, batch: str, number: int, count: int) -> str:
        """See Queue."""
        # A label of DNS: small letters, digits and hyphens.
        job = f"tfmatrix-{self._run.lower()}-{number}"
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{job}.json"
        file.write_text(json.dumps(self.manifest(job, batch, count), indent=1), encoding="utf-8")
        self._kubectl("apply", "--filename", str(file))
        return job

    def manifest(self, job: str, batch: str, count: int) -> dict[str, Any]:
        """The Job for `count` entries of an array."""
        memory = self._options.get("memory", "4Gi")
        container: dict[str, Any] = {
            "name": "unit",
            "image": self._options["image"],
            "command": unit_arguments(batch, self._url, python="python"),
            "resources": {"requests": {"cpu": "1", "memory": memory}, "limits": {"memory": memory}},
        }
        pod: dict[str, Any] = {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(self._deadline),
            "automountServiceAccountToken": False,
            "containers": [container],
        }
        if "secret" in self._options:
            container["envFrom"] = [{"secretRef": {"name": self._options["secret"]}}]
        if "cache" in self._options:
            container["env"] = [{"name": "TFMATRIX_CACHE", "value": _CACHE}]
            container["volumeMounts"] = [{"name": "cache", "mountPath": _CACHE}]
            pod["volumes"] = [{"name": "cache", "persistentVolumeClaim": {"claimName": self._options["cache"]}}]
        labels = {"app.kubernetes.io/name": "tfmatrix", "tfmatrix/run": self._run}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": job, "labels": labels},
            "spec": {
                "completionMode": "Indexed",
                "completions": count,
                "parallelism": min(count, self._workers),
                # Each index fails by itself.
                "backoffLimitPerIndex": 0,
                "maxFailedIndexes": count,
                "ttlSecondsAfterFinished": 3600,
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }

    def look(self, job: str) -> tuple[list[int], dict[int, str]]:
        """See Queue."""
        found: Mapping[str, Any] = json.loads(self._kubectl("get", "job", job, "--output", "json"))
        status: Mapping[str, Any] = found.get("status") or {}
        done = indexes(str(status.get("completedIndexes") or ""))
        failed = {index: f"index {index} of {job} failed" for index in indexes(str(status.get("failedIndexes") or ""))}
        for each in status.get("conditions") or ():
            if each.get("type") == "Failed" and each.get("status") == "True":
                reason = f"{job} failed: {each.get('reason')}"
                failed |= {index: reason for index in range(found["spec"]["completions"]) if index not in failed}
        return done, {index: f"kubernetes: {why}" for index, why in failed.items() if index not in done}

    def stop(self, job: str) -> None:
        """See Queue. Its pods go first."""
        self._kubectl("delete", "job", job, "--ignore-not-found", "--cascade=foreground")

    def _kubectl(self, *arguments: str) -> str:
        return run_command(["kubectl", "--namespace", self._options.get("namespace", "default"), *arguments])


def indexes(text: str) -> list[int]:
    """The numbers of "0,3-5": how the status of an Indexed Job names them."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def open_engine(setting: Setting) -> ArrayEngine:
    """See Open. Raises UsageError without an image, InfrastructureError without kubectl."""
    if "image" not in setting.options:
        raise UsageError("engine kubernetes needs an image", fix="--engine-option image=REGISTRY/tfmatrix@sha256:…")
    require_bucket(setting, "kubernetes", "pods")
    if shutil.which("kubectl") is None:
        raise InfrastructureError("engine kubernetes needs kubectl on PATH", fix="install it, and log in")
    deadline = setting.number("deadline", 3600.0)
    workers = setting.workers or 64
    return ArrayEngine(
        Kubernetes(setting.remote.url, setting.run, setting.folder, workers, setting.options, deadline),
        name="kubernetes",
        remote=setting.remote,
        run=setting.run,
        workers=workers,
        longest=deadline / 2,
        poll=setting.number("poll", 5.0),
    )
