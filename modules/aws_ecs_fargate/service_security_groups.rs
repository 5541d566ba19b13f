//! The firewalls of a service.

use crate::aws_security_group::SecurityGroup;
use crate::prelude::*;

/// A security group that the tasks of a service are in.
#[derive(Debug, Clone, Resource)]
#[resource(part_of = "service_name")]
pub struct ServiceSecurityGroups {
    /// The security group.
    #[column(key)]
    pub security_group_id: Ref<SecurityGroup>,
}
