//! [`FetchExec`]: the operator that reads the parts of a list.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
};
use synapse_backend_client::{ListPart, RawItem};

use crate::metrics::ScanMetrics;
use crate::parts;
use crate::scan::Scan;
use crate::stop::StopReading;
use crate::stream::PartitionScan;

/// Reads the parts of a list that its input has, and returns their items as rows.
///
/// Its input is a memory source with one row a part. Any other input is refused: an engine that reads the parts in another way
/// would return rows twice.
pub struct FetchExec {
    scan: Arc<Scan>,
    input: Arc<dyn ExecutionPlan>,
    /// The parts of this process, with the page that was fetched to find them.
    planned: Option<Arc<[ListPart<RawItem>]>>,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FetchExec {
    /// Creates the operator.
    ///
    /// # Errors
    /// Returns an error if the input isn't a source of parts.
    pub(crate) fn new(
        scan: Arc<Scan>,
        input: Arc<dyn ExecutionPlan>,
        planned: Option<Arc<[ListPart<RawItem>]>>,
        statistics: Arc<Statistics>,
    ) -> Result<Self> {
        if !parts::is_source(input.as_ref()) {
            return internal_err!("{}: its input is {}, not the list's parts", NAME, input.name());
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(scan.schema.clone()),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative));
        Ok(FetchExec {
            scan,
            input,
            planned,
            statistics,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    pub(crate) fn scan(&self) -> &Scan {
        &self.scan
    }
}

const NAME: &str = "FetchExec";

impl fmt::Debug for FetchExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(NAME).field("scan", &self.scan).finish_non_exhaustive()
    }
}

impl DisplayAs for FetchExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> =
            self.scan.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let columns = columns.join(", ");
        let request = self.scan.list.operation();
        let operation = self.scan.operation();
        match kind {
            DisplayFormatType::TreeRender => write!(f, "list={operation}\ncolumns=[{columns}]"),
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                let parts = self.properties.partitioning.partition_count();
                write!(f, "{NAME}: request={request:?}, columns=[{columns}], parts={parts}")?;
                match self.scan.limit {
                    Some(limit) => write!(f, ", limit={limit}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl ExecutionPlan for FetchExec {
    fn name(&self) -> &str {
        NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// Repartitioning the parts would put other operators between this one and its input.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().filter(|_| children.is_empty());
        let input = input.ok_or_else(|| internal_datafusion_err!("{NAME} has one input"))?;
        let planned = self.planned.clone();
        // Those of the whole list aren't those of some parts.
        let is_whole =
            input.output_partitioning().partition_count() == self.properties.partitioning.partition_count();
        let statistics = match is_whole {
            true => self.statistics.clone(),
            false => Arc::new(Statistics::new_unknown(&self.scan.schema)),
        };
        Ok(Arc::new(FetchExec::new(self.scan.clone(), input, planned, statistics)?))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batch_rows = context.session_config().batch_size();
        let stop = context.session_config().get_extension::<StopReading>();
        let rows = self.input.execute(partition, context)?;
        let metrics = ScanMetrics::new(&self.metrics, partition);
        let (scan, planned) = (self.scan.clone(), self.planned.clone());
        Ok(PartitionScan { scan, planned, batch_rows, metrics, stop }.stream(rows))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match args.partition() {
            None => Ok(self.statistics.clone()),
            Some(_) => Ok(Arc::new(Statistics::new_unknown(&self.scan.schema))),
        }
    }
}
