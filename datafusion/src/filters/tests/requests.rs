//! Several filters of one request: presets, conjunctions, limits and columns without a field.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::TableProviderFilterPushDown::{Exact, Inexact, Unsupported};
use datafusion::logical_expr::{Expr, col, lit, not};

use super::{filters, owned, sent, support};
use crate::filters::limits::{self, MAX_BYTES, Share};

fn one_of(column: &str, values: impl IntoIterator<Item = i64>) -> Expr {
    col(column).in_list(values.into_iter().map(lit).collect(), false)
}

#[test]
fn conjunction_is_intersected() {
    assert_eq!(
        sent(&[one_of("id", [1, 2, 3]), one_of("id", [2, 3, 4])]),
        owned(&[("id__in[]", "2"), ("id__in[]", "3")])
    );
    assert_eq!(sent(&[one_of("id", [1, 2]), one_of("id", [2])]), owned(&[("id", "2")]));
    let selection = filters(&[], false).select(&[one_of("id", [1, 2]), one_of("id", [3])]).unwrap();
    assert!(selection.nothing && selection.parameters.is_empty() && !selection.exact);
    let selection = filters(&[], true).select(&[one_of("id", [1, 2]), one_of("id", [3])]).unwrap();
    assert!(selection.nothing && selection.exact);
}

#[test]
fn tightest_bounds_are_sent() {
    let all = [
        col("id").gt(lit(1_i64)),
        col("id").gt(lit(3_i64)),
        col("id").lt_eq(lit(9_i64)),
        col("id").lt(lit(8_i64)),
    ];
    assert_eq!(sent(&all), owned(&[("id__gt", "3"), ("id__lte", "7")]));
    let all = [col("score").gt_eq(lit(0.5)), col("score").gt(lit(0.25))];
    assert_eq!(sent(&all), owned(&[("score__gte", "0.5")]));
}

#[test]
fn preset_of_a_single_parameter() {
    for (trusted, decided) in [(false, Unsupported), (true, Exact)] {
        let filters = filters(&[("project", "5")], trusted);
        for same in [one_of("project", [5]), one_of("project", [5, 6])] {
            assert_eq!(support(&filters, &same), decided);
            let selection = filters.select(&[same]).unwrap();
            assert_eq!((selection.parameters, selection.nothing, selection.exact), (vec![], false, trusted));
        }
        assert_eq!(support(&filters, &one_of("project", [6])), decided);
        assert_eq!(filters.select(&[one_of("project", [6])]).unwrap().nothing, trusted);
    }
}

#[test]
fn preset_of_a_repeated_parameter() {
    let preset = [("dataset_versions", "1"), ("dataset_versions", "2")];
    let filters = filters(&preset, true);
    assert_eq!(support(&filters, &one_of("dataset_version", [1, 2, 3])), Exact);
    assert_eq!(support(&filters, &one_of("dataset_version", [2, 3])), Unsupported);
    assert!(filters.select(&[one_of("dataset_version", [3])]).unwrap().nothing);
}

#[test]
fn preset_in_another_form() {
    for value in ["05", "+5", "five", ""] {
        for trusted in [false, true] {
            assert_eq!(
                support(&filters(&[("project", value)], trusted), &one_of("project", [5])),
                Unsupported
            );
        }
    }
    assert_eq!(support(&filters(&[("is_active", "True")], true), &col("is_active")), Unsupported);
}

#[test]
fn preset_leaves_other_parameters() {
    let filters = filters(&[("id__in[]", "1"), ("id__in[]", "2"), ("created_after", "x")], false);
    assert_eq!(
        filters.select(&[one_of("id", [2, 3])]).unwrap().parameters,
        owned(&[("ids", "2"), ("ids", "3")])
    );
    // The server may ignore the preset parameter.
    let other = filters.select(&[one_of("id", [0])]).unwrap();
    assert_eq!((other.parameters, other.nothing), (owned(&[("id", "0")]), false));
    let time = lit(ScalarValue::TimestampSecond(Some(0), None));
    assert_eq!(support(&filters, &col("created_at").gt(time.clone())), Unsupported);
    assert_eq!(support(&filters, &col("created_at").lt(time)), Inexact);
}

