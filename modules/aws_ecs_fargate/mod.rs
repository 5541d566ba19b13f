//! Elastic Container Service on Fargate.

use crate::{Module, VERSION};

/// Containers without servers: clusters, task definitions and services.
pub const MODULE: Module = Module {
    name: "aws_ecs_fargate",
    version: VERSION,
    doc: "Containers without servers: clusters, task definitions and services.",
    depends: &["aws_cloudwatch", "aws_ecr", "aws_elb", "aws_iam"],
    resources: &[],
    schema: include_str!("schema.sql"),
    extra: "",
};
