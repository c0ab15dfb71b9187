//! Which expressions are sent, and as what.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::TableProviderFilterPushDown::{Exact, Inexact, Unsupported};
use datafusion::logical_expr::{Expr, cast, col, lit, not};

use super::{filters, owned, sent, support};

#[track_caller]
fn assert_sent(filter: Expr, parameters: &[(&str, &str)]) {
    assert_eq!(support(&filters(&[], false), &filter), Inexact, "{filter}");
    assert_eq!(sent(&[filter]), owned(parameters));
}

#[track_caller]
fn assert_unsupported(filter: Expr) {
    for trusted in [false, true] {
        let filters = filters(&[], trusted);
        assert_eq!(support(&filters, &filter), Unsupported, "{filter}");
        match filters.select(std::slice::from_ref(&filter)) {
            Ok(selection) => {
                assert!(selection.parameters.is_empty() && !selection.nothing && !selection.exact, "{filter}")
            }
            Err(error) => assert!(trusted, "{error}"),
        }
    }
}

fn text(value: &str) -> Expr {
    lit(ScalarValue::Utf8View(Some(value.to_owned())))
}

fn micros(value: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(value), Some("UTC".into())))
}

fn wrapped(value: ScalarValue) -> Expr {
    lit(ScalarValue::Dictionary(Box::new(DataType::Int32), Box::new(value)))
}

#[test]
fn equality_on_both_sides() {
    assert_sent(col("id").eq(lit(5_i64)), &[("id", "5")]);
    assert_sent(lit(-5_i64).eq(col("id")), &[("id", "-5")]);
    assert_sent(col("project").eq(lit(7_i64)), &[("project", "7")]);
    assert_sent(col("dataset_version").eq(lit(7_i64)), &[("dataset_versions", "7")]);
    assert_sent(col("status").eq(text("a")), &[("status", "a")]);
    assert_sent(col("is_active").eq(lit(true)), &[("is_active", "true")]);
    assert_sent(col("score").eq(lit(0.1)), &[("score", "0.1")]);
}

#[test]
fn literals_of_every_type() {
    for value in [
        ScalarValue::Int8(Some(7)),
        ScalarValue::Int16(Some(7)),
        ScalarValue::Int32(Some(7)),
        ScalarValue::Int64(Some(7)),
        ScalarValue::UInt8(Some(7)),
        ScalarValue::UInt16(Some(7)),
        ScalarValue::UInt32(Some(7)),
        ScalarValue::UInt64(Some(7)),
    ] {
        assert_sent(col("id").eq(lit(value.clone())), &[("id", "7")]);
        assert_sent(col("score").eq(lit(value.clone())), &[("score", "7")]);
        assert_sent(col("id").eq(wrapped(value)), &[("id", "7")]);
    }
    let a = || Some("a".to_owned());
    for value in [ScalarValue::Utf8(a()), ScalarValue::LargeUtf8(a()), ScalarValue::Utf8View(a())] {
        assert_sent(col("category").eq(lit(value.clone())), &[("categories", "a")]);
        assert_sent(col("category").eq(wrapped(wrapped_value(value))), &[("categories", "a")]);
    }
    assert_sent(col("score").eq(lit(0.5_f32)), &[("score", "0.5")]);
}

fn wrapped_value(value: ScalarValue) -> ScalarValue {
    ScalarValue::Dictionary(Box::new(DataType::Int8), Box::new(value))
}

#[test]
fn in_list_takes_repeated_parameter() {
    let values = || vec![lit(2_i64), lit(1_i64), lit(2_i64)];
    assert_sent(col("id").in_list(values(), false), &[("id__in[]", "1"), ("id__in[]", "2")]);
    assert_sent(
        col("dataset_version").in_list(values(), false),
        &[("dataset_versions", "1"), ("dataset_versions", "2")],
    );
    assert_sent(col("name").in_list(vec![text("x"), text("y")], false), &[("name__in", "x,y")]);
    assert_unsupported(col("project").in_list(values(), false));
    assert_unsupported(col("id").in_list(values(), true));
    assert_unsupported(col("id").in_list(vec![], false));
    assert_unsupported(col("id").in_list(vec![lit(1_i64), col("project")], false));
}

#[test]
fn or_chain_of_one_column() {
    let is = |value: i64| col("id").eq(lit(value));
    let both = [("id__in[]", "1"), ("id__in[]", "2"), ("id__in[]", "3")];
    assert_sent(is(1).or(is(2)).or(is(3)), &both);
    assert_sent(is(1).or(is(2).or(is(3))), &both);
    assert_sent(is(1).or(col("id").in_list(vec![lit(3_i64), lit(2_i64)], false)), &both);
    assert_sent(is(1).or(lit(1_i64).eq(col("id"))), &[("id", "1")]);
    assert_unsupported(is(1).or(col("dataset_version").eq(lit(2_i64))));
    assert_unsupported(is(1).or(col("id").not_eq(lit(2_i64))));
    assert_unsupported(is(1).or(is(2).and(is(3))));
    assert_unsupported(is(1).or(col("id").gt(lit(3_i64))));
    assert_unsupported(col("is_active").or(not(col("is_active"))));
}

