"""What each command takes and says in ``--help``, a file each; beside them, what it does.

Nothing heavy is imported until a command runs, so that ``--help`` is instant.
"""
