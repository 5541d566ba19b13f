//! CloudWatch.

mod log_group;

pub use log_group::LogGroup;

use crate::cloud::Of;
use crate::{Module, VERSION};

/// Logs.
pub const MODULE: Module = Module {
    name: "aws_cloudwatch",
    version: VERSION,
    doc: "Logs: groups, and how long they are kept.",
    depends: &[],
    resources: &[&Of::<LogGroup>::new()],
    schema: include_str!("schema.sql"),
    extra: "",
};
