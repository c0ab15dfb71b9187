"""Rules of a Django REST Framework backend that the schemas of openapi/synapse-v1.yaml can't express.

Two checks replace schemathesis' own checks: each runs the original first, and accepts a failure only if the framework is
known to be right. Two others check what schemathesis doesn't. The hooks make valid input true as well: chunks announce
the bytes that they contain, checksums are those of the files, and models refer to existing objects. Without them every
upload would be refused at its first request.
"""

import datetime
import hashlib
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qs, urlsplit

import requests
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi import checks
from schemathesis.transport.serialization import Binary


def anything(_text):
    return True


def blank(text):
    return not text.strip()


def number(text):
    """django-filter accepts a number of any size; one that is no id matches nothing."""
    try:
        return blank(text) or Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


# Query parameters that the server accepts although the document has another type, and which texts it accepts.
TAKEN = {
    # An invalid size means the default; a size that is too large means the maximum.
    "page_size": anything,
    # `last` names the last page; an empty value means the first one.
    "page": lambda text: blank(text) or text == "last",
    # A value that is no boolean counts as absent.
    "is_active": anything,
    "is_archived": anything,
    "include_file": anything,
    # A single word is a list with one item.
    "expand": anything,
    "project": number,
    "ground_truth_dataset": number,
    # An empty filter counts as not given.
    "ground_truth_dataset_versions": blank,
    "created_after": blank,
    "model_type": blank,
}

# Legitimate refusals of well-formed input: it names something that doesn't exist, or two of its values contradict each
# other.
RIGHTLY_REFUSED = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'Invalid pk ".*" - object does not exist\.',
        r"Select a valid choice\. -?\d+ is not one of the available choices\.",
        # Newer servers know more model types, and use numbers instead of UUIDs for uploads.
        r'".*" is not a valid choice\.',
        r"Must be a valid UUID\.",
        r"The upload is not completed\.",
        r"The upload has already been used\.",
        r"File size doesn't match headers: .*",
        r"End of chunk exceeds reported total .*",
        r"Offsets do not match",
        r"checksum does not match",
        r'Upload has already been marked as "complete"',
    )
]


@schemathesis.check
def wrong_input_is_refused(ctx, response, case):
    """Input that the document forbids is refused, unless the framework is known to accept it."""
    try:
        return checks.negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        sent = parse_qs(urlsplit(response.request.url).query, keep_blank_values=True)
        wrong = mutated(case)
        if wrong and all(name in TAKEN and all(map(TAKEN[name], sent.get(name, []))) for name in wrong):
            return None
        raise


def mutated(case):
    """Returns the query parameters that were made invalid on purpose; empty if anything else was."""
    data = case.meta.phase.data
    places = [(data.parameter_location, data.parameter)] if data.parameter else []
    places += [(mutation.parameter_location, mutation.parameter) for mutation in data.mutations]
    if any(location is None or location.value != "query" or not name for location, name in places):
        return []
    return [name for _, name in places]


@schemathesis.check
def right_input_is_taken(ctx, response, case):
    """Input that the document allows is accepted, unless all errors are about rules that no schema can express."""
    try:
        return checks.positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        if response.status_code == 400 and all(excused(*pair, case) for pair in messages(response.json())):
            return None
        raise


def messages(problem, field=None):
    """Returns every message of an error response, with its field."""
    if isinstance(problem, dict):
        offsets = ("expected_offset", "provided_offset")
        return [pair for name, value in problem.items() if name not in offsets for pair in messages(value, name)]
    if isinstance(problem, list):
        return [pair for value in problem for pair in messages(value, field)]
    return [(field, problem)]


def excused(field, text, case):
    match text:
        case "This field may not be null.":
            # `Json` is any value; only the operation's description says that null is not accepted here.
            return field in ("metrics", "configuration")
        case "Enter a valid date/time.":
            return field == "created_after" and not is_date(case.query[field][:10])
        case "Multipart form parse error - failed to read headers":
            # The backend parses a part's headers by the rules of HTTP; Django checks nothing. No client sends such
            # names.
            return any(unicodedata.category(letter) == "Cc" for name in case.body for letter in name)
        case _:
            return any(pattern.fullmatch(text) for pattern in RIGHTLY_REFUSED)


