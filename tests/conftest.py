"""Its presence puts this folder on sys.path: tests import `fakes` from here."""
