//! A server of things, written apart from the matching of parameters.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use proptest::prelude::*;

/// How the server treats parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// It compares as SQL does.
    AsSql,
    IgnoresAll,
    IgnoresCase,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    id: i64,
    project: Option<i64>,
    dataset_version: Option<i64>,
    status: Option<String>,
    category: Option<String>,
    name: Option<String>,
    is_active: Option<bool>,
    score: Option<f64>,
    created_at: Option<i64>,
}

fn words() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec!["a", "A", "b", " a", "", "a,b"]).prop_map(str::to_owned))
}

pub(super) fn items() -> impl Strategy<Value = Vec<Item>> {
    let few = || prop::option::of(0_i64..4);
    let score = prop::option::of(prop::sample::select(vec![-0.0, 0.0, 0.1, 0.5, -1.0, 3.0]));
    let item = (
        few(),
        few(),
        words(),
        words(),
        words(),
        any::<Option<bool>>(),
        score,
        prop::option::of(-3..3_000_000_i64),
    );
    prop::collection::vec(item, 0..12).prop_map(|all| {
        let item = |(id, item)| {
            let (project, dataset_version, status, category, name, is_active, score, created_at) = item;
            Item { id, project, dataset_version, status, category, name, is_active, score, created_at }
        };
        (0..).zip(all).map(item).collect()
    })
}

impl Server {
    /// Returns the items that the server sends for these parameters.
    pub(super) fn list(self, items: &[Item], parameters: &[(String, String)]) -> Vec<Item> {
        let passes = |item: &&Item| parameters.iter().all(|(name, _)| self.passes(item, name, parameters));
        items.iter().filter(passes).cloned().collect()
    }

    fn passes(self, item: &Item, name: &str, parameters: &[(String, String)]) -> bool {
        if self == Server::IgnoresAll {
            return true;
        }
        let texts: Vec<&str> =
            parameters.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        let several = ["ids", "id__in[]", "dataset_versions", "categories"].contains(&name);
        assert!(several || texts.len() == 1, "{name}");
        let first = texts[0];
        let integer = |field: Option<i64>| texts.iter().any(|text| field == Some(text.parse().unwrap()));
        let number = || first.parse::<f64>().unwrap();
        let text = |field: &Option<String>, wanted: &[&str]| {
            let Some(field) = field else { return false };
            wanted.iter().any(|text| match self {
                Server::IgnoresCase => field.eq_ignore_ascii_case(text.trim()),
                _ => field == text.trim(),
            })
        };
        match name {
            "id" | "ids" | "id__in[]" => integer(Some(item.id)),
            "id__gt" => item.id > first.parse().unwrap(),
            "id__lte" => item.id <= first.parse().unwrap(),
            "project" => integer(item.project),
            "dataset_versions" => integer(item.dataset_version),
            "status" => text(&item.status, &texts),
            "categories" => text(&item.category, &texts),
            "name__in" => text(&item.name, &first.split(',').collect::<Vec<_>>()),
            "is_active" => item.is_active == Some(first.parse().unwrap()),
            "score" => item.score == Some(number()),
            "score__gte" => item.score.is_some_and(|score| score >= number()),
            "score__lt" => item.score.is_some_and(|score| score < number()),
            // The time is rounded to a second, in the direction that leaves out more, and excluded.
            "created_after" => {
                item.created_at.is_some_and(|time| time.div_euclid(1_000_000) > seconds(first))
            }
            "created_before" => {
                item.created_at.is_some_and(|time| (time + 999_999).div_euclid(1_000_000) < seconds(first))
            }
            _ => panic!("the server has no parameter {name}"),
        }
    }
}

/// Returns the seconds of a time within a minute of the start of 1970.
fn seconds(text: &str) -> i64 {
    let second: i64 = text[text.len() - 3..text.len() - 1].parse().unwrap();
    match text.split_at(text.len() - 3).0 {
        "1970-01-01T00:00:" => second,
        "1969-12-31T23:59:" => second - 60,
        other => panic!("{other}"),
    }
}

pub(super) fn batch(items: &[Item]) -> RecordBatch {
    fn texts(items: &[Item], field: impl Fn(&Item) -> &Option<String>) -> ArrayRef {
        Arc::new(items.iter().map(|item| field(item).as_deref()).collect::<StringArray>())
    }
    fn integers(items: &[Item], field: impl Fn(&Item) -> Option<i64>) -> ArrayRef {
        Arc::new(items.iter().map(field).collect::<Int64Array>())
    }
    let times: TimestampMicrosecondArray = items.iter().map(|item| item.created_at).collect();
    let columns: [(&str, ArrayRef); 9] = [
        ("id", integers(items, |item| Some(item.id))),
        ("project", integers(items, |item| item.project)),
        ("dataset_version", integers(items, |item| item.dataset_version)),
        ("status", texts(items, |item| &item.status)),
        ("category", texts(items, |item| &item.category)),
        ("name", texts(items, |item| &item.name)),
        ("is_active", Arc::new(items.iter().map(|item| item.is_active).collect::<BooleanArray>())),
        ("score", Arc::new(items.iter().map(|item| item.score).collect::<Float64Array>())),
        ("created_at", Arc::new(times.with_timezone("UTC"))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}