def is_date(text):
    """Checks what the pattern of a time can't: that the date exists (not 30 February, not the year 0)."""
    try:
        datetime.date.fromisoformat(text)
        return True
    except ValueError:
        return False


@schemathesis.check
class every_operation_succeeds:
    """Responses that never occur are never checked, so each requested operation must succeed at least once."""

    def __init__(self):
        self.asked = set()
        self.succeeded = set()

    def after_response(self, ctx, response, case):
        if response.request.method == case.operation.method.upper():
            self.asked.add(case.operation.label)
            if response.status_code < 300:
                self.succeeded.add(case.operation.label)

    def after_run(self, ctx):
        missing = sorted(self.asked - self.succeeded)
        assert not missing, f"operations that never succeeded: {', '.join(missing)}"


TOKENS = ("Synapse-Access-Token", "Authorization", "SYNAPSE-Agent")
CONFORMANCE = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)


@schemathesis.check
class refused_tokens_conform:
    """Checks the whole responses to invalid tokens; `ignored_auth` checks only their status."""

    def __init__(self):
        self.done = set()

    def after_response(self, ctx, response, case):
        label = case.operation.label
        if label in self.done or response.status_code >= 300 or response.request.method != case.operation.method.upper():
            return
        for tokens in ({}, {TOKENS[0]: "Token"}, {TOKENS[0]: "Token of others"}, {TOKENS[1]: "Token wrong"}):
            request = response.request.copy()
            for name in TOKENS:
                request.headers.pop(name, None)
            request.headers.update(tokens)
            with requests.Session() as session:
                answer = Response.from_any(session.send(request, timeout=10))
            assert answer.status_code == 401, f"{label} answered {answer.status_code} to {tokens}"
            for check in CONFORMANCE:
                check(ctx, answer, case)
        self.done.add(label)


# The bytes of each incomplete upload, by id, and the ids of completed uploads that no model uses yet.
OPEN = {}
COMPLETED = []
# The first project of the backend.
PROJECT = 123


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes valid input of uploads and models true as well. Leaves the phase `coverage` alone, which tests the limits."""
    if case.meta is None or case.meta.generation.mode.is_negative or case.meta.phase.name == "coverage":
        return
    operation = operation_id(case)
    if operation in ("get_chunked_upload", "upload_chunk", "complete_chunked_upload") and OPEN:
        if case.path_parameters["id"] not in OPEN:
            case.path_parameters["id"] = list(OPEN)[-1]
    so_far = OPEN.get(case.path_parameters.get("id"), b"")
    match operation:
        case "start_chunked_upload" | "upload_chunk" if file_of(case):
            end = len(so_far) + len(file_of(case))
            case.headers["Content-Range"] = f"bytes {len(so_far)}-{end - 1}/{end}"
        # One upload stays open, for further chunks.
        case "complete_chunked_upload" if so_far and len(OPEN) > 1:
            case.body["md5"] = hashlib.md5(so_far).hexdigest()
        case "create_model" if COMPLETED:
            case.body.update(chunked_upload=COMPLETED.pop(), project=PROJECT, model_type="detection")
            case.body.pop("checkpoint", None)


@schemathesis.hook
def after_call(context, case, response):
    """Records the uploads, whichever request created them."""
    if response.status_code != 200 or response.request.method not in ("PUT", "POST"):
        return
    id = response.json()["id"]
    match operation_id(case):
        case "start_chunked_upload" | "upload_chunk":
            OPEN[id] = OPEN.get(id, b"") + file_of(case)
        case "complete_chunked_upload":
            OPEN.pop(id, None)
            COMPLETED.append(id)


def file_of(case):
    file = case.body.get("file") if isinstance(case.body, dict) else None
    return file.data if isinstance(file, Binary) else b""
