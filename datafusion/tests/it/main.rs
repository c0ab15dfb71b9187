//! Lists as tables, over real sockets.

mod changes;
mod export;
mod functions;
mod plans;
mod projections;
mod pushdown;
mod rows;
mod secrets;
mod split;
mod stop;
mod support;
