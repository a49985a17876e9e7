"""What else lives in the pod: service meshes, other injectors' sidecars, other Cloud SQL proxies, database servers."""
