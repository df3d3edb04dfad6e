"""Two runs compared cell by cell: what got worse, what got better, and what else differs between the two.

`changes` is the one engine (the site's history uses it too), `surroundings` says what beside TensorFlow was different,
`source` reads what a command names, `compared` puts them together.
"""
