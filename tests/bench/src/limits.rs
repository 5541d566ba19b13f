//! How fast AWS lets itself be asked: the token buckets, as AWS publishes them.
//!
//! Written down apart from the extension's own table (`modules/cloud/pace.rs`), since this is what that one
//! is measured with. The baseline includes this file, and keeps to it.

/// A bucket that some operations of a service take their tokens from.
pub struct Limit {
    service: &'static str,
    /// Names, or their beginnings with `*`.
    operations: &'static [&'static str],
    /// Shared by all operations that name it; one to each operation, if empty.
    bucket: &'static str,
    pub burst: f64,
    /// Tokens a second.
    pub refill: f64,
}

const fn limit(
    service: &'static str,
    operations: &'static [&'static str],
    bucket: &'static str,
    burst: f64,
    refill: f64,
) -> Limit {
    Limit { service, operations, bucket, burst, refill }
}

/// Per account and region. The first that fits counts. Where AWS publishes nothing (IAM, ECR, tags), what
/// those found who asked much.
const LIMITS: &[Limit] = &[
    // https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
    limit("ec2", &["Describe*"], "", 100.0, 20.0),
    limit("ec2", &["CreateTags", "DeleteTags"], "", 100.0, 10.0),
    limit("ec2", &["*"], "", 50.0, 5.0),
    // The account's bucket comes on top: see `ACCOUNT`.
    limit("elbv2", &["Describe*"], "read", 40.0, 10.0),
    limit("elbv2", &["CreateLoadBalancer", "SetSubnets"], "large", 10.0, 0.2),
    limit("elbv2", &["*"], "write", 20.0, 3.0),
    // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
    limit("ecs", &["DescribeTaskDefinition", "ListTaskDefinition*"], "definitions", 50.0, 20.0),
    limit("ecs", &["DescribeServices", "ListServices*"], "services", 100.0, 20.0),
    limit("ecs", &["DescribeClusters", "ListClusters"], "clusters", 50.0, 20.0),
    limit(
        "ecs",
        &["RegisterTaskDefinition", "DeregisterTaskDefinition"],
        "definition writes",
        20.0,
        1.0,
    ),
    limit("ecs", &["*Service"], "service writes", 50.0, 5.0),
    limit("ecs", &["CreateCluster", "DeleteCluster"], "cluster writes", 20.0, 1.0),
    limit("ecs", &["*"], "rest", 20.0, 1.0),
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    limit("logs", &["DescribeLogGroups", "CreateLogGroup", "DeleteLogGroup"], "", 10.0, 10.0),
    limit("logs", &["*"], "", 5.0, 5.0),
    limit("tagging", &["*"], "", 50.0, 10.0),
    limit("iam", &["*"], "", 30.0, 15.0),
    limit("ecr", &["*"], "", 100.0, 20.0),
    limit("ecr-public", &["*"], "", 20.0, 10.0),
    limit("sts", &["*"], "", 600.0, 600.0),
];

/// What all operations of a service take from besides.
const ACCOUNT: &[Limit] = &[limit("elbv2", &["*"], "account", 40.0, 10.0)];

/// Whose bucket it is: region, service, name.
pub type Key = (String, &'static str, String);

/// The buckets that a call takes a token from each.
pub fn of(region: &str, service: &str, operation: &str) -> Vec<(Key, &'static Limit)> {
    let fits = |limit: &&Limit| {
        limit.service == service && limit.operations.iter().any(|name| covers(name, operation))
    };
    let class = LIMITS.iter().find(fits);
    let account = ACCOUNT.iter().filter(fits);
    account
        .chain(class)
        .map(|limit| {
            let name = if limit.bucket.is_empty() { operation } else { limit.bucket };
            ((region.to_owned(), limit.service, name.to_owned()), limit)
        })
        .collect()
}

fn covers(name: &str, operation: &str) -> bool {
    match name.split_once('*') {
        Some((start, end)) => operation.starts_with(start) && operation.ends_with(end),
        None => name == operation,
    }
}
