"""The command line: commands, thin over the library, what they print, and how they end."""
