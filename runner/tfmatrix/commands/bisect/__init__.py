"""`tfmatrix bisect`: the first version in which a cell's status or figure changes, and which package brought it.

`search` is the algorithm and knows no TensorFlow; `axis` makes versions into environments; `measure` runs them;
`culprit` finds the package that brought a change; `report` writes the answer; `command` puts them together.
"""