#[test]
fn deep_or_chain_is_bounded() {
    let chain =
        |length: i64| (1..length).fold(col("id").eq(lit(0_i64)), |all, id| all.or(col("id").eq(lit(id))));
    assert_eq!(sent(&[chain(100)]).len(), 100);
    assert_eq!(support(&filters(&[], false), &chain(101)), Unsupported);
    // An expression that is dropped level by level would overflow the stack by itself.
    std::mem::forget((chain(20_000), support(&filters(&[], false), Box::leak(Box::new(chain(20_000))))));
}

#[test]
fn bare_boolean_columns() {
    assert_sent(col("is_active"), &[("is_active", "true")]);
    assert_sent(col("is_active").is_true(), &[("is_active", "true")]);
    assert_sent(not(col("is_active")), &[("is_active", "false")]);
    assert_sent(col("is_active").is_false(), &[("is_active", "false")]);
    assert_unsupported(col("is_active").is_not_true());
    assert_unsupported(col("is_active").is_null());
    assert_unsupported(col("id"));
    assert_unsupported(not(col("id").eq(lit(1_i64))));
}

#[test]
fn null_is_never_equal() {
    let null = || lit(ScalarValue::Int64(None));
    assert_unsupported(col("id").eq(null()));
    assert_unsupported(col("id").in_list(vec![null()], false));
    assert_unsupported(col("id").gt(null()));
    assert_unsupported(col("id").between(null(), lit(3_i64)));
    assert_unsupported(col("created_at").eq(lit(ScalarValue::TimestampSecond(None, None))));
    assert_unsupported(col("id").in_list(vec![lit(1_i64), null()], false));
    // DataFusion rewrites the list to these.
    assert_sent(lit(ScalarValue::Boolean(None)).or(col("id").eq(lit(1_i64))), &[("id", "1")]);
    assert_unsupported(lit(true).or(col("id").eq(lit(1_i64))));
}

#[test]
fn comparisons_of_lookups() {
    assert_sent(col("id").gt(lit(5_i64)), &[("id__gt", "5")]);
    assert_sent(lit(5_i64).lt(col("id")), &[("id__gt", "5")]);
    assert_sent(col("id").gt_eq(lit(5_i64)), &[("id__gt", "4")]);
    assert_sent(col("id").lt(lit(5_i64)), &[("id__lte", "4")]);
    assert_sent(col("id").lt_eq(lit(5_i64)), &[("id__lte", "5")]);
    assert_sent(col("id").between(lit(1_i64), lit(5_i64)), &[("id__gt", "0"), ("id__lte", "5")]);
    assert_sent(col("score").gt(lit(0.5)), &[("score__gte", "0.5")]);
    assert_sent(col("score").gt_eq(lit(0.5)), &[("score__gte", "0.5")]);
    assert_sent(col("score").lt(lit(0.5)), &[("score__lt", "0.5")]);
    assert_unsupported(col("score").lt_eq(lit(0.5)));
    assert_unsupported(col("project").gt(lit(5_i64)));
    assert_unsupported(col("name").gt(text("x")));
    assert_unsupported(col("id").not_between(lit(1_i64), lit(5_i64)));
    assert_unsupported(col("id").gt(lit(i64::MAX)));
    assert_unsupported(col("id").gt_eq(lit(i64::MIN)));
}

#[test]
fn times_are_widened_by_a_second() {
    let noon = 1_704_110_400_000_000;
    let after = |time| [("created_after", time)];
    assert_sent(col("created_at").gt(micros(noon)), &after("2024-01-01T11:59:59Z"));
    assert_sent(col("created_at").gt_eq(micros(noon + 1)), &after("2024-01-01T11:59:59Z"));
    assert_sent(col("created_at").lt(micros(noon)), &[("created_before", "2024-01-01T12:00:01Z")]);
    assert_sent(col("created_at").lt_eq(micros(noon + 1)), &[("created_before", "2024-01-01T12:00:02Z")]);
    let second = [("created_after", "2024-01-01T11:59:59Z"), ("created_before", "2024-01-01T12:00:01Z")];
    assert_sent(col("created_at").eq(micros(noon)), &second);
    assert_sent(col("created_at").between(micros(noon), micros(noon)), &second);
    assert_sent(col("created_at").gt(micros(-500_000)), &after("1969-12-31T23:59:58Z"));
    let seoul = || Some("+09:00".into());
    for value in [
        ScalarValue::TimestampSecond(Some(noon / 1_000_000), seoul()),
        ScalarValue::TimestampMillisecond(Some(noon / 1_000), None),
        ScalarValue::TimestampNanosecond(Some(noon * 1_000), seoul()),
    ] {
        assert_sent(col("created_at").gt(lit(value)), &after("2024-01-01T11:59:59Z"));
    }
    let distant = |seconds| lit(ScalarValue::TimestampSecond(Some(seconds), None));
    for seconds in [i64::MIN, i64::MAX, 253_402_300_799, 253_402_300_800] {
        assert_unsupported(col("created_at").lt(distant(seconds)));
    }
    for seconds in [i64::MIN, i64::MAX, -62_135_596_800] {
        assert_unsupported(col("created_at").gt(distant(seconds)));
    }
}

