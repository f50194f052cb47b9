"""The sub-commands of `eastbound`: parsing, calling the rooms, and showing what they say."""
