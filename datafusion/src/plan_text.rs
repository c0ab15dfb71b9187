//! Tables and operators as text, for plans that are sent to other processes. The text has no credentials: it names a connection
//! of the process that reads it.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, Statistics, exec_datafusion_err, exec_err};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};
use synapse_backend_client::{DynamicList, ParameterInfo, Place};

use crate::builder::ListTableBuilder;
use crate::connections::Connections;
use crate::errors;
use crate::failed::FailedScan;
use crate::fetch::FetchExec;
use crate::options::TableOptions;
use crate::scan::{Output, Scan, schema_of};
use crate::source::{self, Named, Source};
use crate::table::{ListTable, columns_of};

/// The version of the texts.
const VERSION: u32 = 1;

/// A named list with its parameters.
#[derive(Serialize, Deserialize)]
struct NamedList {
    version: u32,
    connection: String,
    base_url: Option<String>,
    operation: String,
    parameters: Vec<(String, String)>,
    options: TableOptions,
}

/// Checks that no parameter of a list may be a secret.
fn check_hidden(list: &DynamicList) -> Result<()> {
    let hidden = |parameter: &ParameterInfo| {
        parameter.secret || matches!(parameter.place, Place::Header | Place::Cookie)
    };
    if let Some((parameter, _)) = list.parameters().find(|(parameter, _)| hidden(parameter)) {
        return exec_err!(
            "{}: the parameter `{}` may be a secret, which no plan has: set it in the connection's client",
            list.operation().id(),
            parameter.wire
        );
    }
    Ok(())
}

impl NamedList {
    fn new(name: Option<&Named>, list: &DynamicList, options: &TableOptions) -> Result<Self> {
        let Some(Named { connection, base_url }) = name.cloned() else {
            return exec_err!(
                "{}: the table is that of a client, which other processes don't have: make it by `ListTable::named`",
                list.operation().id()
            );
        };
        check_hidden(list)?;
        source::validate(list)?;
        let parameters = list.parameters().flat_map(|(parameter, values)| {
            values.iter().map(|value| (parameter.name.to_owned(), value.clone()))
        });
        Ok(NamedList {
            version: VERSION,
            connection,
            base_url,
            operation: list.operation().id().to_owned(),
            parameters: parameters.collect(),
            options: options.clone(),
        })
    }

    /// Returns the list in this process's document.
    fn list(&self, connections: &dyn Connections) -> Result<DynamicList> {
        if self.version != VERSION {
            return exec_err!(
                "a plan has format {}, but this process reads {VERSION}: use one release in all processes",
                self.version
            );
        }
        let lists = connections.lists(&self.connection);
        let Some(operation) = lists.iter().find(|list| list.id() == self.operation) else {
            let shown: String = self.operation.chars().take(100).collect();
            return exec_err!("the API's document has no list operation {shown:?}");
        };
        let parameters = self.parameters.iter();
        let list = parameters
            .fold(DynamicList::new(operation), |list, (name, value)| list.parameter(name, value.as_str()));
        check_hidden(&list)?;
        source::check_pages(&list)?;
        Ok(list)
    }

    fn name(&self) -> Named {
        Named { connection: self.connection.clone(), base_url: self.base_url.clone() }
    }
}

impl ListTable {
    /// Returns the table as text, for [`from_text`](ListTable::from_text) in another process.
    ///
    /// # Errors
    /// Returns an error if the table isn't a [named](ListTable::named) one.
    pub fn to_text(&self) -> Result<String> {
        let named = NamedList::new(self.source().name(), self.source().list(), self.options())?;
        errors::write_json(&named)
    }

    /// Returns the table of a text, which reads through one of these connections.
    ///
    /// # Errors
    /// Returns an error if the text isn't that of a table, or if the document has no such list.
    pub fn from_text(text: &[u8], connections: Arc<dyn Connections>) -> Result<Arc<ListTable>> {
        let named: NamedList = errors::read_json(text, "table")?;
        let (list, name) = (named.list(connections.as_ref())?, named.name());
        ListTableBuilder::of(Ok(Source::Named { name, list, connections }))
            .with_options(named.options)
            .build()
    }
}

/// An operator: its list, and what it returns.
#[derive(Serialize, Deserialize)]
struct FetchText {
    list: NamedList,
    columns: Vec<ColumnText>,
    limit: Option<u64>,
    /// The scan's id, which its parts have, too.
    scan: u64,
    parts: usize,
}

/// The longest value of a parameter's column, in bytes: each row has it.
const MAX_VALUE: usize = 2_000;

