"""Should a model on a weak omics be distilled from another omics, from which one, and how sure are we?"""

__version__ = "0.1.0"