#[test]
fn times_in_list_are_one_range() {
    let day = 86_400_000_000;
    let range = [("created_after", "1970-01-01T23:59:59Z"), ("created_before", "1970-01-04T00:00:01Z")];
    assert_sent(
        col("created_at").in_list(vec![micros(3 * day), micros(day), micros(2 * day)], false),
        &range,
    );
    let outside = col("created_at").gt(micros(day)).or(col("created_at").lt(micros(0)));
    assert_unsupported(outside);
}

#[test]
fn casts_that_keep_the_value() {
    assert_sent(cast(col("id"), DataType::Int64).eq(lit(5_i64)), &[("id", "5")]);
    assert_sent(cast(col("category"), DataType::Utf8).eq(text("x")), &[("categories", "x")]);
    assert_sent(col("id").eq(cast(text("5"), DataType::Int64)), &[("id", "5")]);
    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into()));
    let after = [("created_after", "1969-12-31T23:59:59Z")];
    assert_sent(cast(col("created_at"), nanoseconds).gt(micros(0)), &after);
    let time = cast(text("1970-01-01T00:00:00Z"), DataType::Timestamp(TimeUnit::Second, Some("UTC".into())));
    assert_sent(col("created_at").gt(time), &after);
}

#[test]
fn casts_that_change_the_value() {
    assert_unsupported(cast(col("id"), DataType::Utf8).eq(text("5")));
    assert_unsupported(cast(col("id"), DataType::Int8).eq(lit(5_i8)));
    assert_unsupported(cast(col("id"), DataType::Float64).eq(lit(5.0)));
    assert_unsupported(cast(col("score"), DataType::Int64).eq(lit(5_i64)));
    assert_unsupported(cast(col("category"), DataType::Int64).eq(lit(5_i64)));
    assert_unsupported(cast(col("created_at"), DataType::Date32).eq(lit(ScalarValue::Date32(Some(0)))));
    assert_unsupported(col("id").eq(cast(text("five"), DataType::Int64)));
    assert_unsupported(col("id").eq(cast(lit(5.5), DataType::Float64)));
}

#[test]
fn literals_of_another_type() {
    assert_unsupported(col("id").eq(text("5")));
    assert_unsupported(col("id").eq(lit(5.0)));
    assert_unsupported(col("id").eq(lit(u64::MAX)));
    assert_unsupported(col("category").eq(lit(5_i64)));
    assert_unsupported(col("is_active").eq(lit(1_i64)));
    assert_unsupported(col("score").eq(lit((1_i64 << 53) + 1)));
    assert_unsupported(col("created_at").gt(lit(5_i64)));
    assert_unsupported(col("id").eq(col("project")));
    assert_unsupported(col("id").eq(lit(1_i64) + lit(2_i64)));
}

#[test]
fn floats_without_a_short_text() {
    for value in [f64::NAN, f64::INFINITY, 1e300, 1e-300, 0.0, -0.0] {
        assert_unsupported(col("score").eq(lit(value)));
        assert_unsupported(col("score").lt(lit(value)));
    }
}

#[test]
fn texts_that_servers_change() {
    for value in ["", " ", " x", "x\u{3000}", "x\ny", "x\0"] {
        assert_unsupported(col("category").eq(text(value)));
    }
    assert_unsupported(col("category").eq(text("x,y")));
    assert_unsupported(col("name").eq(text("x,y")));
    assert_sent(col("category").eq(text("보행자 1")), &[("categories", "보행자 1")]);
}

#[test]
fn word_that_enumeration_lacks() {
    assert_unsupported(col("status").eq(text("c")));
    assert_unsupported(col("status").eq(text("B")));
}

#[test]
fn columns_without_parameters() {
    assert_unsupported(col("unknown").eq(lit(5_i64)));
    assert_unsupported(col("tags").eq(text("5")));
    assert_unsupported(col("weight").eq(lit(1.5)));
    assert_unsupported(col("api_key").eq(text("x")));
    assert_unsupported(col("mode").eq(text("x")));
    assert_unsupported(col("page").eq(lit(1_i64)));
    assert_unsupported(col("project_json").eq(text("x")));
}

#[test]
fn trusted_equality_is_exact() {
    let filters = filters(&[], true);
    assert_eq!(support(&filters, &col("id").in_list(vec![lit(1_i64), lit(2_i64)], false)), Exact);
    assert_eq!(support(&filters, &not(col("is_active"))), Exact);
    assert_eq!(support(&filters, &col("id").gt(lit(1_i64))), Inexact);
    assert_eq!(support(&filters, &col("created_at").eq(micros(0))), Inexact);
}
