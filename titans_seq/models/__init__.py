"""Models: stacks of blocks."""

from titans_seq.models.backbone import Backbone, BackboneState

__all__ = ["Backbone", "BackboneState"]
