"""Reads a shell command without running it: what it would run, and what that would do.

`syntax` parses (mvdan/sh, through ``shfmt``), `words` works out what words come to, `walk` goes
through the tree, `programs` knows programs and their options, `wrappers` those that run another.
Whatever is not plainly understood is `unknown`, and the policy asks about it.
"""
