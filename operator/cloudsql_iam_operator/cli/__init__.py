"""Commands for people and pipelines. What the operator itself runs is not here."""
