"""``greenflash-otel completion``: a script for a shell, made of the parser. Pure but for the printing.

The script is static: a shell that completes starts no Python.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from greenflash_otel.cli.text_columns import print_lines

PROGRAM: Final = "greenflash-otel"
FILES: Final = ("FILE", "PEM", "JSON")
"""Names of values that are paths."""
FILE_NAMES: Final = ("files", "database", "set_outbox", "outbox")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command."""

    names: Sequence[str]
    about: str
    takes: str
    """What follows it: ``nothing``, ``file``, ``choice`` or ``text``."""
    choices: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A command, by the words that lead to it."""

    words: Sequence[str]
    options: Sequence[Option]
    nouns: Mapping[str, str]
    """What may follow it, commands or choices, and what each is."""
    takes_files: bool


def write(arguments: argparse.Namespace) -> int:
    """Print the script of a shell."""
    from greenflash_otel.cli.parser import make_parser  # which imports the parser of this command

    print_lines(WRITERS[arguments.shell](list(list_commands(make_parser()))))
    return 0


def list_commands(parser: argparse.ArgumentParser, words: Sequence[str] = ()) -> Iterator[Command]:
    """Yield a command and those below it."""
    options: list[Option] = []
    nouns: dict[str, str] = {}
    inner: list[tuple[str, argparse.ArgumentParser]] = []
    takes_files = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            nouns |= {name: helps.get(name, "") for name in action.choices}
            inner += action.choices.items()
        elif action.option_strings:
            options.append(_read_option(action))
        else:
            nouns |= {str(choice): "" for choice in action.choices or ()}
            takes_files |= _is_file(action)
    yield Command(words, options, nouns, takes_files)
    for name, below in inner:
        yield from list_commands(below, (*words, name))


def write_bash(commands: Sequence[Command]) -> Iterator[str]:
    """Yield the script for bash."""
    yield from BASH_BEGIN.splitlines()
    yield from _write_walk(commands)
    yield '  case "$at|$before" in'
    for command in commands:
        for option in command.options:
            if option.takes != "nothing":
                patterns = "|".join(_quote(f"{' '.join(command.words)}|{name}") for name in option.names)
                yield f"    {patterns}) {_complete_value(option)}; return ;;"
    yield "  esac"
    yield '  case "$at" in'
    for command in commands:
        words = [*command.nouns, *(name for option in command.options for name in option.names)]
        files = " files=1" if command.takes_files else ""
        yield f"    {_quote(' '.join(command.words))}) words={_quote(' '.join(words))}{files} ;;"
    yield "  esac"
    yield from BASH_END.splitlines()


def write_zsh(commands: Sequence[Command]) -> Iterator[str]:
    """Yield the script for zsh."""
    yield from ZSH_BEGIN.splitlines()
    yield from _write_walk(commands)
    yield '  case "$at|$before" in'
    for command in commands:
        for option in command.options:
            if option.takes != "nothing":
                patterns = "|".join(_quote(f"{' '.join(command.words)}|{name}") for name in option.names)
                done = {"file": "_files", "choice": f"compadd -- {' '.join(map(_quote, option.choices))}"}
                yield f"    {patterns}) {done.get(option.takes, ':')}; return ;;"
    yield "  esac"
    yield '  case "$at" in'
    for command in commands:
        pairs = [(noun, about) for noun, about in command.nouns.items()]
        pairs += [(name, option.about) for option in command.options for name in option.names]
        entries = " ".join(_quote(f"{name.replace(':', chr(92) + ':')}:{about}") for name, about in pairs)
        files = " files=1" if command.takes_files else ""
        yield f"    {_quote(' '.join(command.words))}) nouns=({entries}){files} ;;"
    yield "  esac"
    yield from ZSH_END.splitlines()


def write_fish(commands: Sequence[Command]) -> Iterator[str]:
    """Yield the script for fish."""
    yield from FISH_BEGIN.splitlines()
    parents = [" ".join(command.words) for command in commands if command.nouns]
    pairs = {" ".join(command.words) for command in commands if command.words}
    yield f"    set -l known {' '.join(map(_quote_fish, sorted(pairs)))}"
    yield from FISH_END.splitlines()
    yield f"complete -c {PROGRAM} -f"
    for command in commands:
        at = " ".join(command.words)
        condition = f"-n {_quote_fish(f'__greenflash_otel_at {_quote_fish(at)}')}"
        for noun, about in command.nouns.items():
            yield f"complete -c {PROGRAM} {condition} -a {_quote_fish(noun)} -d {_quote_fish(about)}"
        if command.takes_files and at not in parents:
            yield f"complete -c {PROGRAM} {condition} -F"
        for option in command.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
            )
            takes = {"nothing": "", "file": " -r -F", "text": " -x"}.get(option.takes)
            if takes is None:
                takes = f" -x -a {_quote_fish(' '.join(option.choices))}"
            yield f"complete -c {PROGRAM} {condition} {names}{takes} -d {_quote_fish(option.about)}"


def _read_option(action: argparse.Action) -> Option:
    about = re.sub(r"%\((\w+)\)s", lambda found: str(getattr(action, found[1])), action.help or "")
    if action.nargs == 0:
        takes = "nothing"
    elif action.choices:
        takes = "choice"
    else:
        takes = "file" if _is_file(action) else "text"
    return Option(action.option_strings, about, takes, [str(choice) for choice in action.choices or ()])


def _is_file(action: argparse.Action) -> bool:
    return action.metavar in FILES or action.dest in FILE_NAMES


def _write_walk(commands: Sequence[Command]) -> Iterator[str]:
    """Yield how a shell finds the command that its words lead to."""
    yield '  for word in "${before_cursor[@]}"; do'
    yield '    case "$at|$word" in'
    for command in commands:
        if command.words:
            *above, name = command.words
            yield f"      {_quote(f'{chr(32).join(above)}|{name}')}) at={_quote(' '.join(command.words))} ;;"
    yield "    esac"
    yield "  done"


def _complete_value(option: Option) -> str:
    if option.takes == "file":
        return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current"))'
    if option.takes == "choice":
        return f'COMPREPLY=($(compgen -W {_quote(" ".join(option.choices))} -- "$current"))'
    return "COMPREPLY=()"


def _quote(text: str) -> str:
    """Quote a text for bash and zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def _quote_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


