"""The site: a run and those before it as pages to browse, and as files for other programs.

`build_run` writes the site of one run and of those before it, `publish` that of the newest, with shards merged.
`write_site` is what both of them call.
"""

from runner.site.build import Built, write_site
from runner.site.merge import MergeConflictError, merge
from runner.site.publish import build_run, publish

__all__ = ["Built", "MergeConflictError", "build_run", "merge", "publish", "write_site"]