#[test]
fn parameter_without_a_field() {
    let filters = filters(&[], false);
    let filter = col("search").eq(lit(" 보행자, 1 "));
    assert_eq!(support(&filters, &filter), Exact);
    assert_eq!(support(&filters, &not(col("has_job"))), Exact);
    let selection = filters
        .select(&[filter.clone(), not(col("has_job")), filter.clone(), one_of("ids_ex", [7])])
        .unwrap();
    assert!(selection.exact && !selection.nothing);
    let mut parameters = selection.parameters.clone();
    parameters.sort();
    assert_eq!(parameters, owned(&[("has_job", "false"), ("ids_ex", "7"), ("search", " 보행자, 1 ")]));
    let value = |name: &str| {
        let columns = filters.pseudo_columns();
        columns.iter().find(|column| column.name == name).unwrap().value(&selection).unwrap()
    };
    assert_eq!(value("search"), ScalarValue::from(" 보행자, 1 "));
    assert_eq!(value("has_job"), ScalarValue::from(false));
    assert_eq!(value("ids_ex"), ScalarValue::from(7_i64));
    assert_eq!(value("name_icontains"), ScalarValue::Utf8(None));
    assert!(filters.select(&[filter, col("search").eq(lit("other"))]).unwrap().nothing);
}

#[test]
fn unfit_filters_without_a_field() {
    let filters = filters(&[], true);
    for filter in [
        col("search").eq(lit("")),
        col("search").eq(lit("x").eq(lit("y"))),
        col("search").eq(lit("x".repeat(MAX_BYTES))),
        col("search").gt(lit("x")),
        col("search").like(lit("x")),
        col("search").in_list(vec![lit("x"), lit("y")], false),
        one_of("ids_ex", [1, 2]),
    ] {
        assert_eq!(support(&filters, &filter), Unsupported, "{filter}");
        let column = filters.inexpressible_column(&[&col("id").eq(lit(1_i64)), &filter]);
        assert!(matches!(column, Some("search" | "ids_ex")), "{filter}");
    }
    assert_eq!(
        filters.inexpressible_column(&[&col("search").eq(lit("x")), &col("name").like(lit("x"))]),
        None
    );
}

#[test]
fn preset_without_a_field() {
    let filters = filters(&[("search", "x"), ("ids_ex", "1"), ("ids_ex", "2"), ("has_job", "yes")], true);
    assert_eq!(support(&filters, &col("search").eq(lit("x"))), Unsupported);
    assert_eq!(filters.inexpressible_column(&[&col("search").eq(lit("x"))]), None);
    let selection = filters.select(&[]).unwrap();
    let column =
        |name: &str| filters.pseudo_columns().into_iter().find(|column| column.name == name).unwrap();
    for (name, value) in [("search", "x"), ("ids_ex", "1,2"), ("has_job", "yes")] {
        assert_eq!(column(name).value(&selection).unwrap(), ScalarValue::from(value));
        assert_eq!(column(name).field.data_type(), &DataType::Utf8);
    }
}

#[test]
fn columns_of_parameters() {
    let columns = filters(&[], false).pseudo_columns();
    let columns: Vec<(&str, &DataType)> =
        columns.iter().map(|column| (column.name, column.field.data_type())).collect();
    assert_eq!(
        columns,
        [
            ("name_icontains", &DataType::Utf8),
            ("search", &DataType::Utf8),
            ("ids_ex", &DataType::Int64),
            ("has_job", &DataType::Boolean),
            ("reviewed_gt", &DataType::Utf8),
        ]
    );
}

#[test]
fn widest_filters_are_left_out() {
    let wide = |column: &str, width: usize| col(column).eq(lit("x".repeat(width)));
    let all = [wide("category", 1_500), wide("name", 600), one_of("id", [1])];
    assert!(all.iter().all(|filter| support(&filters(&[], false), filter) == Inexact));
    let names: Vec<String> = sent(&all).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["id", "name__in"]);
    assert_eq!(support(&filters(&[], false), &wide("name", MAX_BYTES)), Inexact);
    assert_eq!(support(&filters(&[], false), &wide("name", MAX_BYTES + 1)), Unsupported);
}

