//! Tests a client of a document whose extensions allow other shapes of responses, or hide secrets.

mod support;

use std::path::Path;

use support::crate_copy::CrateCopy;

#[test]
fn extensions_work_on_the_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let copy = CrateCopy::from_document(&folder.join("documents/shapes.yaml"));
    copy.example("shapes", &std::fs::read_to_string(folder.join("probes/shapes.rs")).unwrap());
    let (out, err) = copy.succeed(&["run", "--example", "shapes"]);
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "alternatives",
            "lists",
            "cases",
            "names",
            r#"Call { operation: CreateAccount(create_account { body: Account { hint: "…", inner: {"size":3,"word":"…"}, owner: {"code":"…","name":"n"}, pin: "…", ratio: "…", user: "u", vault: "…", extra: {"code":"…"} } })"#,
            r#"Account { hint: "…", inner: Some(AccountInner { size: Some(3), word: "…", extra: {} }), owner: Some(Owner { code: "…", name: "n", extra: {} }), pin: "…", ratio: "…", user: "u", vault: "…", extra: {} }"#,
            r#"Account { hint: "…", inner: None, owner: None, pin: "…", ratio: "…", user: "u", vault: "…", extra: {"hint": "<secret>", "owner": "<secret>", "vault": "<secret>"} }"#,
            "create_account: `pin`: the value can't be sent (it is secret, so it isn't shown); `ratio`: the value can't be sent (it is secret, so it isn't shown)",
            "send_owner: `pin`: the value can't be sent (it is secret, so it isn't shown)",
            r#"SendOwnerForm { title: "t", pin: "…", owner: {"code":"…","name":"n"}, pin: "…" }"#,
            r#"Unrecognized("…")"#,
            r#"Vault(Vault { door: None, extra: {"code": "<secret>", "name": Json(["x"])} })"#,
            r#"Owner(Owner { code: "…", name: "x", extra: {} })"#,
            "done",
        ],
        "{err}"
    );
}