/// A column of an operator.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ColumnText {
    /// A column of items, by name.
    Item(String),
    Parameter {
        name: String,
        kind: Kind,
        value: Option<String>,
    },
}

/// The type of a parameter's column.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Integer,
    Number,
    Boolean,
    Text,
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Kind::Integer => DataType::Int64,
            Kind::Number => DataType::Float64,
            Kind::Boolean => DataType::Boolean,
            Kind::Text => DataType::Utf8,
        }
    }
}

impl FetchExec {
    /// Returns the operator as text, without its input, for [`from_text`](FetchExec::from_text) in another process.
    ///
    /// # Errors
    /// Returns an error if its table isn't a [named](ListTable::named) one.
    pub fn to_text(&self) -> Result<String> {
        let scan = self.scan();
        let decoded = scan.columns.schema();
        let column = |output: &Output| match output {
            Output::Item(index) => {
                let field = decoded.fields().get(*index);
                let field = field.ok_or_else(|| exec_datafusion_err!("the scan has no column {index}"))?;
                Ok(ColumnText::Item(field.name().clone()))
            }
            Output::Parameter(field, value) => {
                let (kind, value) = match value {
                    ScalarValue::Int64(value) => (Kind::Integer, value.map(|value| value.to_string())),
                    ScalarValue::Float64(value) => (Kind::Number, value.map(|value| value.to_string())),
                    ScalarValue::Boolean(value) => (Kind::Boolean, value.map(|value| value.to_string())),
                    ScalarValue::Utf8(value) => (Kind::Text, value.clone()),
                    other => return exec_err!("a parameter has the type {}", other.data_type()),
                };
                Ok(ColumnText::Parameter { name: field.name().clone(), kind, value })
            }
        };
        errors::write_json(&FetchText {
            list: NamedList::new(scan.name.as_ref(), scan.list.operation(), &scan.options)?,
            columns: scan.outputs.iter().map(column).collect::<Result<_>>()?,
            limit: scan.limit,
            scan: scan.id,
            parts: scan.parts,
        })
    }

    /// Returns the operator of a text, which reads the parts of its input through one of these connections. If the connection is unknown,
    /// or has another base URL than the text says, the operator ends with that error when it is executed.
    ///
    /// # Errors
    /// Returns an error if the text isn't that of an operator, if the input isn't a list's parts, or if the document has no such list or
    /// column.
    pub fn from_text(
        text: &[u8],
        input: Arc<dyn ExecutionPlan>,
        connections: &dyn Connections,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let FetchText { list: named, columns: names, limit, scan: id, parts } =
            errors::read_json(text, "scan")?;
        let (list, name) = (named.list(connections)?, named.name());
        let columns = columns_of(&list, list.operation(), &named.options);
        let schema = columns.schema();
        let (mut decoded, mut outputs) = (Vec::new(), Vec::new());
        for column in names {
            match column {
                ColumnText::Item(name) => {
                    outputs.push(Output::Item(decoded.len()));
                    let index = schema.index_of(&name);
                    decoded.push(
                        index.map_err(|_| exec_datafusion_err!("a plan has a column that the list lacks"))?,
                    );
                }
                ColumnText::Parameter { name, kind, value } => {
                    let length = value.as_ref().map_or(0, String::len).max(name.len());
                    if length > MAX_VALUE {
                        return exec_err!("a parameter's column has {length} bytes, more than {MAX_VALUE}");
                    }
                    let value = match value {
                        Some(value) => ScalarValue::try_from_string(value, &kind.data_type())?,
                        None => ScalarValue::try_from(kind.data_type())?,
                    };
                    outputs
                        .push(Output::Parameter(Arc::new(Field::new(name, kind.data_type(), true)), value));
                }
            }
        }
        let columns = columns.project(&decoded);
        let schema = schema_of(&columns, &outputs);
        let client = match name.client(connections) {
            Ok(client) => client,
            Err(error) => return Ok(Arc::new(FailedScan::new(input, schema, Arc::new(error)))),
        };
        let call = client.call(|_| list);
        let call = match named.options.deadline {
            Some(deadline) => call.timeout(deadline),
            None => call,
        };
        let statistics = Arc::new(Statistics::new_unknown(&schema));
        let scan = Scan {
            id,
            list: call,
            name: Some(name),
            options: named.options,
            columns,
            outputs,
            schema,
            limit,
            parts,
        };
        Ok(Arc::new(FetchExec::new(Arc::new(scan), input, None, statistics)?))
    }
}