#[test]
fn exact_filters_always_fit() {
    let filters = filters(&[], true);
    let longest = |column: &str| {
        let filter = |width: usize| col(column).eq(lit("x".repeat(width)));
        (1..=MAX_BYTES).map(filter).take_while(|filter| support(&filters, filter) == Exact).last().unwrap()
    };
    let ids: Vec<i64> = (1_000_000..).take(100).collect();
    let most = |column: &str| {
        let filter = |count: usize| one_of(column, ids[..count].iter().copied());
        (1..=100).map(filter).take_while(|filter| support(&filters, filter) == Exact).last().unwrap()
    };
    let all = [
        longest("search"),
        longest("name_icontains"),
        longest("reviewed_gt"),
        longest("category"),
        longest("name"),
        most("id"),
        most("dataset_version"),
        one_of("ids_ex", [i64::MIN]),
        one_of("project", [i64::MIN]),
        col("has_job"),
    ];
    let selection = filters.select(&all).unwrap();
    assert!(selection.exact);
    let bytes: usize = selection.parameters.iter().map(|(_, value)| value.len()).sum();
    assert!((MAX_BYTES / 2..=MAX_BYTES).contains(&bytes), "{bytes}");
    let more = one_of("id", ids.iter().copied());
    assert_eq!(support(&filters, &more), Inexact);
}

#[test]
fn shares_never_exceed_the_limit() {
    for count in [0, 1, 7, 40, 300, 5_000] {
        for share in [Share::Fixed(20), Share::AtLeast(80)] {
            assert!(limits::split(&vec![share; count]).iter().sum::<usize>() <= MAX_BYTES);
        }
    }
}

#[test]
fn debug_hides_values() {
    let filters = filters(&[("search", "hidden")], false);
    let selection = filters.select(&[col("category").eq(lit("hidden"))]).unwrap();
    assert_eq!(selection.parameters, owned(&[("categories", "hidden")]));
    let text = format!("{filters:?} {selection:?} {:?}", filters.pseudo_columns());
    assert!(text.contains("categories") && !text.contains("hidden"), "{text}");
}

#[test]
fn every_list_of_the_document() {
    let pairs = |id: &str, filter: Expr| {
        let list = synapse_backend_client::raw::LISTS.iter().find(|list| list.id() == id).unwrap();
        crate::filters::Filters::new(list, &[], false).select(&[filter]).unwrap().parameters
    };
    let versions = one_of("ground_truth_dataset_version", [123, 124]);
    let events = pairs("list_ground_truth_events", versions);
    assert_eq!(
        events,
        owned(&[("ground_truth_dataset_versions", "123"), ("ground_truth_dataset_versions", "124")])
    );
    assert_eq!(pairs("list_tasks", one_of("id", [1, 2])), owned(&[("id__in", "1"), ("id__in", "2")]));
    for list in synapse_backend_client::raw::LISTS {
        for column in crate::filters::Filters::new(list, &[], true).pseudo_columns() {
            assert!(
                list.fields().iter().all(|field| field.name != column.name),
                "{} {}",
                list.id(),
                column.name
            );
        }
    }
}

#[test]
fn filters_rewritten_after_support() {
    let is_one = || col("id").eq(lit(1_i64));
    for trusted in [false, true] {
        let filters = filters(&[], trusted);
        let both = filters.select(&[is_one().and(not(col("is_active"))), lit(true)]).unwrap();
        assert_eq!((both.exact, both.parameters.len()), (trusted, 2));
        for never in [lit(false), lit(ScalarValue::Boolean(None)), is_one().and(lit(false))] {
            assert!(filters.select(&[never]).unwrap().nothing);
        }
        let unknown = filters.select(&[col("category").like(lit("hidden"))]);
        match unknown {
            Ok(selection) => assert!(!trusted && !selection.exact),
            Err(error) => {
                assert!(trusted && !error.to_string().contains("hidden"), "{error}");
            }
        }
        assert!(filters.select(&[col("search").like(lit("x"))]).is_err());
    }
}
