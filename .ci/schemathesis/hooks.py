"""Rules of a Django REST Framework backend that the schemas in openapi/ can't express.

Three checks replace schemathesis' own checks: each runs the original first, and accepts a failure only if the framework
is known to be right. Two others check what schemathesis doesn't. The hooks make valid input true as well: paths and
bodies name existing objects, chunks announce the bytes that they contain, and checksums are those of the files. Without
them nearly every request would be refused at its first id.
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
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData
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


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def numbers(text):
    """A filter of several numbers takes whole ones only."""
    return all(blank(word) or re.fullmatch(r"[+-]?[0-9]+", word.strip()) for word in text.split(","))


# Query parameters that the server accepts although the document has another type, and which texts it accepts.
TAKEN = {
    # An invalid size means the default; a size that is too large means the maximum.
    "page_size": anything,
    # `last` names the last page; an empty value means the first one.
    "page": lambda text: blank(text) or text == "last",
    # A single word is a list with one item.
    "expand": anything,
    "fields": anything,
    "omit": anything,
    # An unknown word means the default.
    "pagination": anything,
    "response_mode": anything,
    # Servers ignore these two.
    "replace": anything,
    "include_annotations": anything,
    # An empty filter counts as not given.
    "ground_truth_dataset_versions": blank,
}
# A value that is no boolean counts as absent.
BOOLEANS = """
    assignments__is_discarded can_generate_task debug has_assignment has_reached_max_assignments include_file is_active
    is_archived is_confirmed is_default is_discard_confirmed is_discarded with_configuration
"""
TAKEN |= dict.fromkeys(BOOLEANS.split(), anything)
NUMBERS = """
    agent data_collection ground_truth ground_truth_dataset id id__gt id__gte id__lt id__lte job__agent plugin project user
    workshop
