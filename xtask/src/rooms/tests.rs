//! Tests of the dependencies, with small source trees.

use super::graph::Graph;
use super::paths::module_of;
use crate::handwritten::modules::{self, SourceFile};

/// The floors of the small source trees.
const FLOORS: [&[&str]; 3] = [&["api"], &["client"], &["values"]];

/// The message for a dependency of `client` on `api`.
const UPWARDS: &str = "client uses api, which is not on a lower floor: src/client/x.rs";

fn graph(files: &[(&str, &str)]) -> Graph {
    let file = |(name, text): &(&str, &str)| SourceFile::parse(name, module_of(name), text).unwrap();
    Graph::of(&files.iter().map(file).collect::<Vec<_>>())
}

/// Returns the problems of a project that has these files, and a folder for each floor.
fn problems_of(lib: &str, files: &[(&str, &str)]) -> Vec<String> {
    let folders = [("src/api/mod.rs", ""), ("src/client/mod.rs", ""), ("src/values/mod.rs", "")];
    let all: Vec<(&str, &str)> = [("src/lib.rs", lib)].iter().chain(&folders).chain(files).copied().collect();
    let graph = graph(&all);
    let mut problems = graph.problems();
    problems.extend(graph.out_of_order(&FLOORS, &[]));
    problems
}

/// Returns the problems of code in `src/client/x.rs`.
fn problems(lib: &str, code: &str) -> Vec<String> {
    problems_of(lib, &[("src/client/x.rs", code)])
}

#[test]
fn cycle_is_reported_once() {
    let circle = graph(&[
        ("src/lib.rs", "mod high; mod middle; mod low;"),
        ("src/high/x.rs", "use crate::{middle::A, low::B};"),
        ("src/middle/mod.rs", "fn f() { crate::low::g() }"),
        ("src/low/y.rs", "type T = super::super::high::X;"),
        ("src/low/mod.rs", ""),
    ]);
    let circles = circle.circles();
    assert_eq!(circles.len(), 2);
    assert!(circles[0].starts_with("a cycle: high > low; low is used by src/high/x.rs"), "{circles:?}");
    assert!(circles[1].starts_with("a cycle: high > middle > low; middle is used"), "{circles:?}");
}

#[test]
fn order_resolves_reexports() {
    let order: [&[&str]; 2] = [&["high"], &["low"]];
    let root = ("src/lib.rs", "pub use low::deep::Thing as Public;");
    let right = graph(&[
        root,
        ("src/high/x.rs", "use crate::Public;"),
        ("src/low/deep/mod.rs", ""),
        ("src/low/mod.rs", "use crate::low::deep::T;"),
    ]);
    assert_eq!((right.rooms(), right.arrows(), right.out_of_order(&order, &[])), (3, 1, Vec::new()));
    let wrong = graph(&[
        root,
        ("src/low/x.rs", "macro_rules! m { () => { $crate::high::f() } }"),
        ("src/high/mod.rs", ""),
        ("src/other/z.rs", ""),
    ]);
    let problems = wrong.out_of_order(&order, &[]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("src/other") && problems[1].starts_with("low uses high"), "{problems:?}");
    assert_eq!(wrong.out_of_order(&order, &[("low", "high")]).len(), 1);
}

#[test]
fn missing_folder_of_order_is_reported() {
    let order: [&[&str]; 2] = [&["high"], &["gone"]];
    let problems = graph(&[("src/lib.rs", ""), ("src/high/mod.rs", "")]).out_of_order(&order, &[]);
    assert_eq!(problems, ["ORDER has `gone`, but src/gone doesn't exist"]);
}

#[test]
fn module_path_from_file_name() {
    assert_eq!(module_of("src/a/mod.rs"), ["a"]);
    assert_eq!(module_of("src/a/b.rs"), ["a", "b"]);
    assert!(module_of("src/lib.rs").is_empty());
}

