"""The proxy in a pod: its container, image and ports. What the pod's own containers get is elsewhere."""