"""
TAKEN |= dict.fromkeys(NUMBERS.split(), number)
# Filters of several numbers, repeated or joined by commas.
LISTS = "assignments groups id__in ids ids_ex labelers reviewers stages tags task_tags tasks users workshops"
TAKEN |= dict.fromkeys(LISTS.split(), numbers)
CHOICES = "category model_type schema status status_label status_review"
TAKEN |= dict.fromkeys(CHOICES.split(), blank)
TIMES = "created label_submitted labeler_last_action_at last_labeled last_reviewed reviewer_last_action_at"
TIMES = {f"{name}__{bound}" for name in TIMES.split() for bound in ("gt", "gte", "lt", "lte")} | {"created_after"}
TAKEN |= dict.fromkeys(TIMES, blank)
# Filters that the server accepts and doesn't apply, by the start of the path.
IGNORED = {
    "/sdk/tasks/": {"created_after"},
    "/sdk/assignments/": {"created_after"},
    # The backend's events have none of these.
    "/sdk/ground_truth_events/": {"task", "ground_truth", "category", "categories", "classes"},
}

# Fields of bodies that the server accepts although the document has another type, and which values it accepts.
TAKEN_IN_BODIES = {
    # The parts of a file without parts.
    "multipart": lambda value: value is None,
    # A form may have `meta`, too, as JSON.
    "meta": anything,
}
# A number is a text.
TEXTS = "action checksum code description event file_key filename language name plugin step version"
TAKEN_IN_BODIES |= dict.fromkeys(TEXTS.split(), is_number)
# Digits are a number.
INTEGERS = "agent data_collection data_unit expiration project size storage_id workshop"
TAKEN_IN_BODIES |= dict.fromkeys(INTEGERS.split(), lambda value: isinstance(value, str) and number(value))
# Words and numbers are booleans.
FLAGS = "debug is_active is_public system_only"
TAKEN_IN_BODIES |= dict.fromkeys(FLAGS.split(), lambda value: str(value).lower() in "0 1 true false t f yes no y n on off".split())
# Operations that need nothing in the body: no body is an empty object.
EMPTY_BODIES = {"update_job", "update_plugin", "run_plugin"}

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
        r"Object with code=.* does not exist\.",
        r"plugin with this code already exists\.",
        r"Version .* of this plugin already exists\.",
        r"The release does not exist\.",
        r"The status can't change from [A-Z]+ to [A-Z]+\.",
        # The backend refuses unknown fields of a job, so that tests notice them.
        r"An update has only status, records, logs, result and meta\.",
        # Only an ordering by a unique field can be continued.
        r"Cursor pagination needs an ordering by a unique key\.",
        # The annotation's own rules, and those of the data collection.
        r"An empty annotation can't be submitted\.",
        r"The annotation doesn't match dm_schema_v1\.",
        r'The file specification ".*" (is required|does not exist)\.',
        r"A checksum is unknown\.",
        r"The file is not a valid data URI\.",
        r"This list may not be empty\.",
        # A part of a form is text.
        r"Value must be valid JSON\.",
        # The largest object of a storage.
        r"Ensure this value is less than or equal to 5497558138880\.",
        r"The upload is not completed\.",
        r"The upload has already been used\.",
        r"File size doesn't match headers: .*",
        r"End of chunk exceeds reported total .*",
        r"Offsets do not match",
        r"checksum does not match",
        r'Upload has already been marked as "complete"',
    )
]


# Fields of the type `Json` in bodies: those that take any value but null, and those that take objects only.
FREE = ("metrics", "configuration", "progress_record", "metrics_record", "console_logs", "result", "meta", "detail", "config", "data")
OBJECTS = ("meta", "params", "configuration", "data")


@schemathesis.check
def wrong_input_is_refused(ctx, response, case):
    """Input that the document forbids is refused, unless the framework is known to accept it."""
    try:
        return checks.negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        sent = query(response)
        ignored = [names for path, names in IGNORED.items() if case.operation.path.startswith(path)]
        taken = TAKEN | dict.fromkeys(set().union(*ignored), anything)
        wrong = mutated(case, "query")
        if wrong and all(name in taken and all(map(taken[name], sent.get(name, []))) for name in wrong):
            return None
        if body_is_taken(case):
            return None
        raise


def body_is_taken(case):
    """Whether the framework takes a body that was made invalid on purpose."""
    operation = operation_id(case)
    description = case.meta.phase.data.description or ""
    if description == "Positive test case":
        # schemathesis takes a form with a file for an invalid one if a link or a hook has changed it.
        return file_of(case) != b""
    if description == "Missing request body":
        return operation in EMPTY_BODIES
    if description == "Missing required property: file":
        # One serializer reads forms and JSON, and only forms have files.
        return operation == "create_plugin_release"
    if not mutated(case, "body"):
        return False
    paths = [mutation.path for mutation in case.meta.phase.data.mutations]
    names = [[part for part in path if isinstance(part, str)][-1:] for path in paths]
    names = names or [re.findall(r"(\w+): Incorrect type$", description)]
    return all(
        name and name[0] in TAKEN_IN_BODIES and all(map(TAKEN_IN_BODIES[name[0]], values_of(case.body, name[0])))
        for name in names
    )


def values_of(body, name):
    """Returns every value of the fields with this name."""
    if isinstance(body, list):
        return [value for item in body for value in values_of(item, name)]
    if isinstance(body, dict):
        own = [body[name]] if name in body else []
        return own + [value for item in body.values() for value in values_of(item, name)]
    return []


def mutated(case, place):
    """Returns the names that were made invalid on purpose in one place; empty if anything else was."""
    wrong = places(case)
    if any(location is None or location.value != place or (place == "query" and not name) for location, name in wrong):
        return []
    return [name for _, name in wrong]


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
            # `Json` is any value; only the description says that null is not accepted here.
            return field in FREE or field in OBJECTS
        case "This field may not be blank.":
            # The framework removes white space from both ends. Few schemas say that a text isn't empty.
            return any(isinstance(value, str) and blank(value) for value in values_of(case.body, field))
        case "Enter a valid date/time.":
            return field in TIMES and not is_date(case.query[field][:10])
        case _ if text.startswith("Datetime has wrong format."):
            return field == "datetime"
        case _ if text.startswith("Expected a dictionary of items but got type "):
            # `Json` is any value; only the description says that it is an object.
            return field in OBJECTS
        case "Multipart form parse error - failed to read headers":
            # The backend parses a part's headers by the rules of HTTP; Django checks nothing. No client sends such
            # names.
            return any(unicodedata.category(letter) == "Cc" for name in case.body for letter in name)
        case _:
            return any(pattern.fullmatch(text) for pattern in RIGHTLY_REFUSED)


@schemathesis.check
def response_matches_schema(ctx, response, case):
    """The response has the schema of the document, unless the request asked to leave out required fields."""
    try:
        return checks.response_schema_conformance(ctx, response, case)
    except JsonSchemaError:
        words = {name: set(",".join(query(response).get(name, [])).split(",")) for name in ("fields", "omit")}
        if (words["fields"] - {""} and "id" not in words["fields"]) or "id" in words["omit"]:
            return None
        raise


def query(response):
    return parse_qs(urlsplit(response.request.url).query, keep_blank_values=True)


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


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Adapts what schemathesis can't interpret."""
    # The generator distinguishes two operations with the same path by a fragment.
    paths = raw_schema["paths"]
    raw_schema["paths"] = {path.split("#")[0]: item for path, item in paths.items()}
    # The document has the only value that is known; agents have others.
    schemas = raw_schema["components"]["schemas"]
    del schemas["AgentStatus"]["enum"]
    # The backend responds with the array, or with the one item, in place of the object that has them.
    for name, schema in list(schemas.items()):
        alternatives = schema.pop("x-alternatives", {})
        arrays = [schema["properties"][field] for kind, field in alternatives.items() if kind == "array"]
        items = [schema["properties"][field]["items"] for kind, field in alternatives.items() if kind == "item"]
        if alternatives:
            schemas[name] = {"anyOf": [schema, *arrays, *items]}


