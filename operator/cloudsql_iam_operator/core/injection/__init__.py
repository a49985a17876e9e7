"""What the proxy injection does to one pod: pure decisions over facts handed in. No look-ups, no clock, no log."""
