//! Security groups.

mod security_group;
mod security_group_rule;

pub use security_group::SecurityGroup;
pub use security_group_rule::SecurityGroupRule;

use crate::cloud::Of;
use crate::{Module, VERSION};

/// Who may talk to whom.
pub const MODULE: Module = Module {
    name: "aws_security_group",
    version: VERSION,
    doc: "Security groups: which traffic may reach and leave what is in them.",
    depends: &["aws_vpc"],
    resources: &[&Of::<SecurityGroup>::new(), &Of::<SecurityGroupRule>::new()],
    schema: include_str!("schema.sql"),
    extra: "",
};
