"""Text of others made safe to look at: names out of a database and words of servers, in plans, statuses and Events."""

from cloudsql_iam_operator.api.parsing.texts import printed


def visible(text: str) -> str:
    r"""The text on one line, with every character written out that a terminal or a page would obey, or not show.

    ESC becomes \x1b, a newline \n, the right-to-left override \u202e, a byte that is not UTF-8 \udcff. Letters of all
    scripts stay. Nothing can be read back from it: use it at the edge only, where somebody reads.
    """
    return printed(text).replace("\n", "\\n").replace("\t", "\\t")
