"""Every router of the application beside the model endpoints."""

from fastapi import APIRouter

from gateway.wiring import Parts


def routers(parts: Parts) -> list[APIRouter]:
    """Build the routers of one worker."""
    _ = parts
    return []
