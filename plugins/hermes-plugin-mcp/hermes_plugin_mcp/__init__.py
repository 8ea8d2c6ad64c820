"""Tools from Model Context Protocol servers."""
