//! [`DynamicList`]: a list operation that is chosen at run time.

use std::fmt;

use super::Call;
use crate::call::custom_request::NullableDecoder;
use crate::error::{Error, Result};
use crate::generated::body::NoBody;
use crate::generated::description::{ParameterInfo, Place};
use crate::generated::list_operation::ListOperation;
use crate::generated::operation::{Operation, PagedOperation, Repeatable, Sealed};
use crate::generated::pagination::Pagination;
use crate::generated::parameters::Parameters;
use crate::generated::request::{Base, BuiltRequest, Invalid};
use crate::generated::sending_rules::SendingRules;
use crate::values::json::Json;

/// A list operation that is chosen at run time, with parameters by name.
///
/// [`BackendClient::call`](crate::BackendClient::call) takes one, and [`Call::into_dynamic`] makes one of the call of a
/// list operation. [`BackendClient::list`](crate::BackendClient::list) is shorter if the call needs no options.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// use std::time::Duration;
/// use synapse_backend_client::{DynamicList, raw::LISTS};
///
/// let models = LISTS.iter().find(|list| list.path() == "/models/").expect("the document has models");
/// let list = DynamicList::new(models).parameter("project", "123");
/// let mut items = client.call(|_| list).timeout(Duration::from_secs(600)).list_all_raw().stream();
/// while let Some(item) = items.next().await {
///     println!("{}", item?.as_str());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynamicList {
    operation: &'static ListOperation,
    parameters: Parameters,
    problems: Vec<String>,
}

impl DynamicList {
    /// Returns a list without parameters.
    pub fn new(operation: &'static ListOperation) -> Self {
        DynamicList { operation, parameters: Parameters::new(operation.info, NoBody), problems: Vec::new() }
    }

    /// Adds a value to a parameter of the query, the path or a header. A parameter of several values is given once for
    /// each. An unknown name or a second value of a parameter that takes one is an error when the list is sent.
    #[must_use]
    pub fn parameter(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        let name = name.as_ref();
        // Two parameters may have one name in the request: the setter's name tells them apart.
        let all = self.operation.info.parameters;
        let index = all.iter().position(|parameter| parameter.name == name);
        match index.or_else(|| all.iter().position(|parameter| parameter.wire == name)) {
            Some(index) => self.parameters.push(index, value.into()),
            None => self.problems.push(format!("`{name}`: the operation has no such parameter")),
        }
        self
    }

    /// Returns the operation.
    pub fn operation(&self) -> &'static ListOperation {
        self.operation
    }

    /// Returns the parameters that are set, each with its values in the request.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static ParameterInfo, &[String])> {
        let all = self.operation.info.parameters.iter().enumerate();
        all.filter_map(|(index, parameter)| match self.parameters.value(index)? {
            Ok(text) => Some((parameter, text.texts())),
            Err(_) => None,
        })
    }

    /// Returns another operation with the same parameters; `None` if it lacks one of them.
    pub fn with_operation(&self, operation: &'static ListOperation) -> Option<Self> {
        let mut other = DynamicList { problems: self.problems.clone(), ..DynamicList::new(operation) };
        for (index, value) in &self.parameters.values {
            let own = self.operation.info.parameters.get(*index)?;
            let same = |other: &ParameterInfo| (other.wire, other.place) == (own.wire, own.place);
            let index = operation.info.parameters.iter().position(same)?;
            other.parameters.values.push((index, value.clone()));
        }
        Some(other)
    }

    fn problems(&self) -> Vec<String> {
        let repeats = |index: usize| {
            let value = self.parameters.value(index);
            matches!(value, Some(Ok(text)) if text.texts().len() > 1)
        };
        let all = self.operation.info.parameters.iter().enumerate();
        let doubled = all.filter(|(index, parameter)| !parameter.repeated && repeats(*index));
        let doubled =
            doubled.map(|(_, parameter)| format!("`{}`: the parameter takes one value", parameter.wire));
        self.problems.iter().cloned().chain(doubled).collect()
    }
}

impl<B: PagedOperation> Call<B> {
    /// Returns the call of a list operation with its parameters by name, and with the same options. Parameters of the
    /// query that [`param`](Call::param) has set become the operation's own, if it has them.
    ///
    /// # Errors
    /// Returns an error if the operation isn't one of [`raw::LISTS`](crate::raw::LISTS), or of the table of another
    /// document: if it has a body, or is a [custom request](crate::CustomRequest).
    pub fn into_dynamic(self) -> Result<Call<DynamicList>> {
        let id = self.operation.id();
        let of_document = B::lists().iter().find(|list| list.id() == id);
        let Call { client, operation, mut options } = self;
        let (Some(list), Some(parameters)) = (of_document, operation.described()) else {
            return Err(Error::invalid_input(format!(
                "{id}: it is no list operation of the API's document that parameters alone describe"
            )));
        };
        let mut list = DynamicList { parameters, ..DynamicList::new(list) };
        options.params.retain(|(name, values)| {
            let is_own = |own: &ParameterInfo| own.wire == *name && own.place == Place::Query;
            let index = list.operation.info.parameters.iter().position(is_own);
            // A parameter without values is one that isn't sent, also if the document has a value that always is.
            let Some(index) = index.filter(|_| !values.is_empty()) else { return true };
            list.parameters.replace(index, values.clone());
            false
        });
        Ok(Call { client, operation: list, options })
    }
}

impl fmt::Debug for DynamicList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parameters.shown(f).finish()
    }
}

impl Sealed for DynamicList {}

impl Operation for DynamicList {
    type Output = Json;
    type Decoder = NullableDecoder;
    const ID: &'static str = "list";
    const PATH: &'static str = "";
    const PAGINATION: Option<Pagination> = Some(Pagination::new());

    fn id(&self) -> &'static str {
        self.operation.id()
    }

    fn pagination(&self) -> Option<Pagination> {
        self.operation.info.pagination
    }

    fn rules(&self) -> SendingRules {
        self.operation.info.rules
    }

    fn described_parameters(&self) -> &'static [ParameterInfo] {
        self.operation.info.parameters
    }

    fn into_request(self, base: &Base) -> Result<BuiltRequest, Invalid> {
        let problems = self.problems();
        match self.parameters.into_request(base) {
            Ok(request) if problems.is_empty() => Ok(request),
            Ok(_) => Err(Invalid { problems }),
            Err(invalid) => Err(Invalid { problems: problems.into_iter().chain(invalid.problems).collect() }),
        }
    }
}

impl Repeatable for DynamicList {
    type List = DynamicList;

    fn listed(self) -> DynamicList {
        self
    }
}

impl PagedOperation for DynamicList {
    type Item = Json;
}
