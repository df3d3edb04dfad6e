"""The site: a run and those before it as pages to browse, and as files for other programs."""
