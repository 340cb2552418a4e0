"""`mac completion`: the script that teaches a shell to complete mac's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mac.cli import options


@click.command(epilog="Example: mac completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash  mac completion bash >> ~/.bashrc
    zsh   mac completion zsh >> ~/.zshrc        (after compinit)
    fish  mac completion fish > ~/.config/fish/completions/mac.fish
    """
    completion = get_completion_class(shell)
    if completion is None:  # click knows all three
        raise LookupError(f"click has no completion for {shell}")
    root = ctx.find_root().command
    options.data(completion(root, {}, "mac", "_MAC_COMPLETE").source())
