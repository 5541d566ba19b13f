//! Elastic Load Balancing.

use crate::{Module, VERSION};

/// Load balancers, what they listen to and where they send it.
pub const MODULE: Module = Module {
    name: "aws_elb",
    version: VERSION,
    doc: "Load balancers, what they listen to and where they send it.",
    depends: &["aws_security_group"],
    resources: &[],
    schema: include_str!("schema.sql"),
    extra: "",
};
