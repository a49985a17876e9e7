"""Pod annotations of our domain: one table of all there are, and the parser of their values. Effects are elsewhere."""
