"""The command ``orchestrator``: words in, tables out; everything else is in ``orchestrator.api``.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

import difflib
import os
import re
import sys
from typing import Annotated, Any

import typer

from orchestrator.commands import figures, jobs, names, run, share, tables
from orchestrator.commands.run import INTERRUPTED
from orchestrator.errors import UserError, plain, sentence, writable

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Run multi-agent and federated RL experiments, store every number in parquet tables, judge every claim.",
)

#: Letters of a message; a value of a million letters may be part of it.
LONGEST = 4000


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"marl-orchestrator {version('marl-orchestrator')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options without a command."""


for part in (names, run, tables, figures, share, jobs):
    app.add_typer(part.app)


def main() -> None:
    """Entry point: a user's mistake becomes a sentence on stderr and exit code 2."""
    _open_streams()
    try:
        if odd := [word for word in sys.argv[1:] if writable(word) != word]:
            raise UserError(f"The word {writable(odd[0])!r} is not valid UTF-8.")
        code = app(prog_name="orchestrator", standalone_mode=False) or 0
    except UserError as error:
        code = _exit_with(str(error), 2)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or Python complains once more at its end
        code = 0
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own usage errors have it
            code = _exit_with(_usage(error), getattr(error, "exit_code", 2))
        elif not (isinstance(error, OSError | ValueError) and (why := _unwritable("\n"))):
            raise
        else:
            code = _exit_with(why, 2)
    why = _unwritable()
    sys.exit(_exit_with(why, 2) if why and code != 2 else code)


def _unwritable(more: str = "") -> str:
    """Why nothing can be printed, in a sentence, as with a full disk or a stream that a plug-in's code has closed.

    What could not be written may be forgotten by now: then only ``more`` text finds it out.
    """
    try:
        sys.stdout.write(more)
        sys.stdout.flush()
    except BrokenPipeError:
        why = ""
    except (OSError, ValueError) as error:
        why = f"The output cannot be written: {(getattr(error, 'strerror', None) or str(error)).rstrip('.')}."
    else:
        return ""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or Python complains once more at its end
    return why


def _open_streams() -> None:
    """Replace closed streams by the null device. Characters that the terminal cannot show are escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - it stays open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _exit_with(text: str, code: int) -> int:
    """Print ``text`` on stderr, without the middle of a very long one. Returns ``code``."""
    text = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    print(plain(text), file=sys.stderr)
    return code


def _usage(error: Any) -> str:
    """A usage error in two sentences: what is wrong, what it takes, and the command that says more."""
    path = error.ctx.command_path if error.ctx else "orchestrator"
    wrong = _wrong(error, path)
    return f"{sentence(wrong)} See {path} --help."


def _wrong(error: Any, path: str) -> str:
    kind, param, text = type(error).__name__, getattr(error, "param", None), error.format_message()
    if kind == "NoSuchOption":
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), 1)
        return f"{path} has no option {error.option_name}" + (f": did you mean {near[0]}?" if near else "")
    if kind == "MissingParameter" and param is not None:
        return f"{path} needs {param.metavar or param.opts[0]}"
    if match := re.search(r"value for '(\S+?)':.* '(.*)' is not one of (.*)", text):
        return f"{match[1].strip('[]')} is {match[2]!r}; it takes {match[3].replace(chr(39), '').rstrip('.')}"
    if match := re.match(r"No such command '(.*?)'\.(?: Did you mean '(.*?)'\?)?", text):
        return f"There is no command {match[1]!r}" + (f": did you mean {_either(match[2])}?" if match[2] else "")
    return text


def _either(names: str) -> str:
    """The nearest two of ``a', 'b``, as typer lists them."""
    return " or ".join(repr(name) for name in names.split("', '")[:2])
