"""What users write: the three kinds and the pod annotations, parsed once at the edge. Nothing here decides or talks."""
