"""`tfmatrix env sbom`: what an environment consists of, as a CycloneDX document, from its lock."""

from __future__ import annotations

import json
import uuid
from typing import Any

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from tfmatrix.core.errors import UsageError
from tfmatrix.core.version import __version__
from tfmatrix.envs.lock import read_lock
from tfmatrix.project.project import Project

_NAMESPACE = uuid.UUID("6f0c8a0e-5f0b-4d0e-8a55-0d6f3c6e3b1c")
"""Of the serial numbers: one lock has one document."""


def sbom(project: Project, environment_id: str) -> dict[str, Any]:
    """The document (CycloneDX 1.6, JSON). One lock always gives the same.

    The hashes are properties: those of every file that the lock allows of a package, of which one is installed.
    """
    environment = project.config.environment(environment_id)
    lock = None if environment.image else read_lock(project.locks, environment)
    if lock is None:
        why = "is an image, whose packages no lock names" if environment.image else "has no lock"
        raise UsageError(f"the environment {environment.id} {why}", fix=f"tfmatrix lock {environment.id}")
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{lock.environment_id} {lock.digest}"))
    root = Component(name=f"tfmatrix environment {lock.environment_id}", type=ComponentType.PLATFORM, bom_ref="root")
    root.properties.update(
        Property(name=f"tfmatrix:{name}", value=value)
        for name, value in {
            "lock": f"sha256:{lock.digest}",
            "python": lock.python,
            "platform": lock.platform,
            "version": __version__,
        }.items()
    )
    bom.metadata.component = root
    for name, version in lock.packages.items():
        purl = PackageURL("pypi", name=name, version=version)
        component = Component(name=name, version=version, purl=purl, bom_ref=str(purl))
        component.properties.update(Property(name="tfmatrix:hash", value=each) for each in lock.hashes[name])
        bom.components.add(component)
        bom.register_dependency(root, [component])
    written = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    found: dict[str, Any] = json.loads(written)
    # The library puts in the present.
    del found["metadata"]["timestamp"]
    return found