# Objects of the backend's own data: by the segment of a path before the parameter, or by the parameter's name.
JOB = "5f3c2a10-7d4e-4b1a-9c00-0000000036b1"
IN_PATHS = {
    "models": 456,
    "ground_truth_dataset_versions": 123,
    "projects": 123,
    "data_collections": 2001,
    "task_tags": 3001,
    "agents": 7001,
    "storages": 8001,
    "plugins": 11001,
    "plugin_releases": 12001,
    "jobs": JOB,
    "tasks": 100001,
    "assignments": 200001,
    "data_units": 300001,
    "token": "test-agent-token",
    "plugin": "neural-net-1",
    "lookup": "neural-net-1@1.0.0",
}
# Valid values of bodies' fields whose schema is only a text or a number.
IN_BODIES = {
    "project": 123,
    "data_collection": 2001,
    "workshop": 5001,
    "agent": 7001,
    "storage_id": 8001,
    "data_unit": 300001,
    "tags": [3001],
    "job": JOB,
    "job_id": JOB,
    "plugin": "neural-net-1",
    "provider": "minio",
    "purpose": "read",
}
# Those that differ between the operations.
IN_BODY_OF = {
    "create_model": {"model_type": "detection"},
    "create_plugin": {"category": "neural_net"},
    "update_plugin": {"category": "neural_net"},
    "create_storage": {"category": "external"},
    "annotate_task_data": {"action": "save"},
    "set_tags_tasks": {"ids": [100001, 100002]},
    "set_tags_assignments": {"ids": [200001]},
    "run_plugin": {"version": "1.0.0", "language": "ko"},
}
# The bytes of each incomplete upload, by id, the ids of completed uploads that nothing uses yet, and the checksums of
# data files.
OPEN = {}
COMPLETED = []
CHECKSUMS = []


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


