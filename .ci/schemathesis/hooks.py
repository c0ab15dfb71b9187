"""What the schemas of openapi/synapse-v1.yaml can't say of a Django REST Framework backend.

Two checks stand for schemathesis' own of the same matter: each asks that one first, and lets a failure pass only
where the framework is known to be right. Two others look where schemathesis doesn't. And chunks announce the bytes that
they hold, sums are those of the files, and models name what is there: otherwise no upload would ever get past its first
refusal.
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
    """django-filter reads a number of any size, and finds nothing for one that is no id."""
    try:
        return blank(text) or Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


# Query parameters that are taken though the document says another type, and of which texts.
TAKEN = {
    # The default, or the most that there is, where it makes no sense.
    "page_size": anything,
    # The last page has a name; without a value it is the first one.
    "page": lambda text: blank(text) or text == "last",
    # Whatever is no boolean counts as not given.
    "is_active": anything,
    "is_archived": anything,
    "include_file": anything,
    # One word is a list of one.
    "expand": anything,
    "project": number,
    "ground_truth_dataset": number,
    # An empty filter counts as not given.
    "ground_truth_dataset_versions": blank,
    "created_after": blank,
    "model_type": blank,
}

# Refusals of input that is well-formed: what it names isn't there, or two things that it says don't fit.
RIGHTLY_REFUSED = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'Invalid pk ".*" - object does not exist\.',
        r"Select a valid choice\. -?\d+ is not one of the available choices\.",
        # Newer servers know more types of models, and number uploads instead of naming them.
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
    """What the document doesn't allow is refused, unless the framework is known to take it."""
    try:
        return checks.negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        sent = parse_qs(urlsplit(response.request.url).query, keep_blank_values=True)
        wrong = mutated(case)
        if wrong and all(name in TAKEN and all(map(TAKEN[name], sent.get(name, []))) for name in wrong):
            return None
        raise


def mutated(case):
    """The query parameters that were made wrong on purpose; nothing where something else was."""
    data = case.meta.phase.data
    places = [(data.parameter_location, data.parameter)] if data.parameter else []
    places += [(mutation.parameter_location, mutation.parameter) for mutation in data.mutations]
    if any(location is None or location.value != "query" or not name for location, name in places):
        return []
    return [name for _, name in places]


@schemathesis.check
def right_input_is_taken(ctx, response, case):
    """What the document allows is taken, unless every message is one that no schema could have told."""
    try:
        return checks.positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        if response.status_code == 400 and all(excused(*pair, case) for pair in messages(response.json())):
            return None
        raise


def messages(problem, field=None):
    """Every message of a refusal, with the field that it stands at."""
    if isinstance(problem, dict):
        offsets = ("expected_offset", "provided_offset")
        return [pair for name, value in problem.items() if name not in offsets for pair in messages(value, name)]
    if isinstance(problem, list):
        return [pair for value in problem for pair in messages(value, field)]
    return [(field, problem)]


def excused(field, text, case):
    match text:
        case "This field may not be null.":
            # `Json` is any value; only the operation's description says that null isn't one here.
            return field in ("metrics", "configuration")
        case "Enter a valid date/time.":
            return field == "created_after" and not is_date(case.query[field][:10])
        case "Multipart form parse error - failed to read headers":
            # The backend reads a part's headers by the rules of HTTP, Django by none. No client sends such names.
            return any(unicodedata.category(letter) == "Cc" for name in case.body for letter in name)
        case _:
            return any(pattern.fullmatch(text) for pattern in RIGHTLY_REFUSED)


def is_date(text):
    """The one thing that a pattern of a time leaves open: the 30th of February, and the year 0."""
    try:
        datetime.date.fromisoformat(text)
        return True
    except ValueError:
        return False


@schemathesis.check
class every_operation_succeeds:
    """Answers that never come are never looked at: each operation that was asked must have succeeded at least once."""

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
        assert not missing, f"no success at all: {', '.join(missing)}"


TOKENS = ("Synapse-Access-Token", "Authorization", "SYNAPSE-Agent")
CONFORMANCE = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)


@schemathesis.check
class refused_tokens_conform:
    """`ignored_auth` looks at nothing but the status of its answers; here the answers to bad tokens are looked at whole."""

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


# The bytes of each upload that isn't complete, and the completed ones that no model was made of, by their ids.
OPEN = {}
COMPLETED = []
# The first project of the backend.
PROJECT = 123


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lets right input of uploads and models be true as well. The phase `coverage`, which is for the limits, stays as it is."""
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
        # One is left open, for further chunks.
        case "complete_chunked_upload" if so_far and len(OPEN) > 1:
            case.body["md5"] = hashlib.md5(so_far).hexdigest()
        case "create_model" if COMPLETED:
            case.body.update(chunked_upload=COMPLETED.pop(), project=PROJECT, model_type="detection")
            case.body.pop("checkpoint", None)


@schemathesis.hook
def after_call(context, case, response):
    """Keeps account of the uploads, from whatever request they came."""
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
