"""lcpp: how well does this model run on that machine, with that llama.cpp, and can I trust the number?"""

__version__ = "0.1.0"
