"""The commands of `photomend`, one a module; `restore.cli` puts them together."""