#[test]
fn paths_to_the_root_are_errors() {
    for code in [
        "use crate::*;",
        "use crate::{*};",
        "fn f() { use super::super::*; }",
        "use crate as root;",
        "use super::super as root;",
        "use crate::{self as root};",
        "use super::{super as root};",
        "use self::super::super::*;",
    ] {
        let problems = problems("", code);
        assert_eq!(problems.len(), 1, "{code}: {problems:?}");
        assert!(problems[0].starts_with("src/client/x.rs has a path that ends at the crate's root"));
    }
    assert_eq!(problems_of("", &[("src/client/mod.rs", "use super::*;")]).len(), 1);
    assert_eq!(problems_of("extern crate self as own;", &[]).len(), 1);
}

#[test]
fn visibility_is_no_path() {
    let code = "pub(crate) struct A(pub(crate) u8, pub(super) u8); pub(in crate::client) fn f() {}";
    assert!(problems("", code).is_empty());
    assert!(problems_of("", &[("src/client/mod.rs", "pub(super) fn f() {}")]).is_empty());
}

#[test]
fn reexports_of_any_form_are_resolved() {
    for lib in [
        "pub use api::X;",
        "pub use crate::api::X;",
        "pub use self::api::X;",
        "use crate::{api::{Y as X}};",
        "pub use api::*;",
        "pub use crate::api::*;",
        "pub type X = api::Y<u8>;",
        "pub type X = Vec<crate::api::Y>;",
        "use api::Y; pub type X = Y;",
        "pub use own::X; mod own { pub use crate::api::X; }",
    ] {
        let files = [("src/client/x.rs", "use crate::X;"), ("src/api/mod.rs", "pub struct X;")];
        assert_eq!(problems_of(lib, &files), [UPWARDS], "{lib}");
    }
    for module in ["pub use crate::api::X;", "pub use super::api::X;", "pub use super::api::*;"] {
        let lib = format!("pub mod prelude {{ {module} }}");
        for code in ["use crate::prelude::X;", "use crate::prelude::*;", "use crate::prelude;"] {
            assert_eq!(problems(&lib, code), [UPWARDS], "{module} {code}");
        }
    }
    let generated =
        "#[doc(hidden)] pub mod __generated { pub use crate::values::Json; pub use crate::api::X; }";
    assert_eq!(problems(generated, "use crate::__generated::X;"), [UPWARDS]);
    assert!(problems(generated, "use crate::__generated::Json;").is_empty());
}

#[test]
fn rest_of_a_reexported_module_counts() {
    let files = [("src/values/deep/mod.rs", ""), ("src/client/x.rs", "use crate::short::deep::X;")];
    let root = [("src/lib.rs", "pub use values as short;"), ("src/values/mod.rs", "")];
    let circles = graph(&[&root[..], &files].concat());
    assert!(circles.evidence("client > values/deep").starts_with("values/deep is used by src/client/x.rs"));
}

#[test]
fn globs_lead_to_modules_with_the_name() {
    let lib = "pub use api::*; pub use values::*;";
    let files = [("src/api/mod.rs", "pub struct A;"), ("src/values/mod.rs", "pub struct B;")];
    let with = |code| problems_of(lib, &[&files[..], &[("src/client/x.rs", code)]].concat());
    assert_eq!(with("use crate::A;"), [UPWARDS]);
    assert!(with("use crate::B;").is_empty());
    assert_eq!(with("use crate::C;").len(), 1);
}

#[test]
fn unresolved_names_of_root_are_errors() {
    for lib in
        ["pub fn helper() {}", "", "fn f() {} mod own { pub use super::f as helper; } pub use own::helper;"]
    {
        let problems = problems(lib, "fn f() { crate::helper(); }");
        assert_eq!(problems.len(), 1, "{lib}");
        assert!(problems[0].starts_with("src/client/x.rs uses crate::helper, "), "{problems:?}");
    }
    for lib in ["pub use bytes;", "pub use http::Uri as bytes;", "extern crate bytes;"] {
        assert!(problems(lib, "use crate::bytes::Bytes;").is_empty(), "{lib}");
    }
}

#[test]
fn root_files_lead_where_their_code_leads() {
    let root_file = ("src/fuzzing.rs", "pub use crate::values::V; pub fn f() { crate::api::g() }");
    let with = |code| problems_of("pub mod fuzzing;", &[root_file, ("src/client/x.rs", code)]);
    assert!(with("use crate::fuzzing::V;").is_empty());
    assert_eq!(with("use crate::fuzzing::f;"), [UPWARDS]);
}

