//! [`ListLogicalCodec`] and [`ListPhysicalCodec`]: tables and scans of lists in plans that are sent to other processes.

use std::sync::Arc;

use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, TableReference, exec_err};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, Extension, HigherOrderUDF, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::proto_decode::PhysicalExprDecodeCtx;
use datafusion::physical_expr_common::physical_expr::proto_encode::PhysicalExprEncodeCtx;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use synapse_datafusion::{Connections, FetchExec, ListTable};

/// What begins the bytes of a table. They aren't the beginning of a message of protocol buffers.
const TABLE: &[u8] = b"\xffsynapse-datafusion/table\n";

/// What begins the bytes of a scan.
const SCAN: &[u8] = b"\xffsynapse-datafusion/scan\n";

/// Serializes tables of lists, and leaves all else to another codec.
///
/// The bytes have the name of a connection, and no credentials. Serializing needs no connection.
#[derive(Debug)]
pub struct ListLogicalCodec {
    inner: Arc<dyn LogicalExtensionCodec>,
    connections: Arc<dyn Connections>,
}

impl ListLogicalCodec {
    /// Returns a codec around Ballista's.
    pub fn new(connections: Arc<dyn Connections>) -> Self {
        ListLogicalCodec::wrap(Arc::new(BallistaLogicalExtensionCodec::default()), connections)
    }

    /// Returns a codec that leaves to `inner` what is no list.
    pub fn wrap(inner: Arc<dyn LogicalExtensionCodec>, connections: Arc<dyn Connections>) -> Self {
        ListLogicalCodec { inner, connections }
    }
}

/// Returns whether two schemas have the same columns, whatever their metadata.
fn has_same_columns(one: &SchemaRef, other: &SchemaRef) -> bool {
    one.fields().len() == other.fields().len()
        && one
            .fields()
            .iter()
            .zip(other.fields())
            .all(|(one, other)| one.name() == other.name() && one.data_type() == other.data_type())
}

impl LogicalExtensionCodec for ListLogicalCodec {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], ctx: &TaskContext) -> Result<Extension> {
        self.inner.try_decode(buf, inputs, ctx)
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode(node, buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        table_ref: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let Some(text) = buf.strip_prefix(TABLE) else {
            return self.inner.try_decode_table_provider(buf, table_ref, schema, ctx);
        };
        let table = ListTable::from_text(text, self.connections.clone())?;
        if !has_same_columns(&table.schema(), &schema) {
            return exec_err!(
                "{table_ref}: the list has other columns in this process: use one release in all processes"
            );
        }
        Ok(table)
    }

    fn try_encode_table_provider(
        &self,
        table_ref: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(table) = node.downcast_ref::<ListTable>() else {
            return self.inner.try_encode_table_provider(table_ref, node, buf);
        };
        let schema = table.schema();
        let view = schema
            .fields()
            .iter()
            .find(|field| matches!(field.data_type(), DataType::Utf8View | DataType::BinaryView));
        if let Some(field) = view {
            // Each batch that is sent has the whole buffers of its views.
            return exec_err!(
                "{table_ref}: the column {:?} is a view, which Ballista can't send well: make the table by \
                 `synapse_ballista::table`, or with `TextColumns::Plain`",
                field.name()
            );
        }
        buf.extend_from_slice(TABLE);
        buf.extend_from_slice(table.to_text()?.as_bytes());
        Ok(())
    }

    fn try_decode_file_format(&self, buf: &[u8], ctx: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.inner.try_decode_file_format(buf, ctx)
    }

    fn try_encode_file_format(&self, buf: &mut Vec<u8>, node: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.inner.try_encode_file_format(buf, node)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.inner.try_decode_udf(name, buf)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udf(node, buf)
    }

    fn try_decode_higher_order_function(&self, name: &str, buf: &[u8]) -> Result<Arc<HigherOrderUDF>> {
        self.inner.try_decode_higher_order_function(name, buf)
    }

    fn try_encode_higher_order_function(&self, node: &HigherOrderUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_higher_order_function(node, buf)
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.inner.try_decode_udaf(name, buf)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udaf(node, buf)
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> Result<Arc<WindowUDF>> {
        self.inner.try_decode_udwf(name, buf)
    }

    fn try_encode_udwf(&self, node: &WindowUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udwf(node, buf)
    }
}

/// Serializes scans of lists, and leaves all else to another codec.
///
/// The bytes have the name of a connection, and no credentials. Serializing needs no connection; reading makes the connection's client.
#[derive(Debug)]
pub struct ListPhysicalCodec {
    inner: Arc<dyn PhysicalExtensionCodec>,
    connections: Arc<dyn Connections>,
}

impl ListPhysicalCodec {
    /// Returns a codec around Ballista's.
    pub fn new(connections: Arc<dyn Connections>) -> Self {
        ListPhysicalCodec::wrap(Arc::new(BallistaPhysicalExtensionCodec::default()), connections)
    }

    /// Returns a codec that leaves to `inner` what is no scan of a list.
    pub fn wrap(inner: Arc<dyn PhysicalExtensionCodec>, connections: Arc<dyn Connections>) -> Self {
        ListPhysicalCodec { inner, connections }
    }
}

impl PhysicalExtensionCodec for ListPhysicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(text) = buf.strip_prefix(SCAN) else {
            return self.inner.try_decode(buf, inputs, ctx, proto_converter);
        };
        let [input] = inputs else {
            return exec_err!("a list's scan has {} inputs in place of one", inputs.len());
        };
        FetchExec::from_text(text, input.clone(), self.connections.as_ref())
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(scan) = node.downcast_ref::<FetchExec>() else {
            return self.inner.try_encode(node, buf, proto_converter);
        };
        buf.extend_from_slice(SCAN);
        buf.extend_from_slice(scan.to_text()?.as_bytes());
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.inner.try_decode_udf(name, buf)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udf(node, buf)
    }

    fn try_decode_higher_order_function(&self, name: &str, buf: &[u8]) -> Result<Arc<HigherOrderUDF>> {
        self.inner.try_decode_higher_order_function(name, buf)
    }

    fn try_encode_higher_order_function(&self, node: &HigherOrderUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_higher_order_function(node, buf)
    }

    fn try_decode_expr(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn PhysicalExpr>],
        ctx: &PhysicalExprDecodeCtx<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        self.inner.try_decode_expr(buf, inputs, ctx)
    }

    fn try_encode_expr(
        &self,
        node: &Arc<dyn PhysicalExpr>,
        buf: &mut Vec<u8>,
        ctx: &PhysicalExprEncodeCtx<'_>,
    ) -> Result<()> {
        self.inner.try_encode_expr(node, buf, ctx)
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.inner.try_decode_udaf(name, buf)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udaf(node, buf)
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> Result<Arc<WindowUDF>> {
        self.inner.try_decode_udwf(name, buf)
    }

    fn try_encode_udwf(&self, node: &WindowUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udwf(node, buf)
    }
}
