"""Says whether a reading is out of the ordinary."""

RANGES = {"temperature": (5, 60), "energy": (0, 1000)}


def handler(event, context):
    low, high = RANGES.get(event.get("sensor_type"), (float("-inf"), float("inf")))
    return {"anomaly": not low <= event["value"] <= high}
