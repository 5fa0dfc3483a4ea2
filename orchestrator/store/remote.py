"""Object stores: how a URI becomes a filesystem of pyarrow's, and what a store's refusal means in plain words.

Credentials, endpoint and region are found as pyarrow finds them (docs/results.md); no message shows a key.
"""

import os
import re
import socket
from urllib.parse import parse_qs

from pyarrow import ArrowException, fs

from orchestrator.errors import UserError

#: pyarrow's names of filesystems without folders: nothing has to be made before a file is written, and what is
#: written appears whole or not at all.
OBJECT_STORES = ("s3", "gcs")
#: Beginnings of locations: pyarrow knows more, such as ``mock://``, which keeps nothing.
SCHEMES = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
#: The first look answers within about ten seconds, also where packets vanish or a server never answers.
LOOK = {"connect_timeout": 3.0, "request_timeout": 5.0, "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=2)}
#: Later a store may be away for half a minute or ask to slow down; with a delayed open, a segment is one PUT.
WORK = {
    "connect_timeout": 5.0,
    "request_timeout": 20.0,
    "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=10),
    "allow_delayed_open": True,
}
#: Seconds for which Google's store is tried; pyarrow would try for 15 minutes.
LOOK_SECONDS, WORK_SECONDS = 5, 60
#: Seconds for a connection to AWS.
PROBE_SECONDS = 5.0

_S3_KEYS = "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the machine's role)"
_GS_KEYS = "(GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login or the machine's account)"
_NO_ACCOUNT = re.compile("OAuth2|default credentials")
_DENIED = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|UNRECOGNIZED_CLIENT|INVALID_CLIENT_TOKEN_ID|"
    "MISSING_AUTHENTICATION_TOKEN|ExpiredToken|InvalidToken|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED"
)
_SILENT = re.compile(r"NETWORK_CONNECTION|REQUEST_TIMEOUT|CURL error|Status\(UNAVAILABLE")
_WHY = re.compile(r"(?:curlCode: \d+, |CURL error \[\d+\]=)(.+?)(?:;|\.| error_info|$)")


def title(location: str) -> str:
    """``location`` as messages show it: a URI without its credentials and its query."""
    scheme, mark, rest = location.partition("://")
    if not mark:
        return location
    known, at, place = rest.partition("?")[0].rpartition("@")
    # Up to the last @, since a key may hold a / not written as %2F. Azure's CONTAINER@ACCOUNT is not a secret.
    secret = ":" in known or ("/" not in known and not scheme.startswith("abfs"))
    return f"{scheme}://{place if secret else known + at + place}"


def filesystem_at(location: str) -> tuple[fs.FileSystem, str]:
    """The filesystem and the path on it that a URI names; an object store is looked at once, with little patience.

    Raises UserError for a URI that means nothing, a missing bucket, missing rights and a store that does not answer.
    """
    scheme = location.partition("://")[0]
    if scheme not in SCHEMES:
        raise UserError(
            f"The results folder {title(location)} cannot be reached: {scheme}:// is unknown. It is a path, or a URI "
            "that starts with file://, s3:// or gs://."
        )
    try:
        if location.startswith("s3://"):
            _probe(location)
        look, root = fs.FileSystem.from_uri(_trying(location, LOOK_SECONDS))
        work = look
        if isinstance(look, fs.S3FileSystem):
            build, (options,) = look.__reduce__()  # a URI cannot say these options
            look, work = build(options | LOOK), build(options | WORK)
        elif look.type_name == "gcs":
            work, _ = fs.FileSystem.from_uri(_trying(location, WORK_SECONDS))
        if look.type_name in OBJECT_STORES:
            _look(look, root)
    except (OSError, ValueError, ArrowException) as error:
        # Not chained: what pyarrow says may hold the URI with its keys.
        raise UserError(
            f"The results folder {title(location)} cannot be reached: {_reason(error, location)}."
        ) from None
    return work, root


def refusal(error: OSError, location: str) -> str | None:
    """Why the object store at ``location`` refused, if it is for want of rights, a bucket or a connection."""
    text = str(error)
    keys = _S3_KEYS if location.startswith("s3://") else _GS_KEYS
    if _NO_ACCOUNT.search(text):
        return f"no credentials were found {keys}"
    if _DENIED.search(text):
        return f"access is denied. Check the credentials {keys} and their rights to list, read, write and delete there"
    if "NO_SUCH_BUCKET" in text:
        bucket = title(location).partition("://")[2].partition("/")[0]
        return f"there is no bucket {bucket}. Buckets are not made here: make it, or name another"
    if _SILENT.search(text):
        why = _WHY.search(text)
        endpoint = _endpoint(location)
        return f"nothing answers{endpoint and ' at '}{endpoint} ({why[1] if why else 'no connection'})"
    return None


def _look(filesystem: fs.FileSystem, root: str) -> None:
    """Raise OSError if nothing can be seen of ``root``; It may be empty."""
    if not root:
        raise ValueError("it names no bucket")
    if filesystem.get_file_info(root).type == fs.FileType.NotFound:
        try:
            filesystem.get_file_info(fs.FileSelector(root))
        except OSError as error:  # no such bucket, in one way or the other, or no such folder
            if "Status(NOT_FOUND" in str(error):
                raise OSError("NO_SUCH_BUCKET") from None
            if "No such file or directory" not in str(error):
                raise


def _reason(error: Exception, location: str) -> str:
    text = str(error)
    if "Unrecognized filesystem" in text:
        scheme = location.partition("://")[0]
        return f"{scheme}:// is unknown. It is a path, or a URI that starts with file://, s3:// or gs://"
    if "Cannot parse URI" in text:
        return "this is no URI. A blank is written %20 there, and in a key / is %2F and + is %2B"
    known = refusal(error, location) if isinstance(error, OSError) else None
    return known or text.splitlines()[0].replace(location, title(location)).rstrip(".")


def _endpoint(location: str) -> str:
    """The endpoint that a location or the environment names, as HOST:PORT; nothing if it is the provider's own."""
    endpoint = parse_qs(location.partition("?")[2]).get("endpoint_override", [""])[0]
    if not endpoint and location.startswith("s3://"):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return endpoint.rpartition("://")[2].rpartition("@")[2]


def _probe(location: str) -> None:
    """Connect to AWS before pyarrow asks it for the bucket's region: that takes a minute where packets vanish."""
    if _endpoint(location) or "region=" in location.partition("?")[2]:
        return
    # With a region it asks nobody, but knows a URI when it sees one.
    _, root = fs.FileSystem.from_uri(_with(location, "region=us-east-1"))
    if not root:
        return
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    host = f"s3.{region}.amazonaws.com"
    try:
        socket.create_connection((host, 443), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise ConnectionError(f"nothing answers at {host} ({error.strerror or error})") from error


def _trying(location: str, seconds: int) -> str:
    """A location on Google's store, tried for so many seconds unless it says itself for how many."""
    google = location.startswith(("gs://", "gcs://")) and "retry_limit_seconds=" not in location
    return _with(location, f"retry_limit_seconds={seconds}") if google else location


def _with(location: str, option: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}{option}"