#[test]
fn macros_lead_to_what_they_expand_to() {
    let lib = "#[doc(hidden)] pub mod __private { pub use crate::api::Draft; }";
    let text = "#[macro_export] macro_rules! json { () => { $crate::__json!() } }
                #[macro_export] macro_rules! __json { () => { $crate::__private::Draft::new() } }";
    let with = |code| problems_of(lib, &[("src/values/mod.rs", text), ("src/client/x.rs", code)]);
    for code in ["use crate::json;", "fn f() { crate::json!() }"] {
        let problems = with(code);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(problems[0], UPWARDS);
        assert!(problems[1].starts_with("values uses api"), "{problems:?}");
    }
    let defined = problems_of(
        "",
        &[
            ("src/api/mod.rs", "#[macro_export] macro_rules! m { () => {} }"),
            ("src/client/x.rs", "crate::m!();"),
        ],
    );
    assert_eq!(defined, [UPWARDS]);
}

#[test]
fn serde_literals_are_paths() {
    for attribute in [
        r#"serialize_with = "crate::api::f""#,
        r#"deserialize_with = "crate::api::f""#,
        r#"with = "super::super::api""#,
        r#"default, skip_serializing_if = "crate::api::f""#,
        r#"default = "crate::api::f""#,
        r#"crate = "crate::api::serde""#,
    ] {
        let code = format!("struct S {{ #[serde({attribute})] x: u8 }}");
        assert_eq!(problems("", &code), [UPWARDS], "{attribute}");
        let code = format!("struct S {{ #[cfg_attr(unix, serde({attribute}))] x: u8 }}");
        assert_eq!(problems("", &code), [UPWARDS], "{attribute}");
    }
    assert!(
        problems("", r#"#[serde(rename = "crate::api")] struct S; #[tokio::main(crate = "t")] fn f() {}"#)
            .is_empty()
    );
}

#[test]
fn nested_groups_and_super_in_groups() {
    for code in
        ["use super::{super::api::X};", "use crate::{{api::X}};", "use crate::{{values::Y, {r#api::X}}};"]
    {
        assert_eq!(problems("", code), [UPWARDS], "{code}");
    }
    assert!(problems("", "use super::{super::values::X, api::Y};").is_empty());
}

#[test]
fn super_of_inline_modules() {
    assert_eq!(problems("", "mod m { use super::super::super::api::X; }"), [UPWARDS]);
    assert!(problems("", "mod m { use super::super::api::X; }").is_empty());
    assert!(problems("", "fn f() { mod m { use super::super::api::X; } }").is_empty());
    assert!(problems("", "macro_rules! m { ($n:ident) => { mod $n { use super::super::X; } } }").is_empty());
}

#[test]
fn modules_with_a_path_attribute() {
    let directory = tempfile::tempdir().unwrap();
    let tree = [
        ("lib.rs", "mod api; mod client; mod values;"),
        ("api/mod.rs", "#[path = \"../values/odd.rs\"] pub mod odd; fn f() { crate::api::odd::g() }"),
        ("client/mod.rs", "mod x;"),
        ("client/x.rs", "use crate::api::odd::T;"),
        ("values/mod.rs", ""),
        ("values/odd.rs", "use super::super::client::X; use super::Y;"),
    ];
    for (name, text) in tree {
        let file = directory.path().join("src").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let graph = Graph::of(&modules::files(&directory.path().join("src/lib.rs")).unwrap());
    let expected = [
        "values uses api, which is not on a lower floor: src/values/odd.rs",
        "values uses client, which is not on a lower floor: src/values/odd.rs",
    ];
    assert_eq!(graph.out_of_order(&FLOORS, &[]), expected);
}

#[test]
fn test_code_is_no_dependency() {
    let code = "#[cfg(test)] use crate::api::X; impl T { #[cfg(test)] fn f() { crate::api::g() } }";
    assert!(problems("", code).is_empty());
    assert_eq!(problems("", "#[cfg(unix,)] use crate::api::X;"), [UPWARDS]);
}
