"""The process kubelet: turns the pods of one Node into local processes. `python -m controlplane.kubelet` runs it.

It is the scheduler of its one node too. Where it differs from the real one:

- containers share this machine's process ids and files (but for /run, /tmp, /dev, /etc and volumes); each pod has its
  own network, each container its own mounts;
- of securityContext see `podspec`; resources are not enforced; there are no images, see `settings.Images`;
- no name service: pods know the names in their hosts file; no ClusterIPs but that of `kubernetes`;
- back-off is 1 s to 60 s, ConfigMaps and Secrets in volumes are fresh within about 5 s;
- log lines carry no times; `kubectl exec`, `attach` and `port-forward` are not served;
- pods that ask for what it cannot do stay Pending with an Event `Unsupported` that names the field.
"""
