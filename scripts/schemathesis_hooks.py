"""What schemathesis has to be told of this API (npm run fuzz)."""

import schemathesis


@schemathesis.serializer("application/jsonl")
def json_lines(ctx, value):
    """The document describes JSON lines as a string; anything else goes out as it would be written."""
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogatepass")
