//! [`RunTimeList`]: a list operation that is chosen at run time.

use crate::call::custom_request::NullableDecoder;
use crate::generated::argument::ParameterText;
use crate::generated::body::NoBody;
use crate::generated::description::ParameterInfo;
use crate::generated::list_operation::ListOperation;
use crate::generated::operation::{Operation, Sealed};
use crate::generated::pagination::Pagination;
use crate::generated::parameters::Parameters;
use crate::generated::request::{Base, BuiltRequest, Invalid};
use crate::generated::sending_rules::SendingRules;
use crate::values::json::Json;

/// A list operation with parameters by name.
#[derive(Debug, Clone)]
pub(crate) struct RunTimeList {
    parameters: Parameters,
    problems: Vec<String>,
}

impl RunTimeList {
    pub(crate) fn new(operation: &ListOperation, values: Vec<(String, String)>) -> Self {
        let mut parameters = Parameters::new(operation.info, NoBody);
        let mut problems = Vec::new();
        for (name, value) in values {
            // Two parameters may have one name in the request: the setter's name tells them apart.
            let all = operation.info.parameters;
            let index = all.iter().position(|parameter| parameter.name == name);
            match index.or_else(|| all.iter().position(|parameter| parameter.wire == name)) {
                Some(index) => parameters.push(index, value),
                None => problems.push(format!("`{name}`: the operation has no such parameter")),
            }
        }
        let repeats = |index: usize| matches!(parameters.value(index), Some(Ok(ParameterText::Many(texts))) if texts.len() > 1);
        for (index, parameter) in operation.info.parameters.iter().enumerate() {
            if !parameter.repeated && repeats(index) {
                problems.push(format!("`{}`: the parameter takes one value", parameter.wire));
            }
        }
        RunTimeList { parameters, problems }
    }
}

impl Sealed for RunTimeList {}

impl Operation for RunTimeList {
    type Output = Json;
    type Decoder = NullableDecoder;
    const ID: &'static str = "list";
    const PATH: &'static str = "";
    const PAGINATION: Option<Pagination> = Some(Pagination::new());

    fn id(&self) -> &'static str {
        self.parameters.info.id
    }

    fn pagination(&self) -> Option<Pagination> {
        self.parameters.info.pagination
    }

    fn rules(&self) -> SendingRules {
        self.parameters.info.rules
    }

    fn described_parameters(&self) -> &'static [ParameterInfo] {
        self.parameters.info.parameters
    }

    fn into_request(self, base: &Base) -> Result<BuiltRequest, Invalid> {
        match self.parameters.into_request(base) {
            Ok(request) if self.problems.is_empty() => Ok(request),
            Ok(_) => Err(Invalid { problems: self.problems }),
            Err(invalid) => {
                Err(Invalid { problems: self.problems.into_iter().chain(invalid.problems).collect() })
            }
        }
    }
}
