//! IAM.

mod role;

pub use role::Role;

use crate::cloud::Of;
use crate::{Module, VERSION};

/// Identity and access: roles, and what they may do.
pub const MODULE: Module = Module {
    name: "aws_iam",
    version: VERSION,
    doc: "Identity and access: roles, and what they may do.",
    depends: &[],
    resources: &[&Of::<Role>::new()],
    schema: include_str!("schema.sql"),
    extra: "",
};
