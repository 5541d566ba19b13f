//! The security groups that a load balancer is in.

use crate::aws_security_group::SecurityGroup;
use crate::prelude::*;

/// A security group that a load balancer is in: it decides what reaches the load balancer.
#[derive(Debug, Clone, Resource)]
#[resource(part_of = "load_balancer_name")]
pub struct LoadBalancerSecurityGroups {
    /// The group.
    #[column(key)]
    pub security_group_id: Ref<SecurityGroup>,
}