def places(case):
    """Returns what was made invalid on purpose, or is the subject of the phase `coverage`: locations and names."""
    data = case.meta.phase.data
    first = [(data.parameter_location, data.parameter)] if data.parameter else []
    return first + [(mutation.parameter_location, mutation.parameter) for mutation in data.mutations]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes valid input true as well. Leaves alone what a case tests: invalid parts, and limits in the phase `coverage`."""
    if case.meta is None:
        return
    if not any(location and location.value == "path" for location, _ in places(case)):
        name_existing_object(case)
    if case.meta.generation.mode.is_negative or case.meta.phase.name == "coverage":
        return
    if "fields" in (case.query or {}) and isinstance(case.query["fields"], list):
        case.query["fields"] = [*case.query["fields"], "id"]
    if (case.query or {}).get("pagination") == "cursor":
        case.query["ordering"] = "-pgh_id" if "ground_truth" in case.operation.path else "-id"
    make_body_true(case)


def name_existing_object(case):
    """Sets the parameter of the path."""
    before = ""
    for segment in case.operation.path.split("/"):
        name = segment.strip("{}")
        if segment != name and before != "chunked_upload":
            case.path_parameters[name] = IN_PATHS.get(name, IN_PATHS.get(before))
        before = segment


def make_body_true(case):
    """Makes the body refer to existing objects and the headers match it."""
    operation = operation_id(case)
    if operation in ("get_chunked_upload", "upload_chunk", "complete_chunked_upload") and OPEN:
        if case.path_parameters["id"] not in OPEN:
            case.path_parameters["id"] = list(OPEN)[-1]
    so_far = OPEN.get((case.path_parameters or {}).get("id"), b"")
    put_existing(case.body, IN_BODIES | IN_BODY_OF.get(operation, {}))
    match operation:
        case "start_chunked_upload" | "upload_chunk" if file_of(case):
            end = len(so_far) + len(file_of(case))
            case.headers["Content-Range"] = f"bytes {len(so_far)}-{end - 1}/{end}"
        # One upload stays open, for further chunks.
        case "complete_chunked_upload" if so_far and len(OPEN) > 1:
            case.body["md5"] = hashlib.md5(so_far).hexdigest()
        case "create_model" if COMPLETED:
            case.body["chunked_upload"] = COMPLETED.pop()
            case.body.pop("checkpoint", None)
        case "create_data_file" if COMPLETED and "chunked_upload" in case.body:
            case.body["chunked_upload"] = COMPLETED.pop()
        case "create_data_units" if CHECKSUMS:
            for unit in case.body if isinstance(case.body, list) else [case.body]:
                unit["files"] = {"image_1": {"checksum": CHECKSUMS[-1], "path": "1.png"}}


def put_existing(value, known):
    """Sets the fields of a body that are there to the known values."""
    for item in value if isinstance(value, list) else []:
        put_existing(item, known)
    if isinstance(value, dict):
        value.update({name: known[name] for name in value if name in known})
        for item in value.values():
            put_existing(item, known)


@schemathesis.hook
def after_call(context, case, response):
    """Records uploads and data files, whichever request created them."""
    operation = operation_id(case)
    if response.request.method not in ("PUT", "POST") or response.status_code not in (200, 201):
        return
    match operation:
        case "start_chunked_upload" | "upload_chunk":
            id = response.json()["id"]
            OPEN[id] = OPEN.get(id, b"") + file_of(case)
        case "complete_chunked_upload":
            id = response.json()["id"]
            OPEN.pop(id, None)
            COMPLETED.append(id)
        case "create_data_file":
            CHECKSUMS.append(response.json()["checksum"])


def file_of(case):
    file = case.body.get("file") if isinstance(case.body, dict) else None
    return file.data if isinstance(file, Binary) else b""
