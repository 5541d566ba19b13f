//! What the account holds: so many of each kind in each of its regions, worked out when asked.
//!
//! Nothing of that is stored, so that an account of 100,000 things costs no memory. The things refer to each
//! other as those of a real account do: subnets to VPCs, listeners to load balancers and target groups. What
//! is made besides stands in [`Made`].

use crate::made::Made;
use serde::{Deserialize, Serialize};

pub const ACCOUNT: &str = "123456789012";
/// When everything was made: 2026-01-02, as IAM and load balancing write it, and in seconds.
pub const MADE: &str = "2026-01-02T03:04:05Z";
pub const MADE_SECONDS: f64 = 1_767_323_045.0;

/// The regions that every account has.
pub const REGIONS: &[&str] = &[
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "sa-east-1",
];

/// How many there are of each kind: in each region that has any, except where AWS has one place for all.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// So many of the regions have something in them, the first first.
    pub regions: usize,
    pub vpcs: usize,
    pub subnets: usize,
    pub security_groups: usize,
    pub rules: usize,
    pub log_groups: usize,
    pub repositories: usize,
    pub images: usize,
    /// In the whole account.
    pub public_repositories: usize,
    /// In the whole account.
    pub roles: usize,
    pub load_balancers: usize,
    pub target_groups: usize,
    pub listeners: usize,
    pub clusters: usize,
    pub services: usize,
    pub task_definitions: usize,
}

impl Default for Account {
    /// One of each.
    fn default() -> Self {
        Self {
            regions: 1,
            vpcs: 1,
            subnets: 2,
            security_groups: 2,
            rules: 2,
            log_groups: 1,
            repositories: 1,
            images: 1,
            public_repositories: 1,
            roles: 1,
            load_balancers: 1,
            target_groups: 1,
            listeners: 1,
            clusters: 1,
            services: 1,
            task_definitions: 1,
        }
    }
}

/// The part of an account that is in one region.
#[derive(Clone, Copy)]
pub struct Region<'a> {
    pub name: &'a str,
    number: usize,
    account: &'a Account,
    pub made: &'a Made,
}

impl Account {
    /// What is in a region; nothing, in those that are empty.
    pub fn region<'a>(&'a self, name: &'a str, made: &'a Made) -> Region<'a> {
        const EMPTY: &Account = &Account {
            regions: 0,
            vpcs: 0,
            subnets: 0,
            security_groups: 0,
            rules: 0,
            log_groups: 0,
            repositories: 0,
            images: 0,
            public_repositories: 0,
            roles: 0,
            load_balancers: 0,
            target_groups: 0,
            listeners: 0,
            clusters: 0,
            services: 0,
            task_definitions: 0,
        };
        match REGIONS.iter().take(self.regions).position(|region| *region == name) {
            Some(number) => Region { name, number, account: self, made },
            None => Region { name, number: 0, account: EMPTY, made },
        }
    }

    /// What is in no region.
    pub fn everywhere<'a>(&'a self, made: &'a Made) -> Region<'a> {
        Region { name: "", number: 0, account: self, made }
    }
}

impl std::ops::Deref for Region<'_> {
    type Target = Account;

    fn deref(&self) -> &Account {
        self.account
    }
}

impl Region<'_> {
    /// An ID as EC2 gives them.
    pub fn id(&self, kind: &str, number: usize) -> String {
        format!("{kind}-{:05x}{number:012x}", self.number)
    }

    /// The number in such an ID.
    pub fn number(id: &str) -> Option<usize> {
        usize::from_str_radix(id.get(id.len().checked_sub(12)?..)?, 16).ok()
    }

    /// What was made of a kind, as far as it has all parts.
    pub fn made(&self, kind: &str, parts: &[String]) -> Vec<String> {
        self.made.find(self.name, kind, parts)
    }

    pub fn keep(&self, kind: &str, thing: String) {
        self.made.keep(self.name, kind, thing);
    }

    /// Takes out what has this part; says whether there was such a thing.
    pub fn drop(&self, kind: &str, part: String) -> bool {
        self.made.change(self.name, kind, &[part], |_| None) > 0
    }

    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", self.name)
    }

    pub fn vpc(&self, number: usize) -> String {
        self.id("vpc", number % self.vpcs.max(1))
    }

    /// The subnets and the security group that something in the same VPC as group `number` has.
    pub fn network(&self, number: usize) -> ([String; 2], String) {
        let vpcs = self.vpcs.max(1);
        let first = number % vpcs;
        let group = number % self.security_groups.max(1);
        ([self.id("subnet", first), self.id("subnet", first + vpcs)], self.id("sg", group))
    }

    pub fn zone(&self, subnet: usize) -> String {
        let letter = ["a", "b", "c"][subnet / self.vpcs.max(1) % 3];
        format!("{}{letter}", self.name)
    }

    pub fn load_balancer_arn(&self, number: usize) -> String {
        let resource = format!("loadbalancer/app/lb-{number}/{number:016x}");
        self.arn("elasticloadbalancing", &resource)
    }

    pub fn target_group_arn(&self, number: usize) -> String {
        let number = number % self.target_groups.max(1);
        self.arn("elasticloadbalancing", &format!("targetgroup/tg-{number}/{number:016x}"))
    }

    pub fn cluster_arn(&self, number: usize) -> String {
        self.arn("ecs", &format!("cluster/cluster-{}", number % self.clusters.max(1)))
    }

    pub fn service_arn(&self, number: usize) -> String {
        let cluster = number % self.clusters.max(1);
        self.arn("ecs", &format!("service/cluster-{cluster}/service-{number}"))
    }

    pub fn task_definition_arn(&self, number: usize) -> String {
        let number = number % self.task_definitions.max(1);
        self.arn("ecs", &format!("task-definition/family-{number}:1"))
    }
}

/// The number at the end of a name or an ARN.
pub fn number_in(name: &str) -> Option<usize> {
    name.rsplit('-').next()?.parse().ok()
}
