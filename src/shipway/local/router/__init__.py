"""The router of the local target: one HAProxy in front of every environment's two sides."""

from shipway.local.router.router import Router
from shipway.local.router.topology import EnvironmentTopology, ServiceRoutes, Topology

__all__ = ["EnvironmentTopology", "Router", "ServiceRoutes", "Topology"]
