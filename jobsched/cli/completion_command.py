"""jobsched completion."""

import click
from click.shell_completion import get_completion_class

from jobsched.cli.output import say

_PROGRAM = "jobsched"
#: Where click looks for the shell's questions.
_VARIABLE = "_JOBSCHED_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that teaches SHELL to complete commands, options and the jobs of ./jobs.yaml.

    \b
    bash, in ~/.bashrc:  eval "$(jobsched completion bash)"
    zsh, in ~/.zshrc:    eval "$(jobsched completion zsh)"
    fish:  jobsched completion fish > ~/.config/fish/completions/jobsched.fish
    """  # noqa: D301 - click's mark that these lines are not to be filled
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these shells"
    say(kind(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source().strip())
