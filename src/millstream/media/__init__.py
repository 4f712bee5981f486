"""Texts, dicts, figures, images and tables as artifacts: how each becomes bytes, and the client methods that log them.

`MediaLogging` is the part of `MillstreamClient` that does so; it builds on `log_stream`, so nothing passes through a
temporary file. The modules here are pure: value in, bytes out. Heavy libraries are imported when a value needs them.
"""
