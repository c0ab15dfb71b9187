//! Lists of a Synapse backend as tables of a Ballista cluster.