BASH_BEGIN = """\
# Completion of greenflash-otel for bash: source <(greenflash-otel completion bash)
_greenflash_otel() {
  local IFS=$' \\t\\n' word at='' words='' files='' current="${COMP_WORDS[COMP_CWORD]}"
  local before="${COMP_WORDS[COMP_CWORD-1]}"
  local -a before_cursor=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  if [[ $current == = ]]; then current=''; elif [[ $before == = ]]; then before="${COMP_WORDS[COMP_CWORD-2]}"; fi"""
BASH_END = """\
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ -n $files && $current != -* ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -F _greenflash_otel greenflash-otel"""
ZSH_BEGIN = """\
#compdef greenflash-otel
# Completion of greenflash-otel for zsh: source <(greenflash-otel completion zsh)
_greenflash_otel() {
  local word at='' files='' before=$words[CURRENT-1]
  local -a before_cursor=("${words[@]:1:$((CURRENT - 2))}")
  local -a nouns"""
ZSH_END = """\
  _describe -V command nouns
  if [[ -n $files ]]; then _files; fi
}
compdef _greenflash_otel greenflash-otel"""
FISH_BEGIN = """\
# Completion of greenflash-otel for fish: greenflash-otel completion fish | source
function __greenflash_otel_at --description 'Whether the words lead to a command'"""
FISH_END = """\
    set -l at ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$at $word")
        if contains -- "$next" $known
            set at $next
        end
    end
    test "$at" = "$argv[1]"
end"""

WRITERS: Final[Mapping[str, Callable[[Sequence[Command]], Iterator[str]]]] = {
    "bash": write_bash,
    "zsh": write_zsh,
    "fish": write_fish,
}
