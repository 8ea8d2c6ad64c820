"""Tools that read, write, edit and search files."""
