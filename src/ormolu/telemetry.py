"""OpenTelemetry's API, where it is installed: the one module that names it. Knows no database.

Without a provider of metrics or of traces all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from inspect import signature
from typing import Any

__all__ = ["BOUNDS", "find_meter", "has_provider", "observe", "recording_span"]

# The parameter of a histogram that came last to the API, with 1.30.
BOUNDS = "explicit_bucket_boundaries_advisory"

Observations = Iterable[tuple[float, Mapping[str, str]]]


@cache
def find_meter() -> Any:
    """Return what makes instruments; None if the API is not installed, or an old one is."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.metrics") is None:
        return None
    # Imported by the first database that opens: `import ormolu` takes no optional package.
    from opentelemetry import metrics

    # An old API, of another package's, cannot be told the bounds of times: as good as none.
    takes = signature(metrics.Meter.create_histogram).parameters
    return metrics.get_meter("ormolu") if BOUNDS in takes else None


def has_provider() -> bool:
    """Tell whether the program has set up metrics or traces, so that times are worth taking."""
    if find_meter() is None:
        return False
    from opentelemetry import metrics, trace

    providers = (metrics.get_meter_provider(), trace.get_tracer_provider())
    # The API's own stand in for those that are not there, and do nothing.
    idle = ("opentelemetry.metrics", "opentelemetry.trace")
    return any(not type(each).__module__.startswith(idle) for each in providers)


def observe(
    kind: str, name: str, unit: str, description: str, read: Callable[[], Observations]
) -> None:
    """Let a number be read each time that metrics are exported.

    Args:
        kind: "counter" of what only grows, "up_down_counter", or "gauge" of what is no sum.
        name: Of the instrument.
        unit: As UCUM writes it.
        description: What it is.
        read: Returns its values, each with attributes.
    """
    meter = find_meter()
    if meter is None:
        return
    from opentelemetry.metrics import Observation

    def call(_options: object) -> Iterable[Any]:
        return [Observation(value, dict(attributes)) for value, attributes in read()]

    make = getattr(meter, f"create_observable_{kind}")
    make(name, callbacks=[call], unit=unit, description=description)


def recording_span() -> Any:
    """Return the span of the current task, if it is recorded; else None."""
    if find_meter() is None:
        return None
    from opentelemetry import trace

    span = trace.get_current_span()
    return span if span.is_recording() else None
