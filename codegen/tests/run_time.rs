//! Tests a client of a document with many pitfalls against a server. Errors here would compile and then
//! fail at run time.

mod support;

use std::path::Path;

use support::crate_copy::CrateCopy;

#[test]
fn requests_match_document_on_the_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let copy = CrateCopy::from_document(&folder.join("documents/zoo.yaml"));
    copy.example("zoo", &std::fs::read_to_string(folder.join("probes/zoo.rs")).unwrap());
    let (out, err) = copy.succeed(&["run", "--example", "zoo"]);
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "an answer that is more than its document",
            "another 2xx",
            "a 201 without its body: pets_create: POST /api/pets/: 201 Created, but the response can't be used: the body is empty",
            "list_all",
            "created__gte=2024-01-01T00%3A00%3A00Z created_gte=2025-01-01T00%3A00%3A00Z expand=keeper filter%5Bage%5D=3 filter%5Bname%5D=x+y id__in=1%2C2%2C3 status=sold tags=a tags=b",
            "x-trace: t",
            "client=a info=f new=g request=b response=c result=d self=j type=i url=e value=h",
            "POST /api/pets/5/photo.png?id=q",
            "every method",
            "GET /api/pets/?id__in=",
            "GET /api/pairs/1,2/?near=0.5",
            "pairs_get: `ids` is empty: it is part of the path; `near`: NaN is not a JSON number",
            r#"2: application/json, POST /api/pets/search/ {"food":"hay"}, POST /api/pets/search/?page=2 {"food":"hay"}"#,
            "patch: nothing ",
            "patch: application/json {}",
            "patch: application/json {\"age\":null,\"isGlobal\":true,\"status\":null,\"tags\":[],\"이름\":\"c\",\"\u{110b}\u{1175}\u{1105}\u{1173}\u{11b7}\":\"d\"}",
            r#"patch: application/json {"age":3,"status":"new","tags":["t"]}"#,
            r#"create: application/json {"name":"x","secret":"s"}"#,
            "feed: nothing ",
            r#"feed: application/json {"food":"hay"}"#,
            r#"patch: application/json {"age":null,"name":"n"}"#,
            r#"patch: application/json {"home":{"guest":{"mate":null,"name":"m"},"owner":null},"mate":null}"#,
            r#"patch: application/json {"mate":{"home":{"size":2}}}"#,
            "5",
            "count_set: `body`: 18446744073709551615 is not a 64-bit integer: out of range integral type conversion attempted",
            "[0.5,null]",
            "[1.0,2.0]",
            "login: `login.age` is missing: it is required; `login.user` is missing: it is required",
            r#"Login { age: 3, password: "…", user: "u", extra: {} }"#,
            r#"{"login":{"age":3,"password":"hunter2","user":"u"},"next":"https://zoo.example/x?sig=hunter2","scores":[1.0,null]}"#,
            "GET /api/pets/5/photo.jpg",
            "GET /api/export text/csv, */*;q=0.1",
            "no form: nothing",
            r#"multipart/form-data --B|Content-Disposition: form-data; name="photo"; filename="a %221%22.jpg"|Content-Type: application/octet-stream||��|--B|Content-Disposition: form-data; name="title"||제목|--B|Content-Disposition: form-data; name="raw"; filename="file"|Content-Type: application/octet-stream||x|--B--|"#,
            r#"multipart/form-data --B|Content-Disposition: form-data; name="name"||x|--B|Content-Disposition: form-data; name="photo"; filename="file"|Content-Type: application/octet-stream|||--B|Content-Disposition: form-data; name="tags"||a|--B|Content-Disposition: form-data; name="tags"||b|--B|Content-Disposition: form-data; name="age"|||--B--|"#,
            r#"multipart/form-data --B|Content-Disposition: form-data; name="name"||y|--B|Content-Disposition: form-data; name="photo"|||--B--|"#,
            "multipart/form-data",
            "image/png x",
            r#"multipart/form-data --B|Content-Disposition: form-data; name="title"||제목 "1"|--B|Content-Disposition: form-data; name="count"||3|--B|Content-Disposition: form-data; name="ratio"||1.0|--B|Content-Disposition: form-data; name="is_final"||true|--B|Content-Disposition: form-data; name="status"||other|--B|Content-Disposition: form-data; name="day"||2026-01-31|--B|Content-Disposition: form-data; name="at"||2026-01-31T00:00:00Z|--B|Content-Disposition: form-data; name="tags"||a|--B|Content-Disposition: form-data; name="tags"||b,c|--B|Content-Disposition: form-data; name="sizes"||1,2|--B|Content-Disposition: form-data; name="owner"|Content-Type: application/json||{"age":3,"password":"p","user":"u"}|--B|Content-Disposition: form-data; name="meta"|Content-Type: application/json||[1,{"k":1.2345678901234568e+22}]|--B|Content-Disposition: form-data; name="extra"||e|--B|Content-Disposition: form-data; name="extra_null"|||--B|Content-Disposition: form-data; name="odd %22name"||o|--B|Content-Disposition: form-data; name="link"||https://zoo.example/x?sig=hunter2|--B|Content-Disposition: form-data; name="scan"; filename="s.png"|Content-Type: image/png||%|--B|Content-Disposition: form-data; name="pages"; filename="file"|Content-Type: application/octet-stream||1|--B|Content-Disposition: form-data; name="pages"; filename="file"|Content-Type: text/plain||22|--B|Content-Disposition: form-data; name="extra"||x|--B--|"#,
            r#"ReportForm2 { password: "…", scan: ["b.png"], api_key: "…" }"#,
            "application/x-www-form-urlencoded title=a+b%26c&tags=a&tags=b&sizes=1%2C2&owner%5Bage%5D=3&owner%5Bpassword%5D=p&owner%5Buser%5D=u&k=1&k=x&scan=text&count=",
            "no form: nothing",
            "application/x-www-form-urlencoded food=hay&csrf=t&more=m",
            r#"application/json {"food":"hay"}"#,
            "reports_create: `scan` is missing: it is required; `title` is missing: it is required; `count`: 18446744073709551615 is not a 64-bit integer: out of range integral type conversion attempted; ratio: NaN is not a JSON number; `owner.age` is missing: it is required; `owner.password` is missing: it is required; `pages`: the file's media type can't be a header",
            "reports_replace: `more`: a form of the type application/x-www-form-urlencoded has no files",
            "true sending the field `scan`: reports_create: POST /api/reports/: /nowhere/at all.png: the file can't be read: entity not found",
            "application/vnd.api+json",
            r#"application/vnd.api+json {"kind":"cat","lives":9}"#,
            r#"{"friend":{"kind":"cat","lives":9},"kind":"dog"}"#,
            "GET /api/oddities/?structure=%7B%22a%22%3A1%7D session=s%201",
            "the choice that fits, or none",
            r#"{"cage":1,"groups":[{"size":2},{"size":3}],"kinds":["day","other"],"name":"n","note":null,"place":[1.5,2.0]}"#,
            "all problems, with their places",
            "api-version: 2, accept: application/json, */*;q=0.1",
            "a choice of lists, within choices",
            r#"{"hours":{},"keepers":[],"place":{"name":"n","note":null}}"#,
            "done",
        ],
        "{err}"
    );

    // The build reports the changes, one line per rule, and the parts of the layer that the document
    // doesn't support.
    for message in [
        "zoo.yaml: 27 operations, ",
        "start_paths_with_slash (1), such as api/export: /api/export is sent",
        "keep_one_success (4), such as POST /api/pets/ (pets_create): an answer other than 201 may have no body: an option",
        "handwritten part `uploads` is left out: it needs the operations `start_chunked_upload`, ",
    ] {
        assert!(err.contains(message), "{message}\n{err}");
    }

    // Descriptions are documentation, not tests.
    copy.succeed(&["rustdoc", "--lib", "--", "-D", "warnings"]);
    let (out, _) = copy.succeed(&["test", "--doc", "--", "--list"]);
    assert!(out.contains("src/client/mod.rs") && !out.contains("raw.rs"), "{out}");
    // The examples of forms.
    for (method, examples) in
        [("pets_photo_upload", "1 passed"), ("pets_create", "2 passed"), ("reports_", "5 passed")]
    {
        let (out, _) = copy.succeed(&["test", "--doc", "--", method]);
        assert!(out.contains(examples), "{out}");
    }
}
