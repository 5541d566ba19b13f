//! The account itself. Its table, `aws_regions`, is made by the extension; what fills it is here.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html>

use crate::cloud::aws::Aws;
use crate::prelude::*;
use crate::{Module, VERSION};
use aws_sdk_ec2::Client;

/// Always there.
pub const MODULE: Module = Module {
    name: "aws_account",
    version: VERSION,
    doc: "The account: its regions. Always there.",
    depends: &[],
    resources: &[],
    schema: "",
    extra: "",
};

/// The IAM action that [`regions`] takes.
pub const READS: &[&str] = &["ec2:DescribeRegions"];

/// The regions there are, and whether the account has them switched on.
pub async fn regions(aws: &Aws) -> Result<Vec<(String, bool)>> {
    let ec2 = aws.reader::<Client>(aws.default_region());
    let regions = ec2.describe_regions().all_regions(true).send().await?.regions;
    let on = |status: Option<&str>| matches!(status, Some("opted-in" | "opt-in-not-required"));
    let mut regions: Vec<_> = regions
        .into_iter()
        .flatten()
        .filter_map(|region| Some((region.region_name?, on(region.opt_in_status.as_deref()))))
        .collect();
    regions.sort();
    Ok(regions)
}
