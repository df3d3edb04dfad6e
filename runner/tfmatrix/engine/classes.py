"""The class of each artifact of a run: as the store or others say, else read from the artifact."""

from __future__ import annotations

from tfmatrix.store.artifact_class import artifact_class, classes_digest
from tfmatrix.store.content import Store
from tfmatrix.store.keys import digest_of
from tfmatrix.store.known import Known


class Classes:
    """Classes by the digest of an artifact."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store = store
        self._told = known.classes

    def of(self, artifact: str) -> str | None:
        """The class of an artifact; None for one that is not here, and of which nobody tells."""
        key = digest_of(["class", artifact, classes_digest()])
        stored = self._store.read_outcome(key)
        if stored is not None:
            return str(stored["class"])
        if not self._store.has_folder(artifact):
            return self._told.get(artifact)
        found = artifact_class(self._store.fetched(artifact))
        self._store.write_outcome(key, {"class": found})
        return found
