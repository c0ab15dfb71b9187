"""Hooks that make valid input true as well.

Paths and bodies name existing objects, chunks announce the bytes that they contain, and checksums are those of the files.
Without this nearly every request would be refused at its first id.
"""

import hashlib

import requests
import schemathesis
from schemathesis.transport.serialization import Binary


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
# The bytes of each file that is uploaded to a presigned URL.
SMALL = b"abc"
# Those that differ between the operations.
IN_BODY_OF = {
    "create_model": {"model_type": "detection"},
    "request_presigned_upload": {"size": len(SMALL), "content_type": "text/plain"},
    "create_plugin": {"category": "neural_net"},
    "update_plugin": {"category": "neural_net"},
    "create_storage": {"category": "external"},
    "annotate_task_data": {"action": "save"},
    "set_tags_tasks": {"ids": [100001, 100002]},
    "set_tags_assignments": {"ids": [200001]},
    "run_plugin": {"version": "1.0.0", "language": "ko"},
}
# The bytes of each incomplete upload, by id.
OPEN = {}
# The ids of completed uploads that nothing uses yet.
COMPLETED = []
# The checksums of data files.
CHECKSUMS = []
# The keys of the files that were uploaded to presigned URLs and aren't confirmed yet.
UPLOADED = []


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
    # Links give existing ids in the phase `stateful`.
    in_path = any(location and location.value == "path" for location, _ in places(case))
    if not in_path and case.meta.phase.name != "stateful":
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
        case "confirm_presigned_upload" if UPLOADED:
            checksum = hashlib.sha1(SMALL).hexdigest()
            case.body["files"][0] = {"file_key": UPLOADED.pop(), "checksum": checksum, "size": len(SMALL)}
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
        case "request_presigned_upload":
            UPLOADED.extend(filter(None, map(upload, response.json()["files"], case.body["files"])))


def upload(answer, file):
    """Uploads a small file to its presigned URL, and returns its key."""
    if answer["presigned_url"] is None or file["size"] != len(SMALL):
        return None
    headers = {"Content-Type": file["content_type"]} if file.get("content_type") else {}
    answered = requests.put(answer["presigned_url"], data=SMALL, headers=headers, timeout=10)
    assert answered.status_code == 200, f"the storage answered {answered.status_code}: {answered.text}"
    return answer["file_key"]


def file_of(case):
    file = case.body.get("file") if isinstance(case.body, dict) else None
    return file.data if isinstance(file, Binary) else b""
