"""The one exception that stands for a mistake of the user's, not of the program's."""


class UserError(Exception):
    """Bad input, told in one or two plain sentences that name the field and what it accepts.

    The command line prints the sentences on stderr and exits with code 2; a notebook sees the exception.
    """
