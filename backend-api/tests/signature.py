"""Checks a request's signature as AWS does: by computing it again from what arrived."""

from __future__ import annotations

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from standin import Asked


def signed_by(asked: Asked, secret: str) -> str | None:
    """The access key that signed it with `secret`, for SageMaker in eu-central-1; None when the signature is wrong."""
    algorithm, _, rest = asked.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    names = parts["SignedHeaders"].split(";")
    assert {"host", "x-amz-date"} <= set(names)
    headers = {name: asked.headers[name] for name in names}
    request = AWSRequest(asked.method, f"http://{headers['host']}{asked.path}", headers=headers, data=asked.body)
    request.context["timestamp"] = headers["x-amz-date"]
    key = parts["Credential"].partition("/")[0]
    auth = SigV4Auth(ReadOnlyCredentials(key, secret, headers.get("x-amz-security-token")), "sagemaker", "eu-central-1")
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    scope = f"{key}/{headers['x-amz-date'][:8]}/eu-central-1/sagemaker/aws4_request"
    good = ("AWS4-HMAC-SHA256", scope, signature) == (algorithm, parts["Credential"], parts["Signature"])
    return key if good else None
