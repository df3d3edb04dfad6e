"""`tfmatrix bisect`: the first version in which a cell's status or figure changes, and which package brought it.

`search` is the algorithm and knows no TensorFlow; `axis` makes versions into environments; `measure` runs them;
`apart` tells packages apart that moved together; `report` writes the answer; `command` puts them together.
"""
