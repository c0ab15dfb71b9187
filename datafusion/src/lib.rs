//! Lists of a Synapse backend as DataFusion tables.
