//! [`register`]: every list of a client as a table of a session.

use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionContext;
use synapse_backend_client::{BackendClient, DynamicList, ListOperation, raw};

use crate::builder::ListTableBuilder;
use crate::source::Source;
use crate::table::ListTable;

/// The schema that has the tables.
const SCHEMA: &str = "synapse";

/// Registers every list of the API's document: `synapse.<operation>` is a table, and `<operation>('parameter', 'value', …)` a table
/// function. A list with a required parameter, such as that of a job's logs, is a table function only. Returns the names of
/// the tables.
///
/// # Errors
/// Returns an error if the session has no default catalog, or has a table with one of the names.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> datafusion::common::Result<()> {
/// use datafusion::prelude::SessionContext;
///
/// let context = SessionContext::new();
/// synapse_datafusion::register(&context, &client)?;
/// context.sql("SELECT model_type, count(*) FROM synapse.list_models GROUP BY model_type").await?.show().await?;
/// context.sql("SELECT id FROM list_models('search', 'night', 'page_size', 500)").await?.show().await?;
/// # Ok(())
/// # }
/// ```
pub fn register(context: &SessionContext, client: &BackendClient) -> Result<Vec<String>> {
    register_lists(context, client, raw::LISTS)
}

/// Like [`register`], for the lists of another document.
///
/// # Errors
/// Returns an error in the same cases as [`register`].
pub fn register_lists(
    context: &SessionContext,
    client: &BackendClient,
    lists: &'static [ListOperation],
) -> Result<Vec<String>> {
    let default = context.state().config_options().catalog.default_catalog.clone();
    let catalog = context
        .catalog(&default)
        .ok_or_else(|| plan_datafusion_err!("the session has no catalog `{default}`"))?;
    let schema = match catalog.schema(SCHEMA) {
        Some(schema) => schema,
        None => {
            let schema = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(SCHEMA, schema.clone())?;
            schema
        }
    };
    let mut names = Vec::new();
    for operation in lists {
        let function = ListFunction { client: client.clone(), operation };
        if !operation.parameters().iter().any(|parameter| parameter.required) {
            schema.register_table(operation.id().to_owned(), function.table(DynamicList::new(operation))?)?;
            names.push(format!("{SCHEMA}.{}", operation.id()));
        }
        context.register_udtf(operation.id(), Arc::new(function));
    }
    Ok(names)
}

/// A table function of a list: its arguments are names and values of parameters.
#[derive(Debug)]
struct ListFunction {
    client: BackendClient,
    operation: &'static ListOperation,
}

impl ListFunction {
    fn table(&self, list: DynamicList) -> Result<Arc<ListTable>> {
        ListTableBuilder::of(Ok(Source::Call(self.client.call(|_| list)))).build()
    }
}

impl TableFunctionImpl for ListFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let id = self.operation.id();
        let texts = args.exprs().iter().map(|argument| match argument {
            Expr::Literal(value, _) => text_of(value),
            _ => None,
        });
        let texts = texts.collect::<Option<Vec<String>>>();
        let texts = texts.ok_or_else(|| {
            plan_datafusion_err!("{id}: an argument is no literal: give each parameter's name and value")
        })?;
        let mut list = DynamicList::new(self.operation);
        for pair in texts.chunks(2) {
            let [name, value] = pair else {
                return plan_err!(
                    "{id}: the last parameter has no value: give each parameter's name and value"
                );
            };
            list = list.parameter(name, value.as_str());
        }
        Ok(self.table(list)?)
    }
}

/// Returns a literal as a parameter's value.
fn text_of(value: &ScalarValue) -> Option<String> {
    match value {
        _ if value.is_null() => None,
        ScalarValue::Boolean(Some(value)) => Some(value.to_string()),
        _ => match value.cast_to(&datafusion::arrow::datatypes::DataType::Utf8).ok()? {
            ScalarValue::Utf8(text) => text,
            _ => None,
        },
    }
}
