"""DNA models with Titans' neural memory: from sequence files to a trained, evaluated, explained classifier."""
