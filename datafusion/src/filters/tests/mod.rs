mod forms;
mod model;
mod requests;
mod rows;

use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use synapse_backend_client::__generated::{OperationInfo, ParameterInfo};
use synapse_backend_client::{ListField, ListOperation, ValueKind};

use super::{Filters, Selection};

static INFO: OperationInfo = OperationInfo {
    parameters: &[
        ParameterInfo::path("tenant").named("tenant_id"),
        ParameterInfo::query("id").of(ValueKind::Integer),
        ParameterInfo::query("ids").of(ValueKind::Integer).joined(",").repeated(),
        ParameterInfo::query("id_in").named("id__in[]").of(ValueKind::Integer).repeated(),
        ParameterInfo::query("id_gt").named("id__gt").of(ValueKind::Integer),
        ParameterInfo::query("id_lte").named("id__lte").of(ValueKind::Integer),
        ParameterInfo::query("project").of(ValueKind::Integer),
        ParameterInfo::query("dataset_versions").of(ValueKind::Integer).repeated(),
        ParameterInfo::query("status"),
        ParameterInfo::query("categories").repeated(),
        ParameterInfo::query("name_in").named("name__in"),
        ParameterInfo::query("name_icontains").named("name__icontains"),
        ParameterInfo::query("is_active").of(ValueKind::Boolean),
        ParameterInfo::query("score").of(ValueKind::Number),
        ParameterInfo::query("score_gte").named("score__gte").of(ValueKind::Number),
        ParameterInfo::query("score_lt").named("score__lt").of(ValueKind::Number),
        ParameterInfo::query("created_after").of(ValueKind::Time),
        ParameterInfo::query("created_before"),
        ParameterInfo::query("search"),
        ParameterInfo::query("ids_ex").of(ValueKind::Integer).joined(",").repeated(),
        ParameterInfo::query("has_job").of(ValueKind::Boolean),
        ParameterInfo::query("tags").of(ValueKind::Integer).repeated(),
        ParameterInfo::query("weight"),
        ParameterInfo::query("project_json"),
        ParameterInfo::query("page").of(ValueKind::Integer),
        ParameterInfo::query("pages_from").of(ValueKind::Integer),
        ParameterInfo::query("ordering"),
        ParameterInfo::query("api_key").secret(),
        ParameterInfo::query("tenant").required(),
        ParameterInfo::query("mode").always_sent("full"),
        ParameterInfo::header("accept_language"),
        ParameterInfo::query("reviewed_gt").named("reviewed__gt").of(ValueKind::Time),
    ],
    ..OperationInfo::new("list_things", "GET", "/{tenant_id}/things/")
};

static OPERATION: ListOperation = ListOperation::new(
    &INFO,
    "things",
    &[
        ListField::new("id", ValueKind::Integer),
        ListField::new("project", ValueKind::IdOrObject).nullable(),
        ListField::new("dataset_version", ValueKind::IdOrObject).nullable(),
        ListField::new("status", ValueKind::Text).nullable().enumerated(&["a", "A", "b"]),
        ListField::new("category", ValueKind::Text).nullable(),
        ListField::new("name", ValueKind::Text).nullable(),
        ListField::new("is_active", ValueKind::Boolean).nullable(),
        ListField::new("score", ValueKind::Number).nullable(),
        ListField::new("created_at", ValueKind::Time).nullable(),
        ListField::new("tags", ValueKind::Json).nullable(),
        ListField::new("weight", ValueKind::Number).nullable(),
        ListField::new("api_key", ValueKind::Text).nullable().secret(),
    ],
    &[],
    || &[],
);

fn owned(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn filters(preset: &[(&str, &str)], trusted: bool) -> Filters {
    Filters::new(&OPERATION, &owned(preset), trusted)
}

fn support(filters: &Filters, filter: &Expr) -> TableProviderFilterPushDown {
    filters.support(&[filter]).remove(0)
}

/// Returns what the server is sent for filters without presets, by a server that isn't trusted.
fn sent(all: &[Expr]) -> Vec<(String, String)> {
    let filters = filters(&[], false);
    let Selection { mut parameters, nothing, .. } = filters.select(all).unwrap();
    assert!(!nothing);
    parameters.sort();
    parameters
}
