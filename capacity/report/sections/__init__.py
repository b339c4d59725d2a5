"""The sections of the report, in files by theme. Each function gives the blocks of one section. Pure."""
