//! The chains of calls: each returns how many were in a row.

use crate::Result;
use crate::pace::Pace;
use aws_config::{Region, SdkConfig};
use aws_sdk_ec2::types::VpcAttributeName;
use aws_sdk_ecs::types::{ClusterField, ServiceField, TaskDefinitionField};
use aws_sdk_iam::types::EntityType;
use futures_util::future::try_join_all;
use futures_util::try_join;

pub struct Chains {
    config: SdkConfig,
    pace: Pace,
}

/// Sends a call when it is its turn.
macro_rules! call {
    ($self:ident, $region:ident, $service:literal, $operation:literal, $request:expr) => {{
        $self.pace.turn($region, $service, $operation).await;
        $request.send().await?
    }};
}

/// All pages of a list, or those from a token on: how many there were, and what `$keep` makes of each.
macro_rules! pages {
    ($self:ident, $region:ident, $service:literal, $operation:literal, $request:expr, $token:ident => $next:ident, $keep:expr) => {
        pages!($self, $region, $service, $operation, $request, $token => $next, $keep, None)
    };
    ($self:ident, $region:ident, $service:literal, $operation:literal, $request:expr, $token:ident => $next:ident, $keep:expr, $first:expr) => {{
        let (mut count, mut token, mut kept) = (0_usize, $first, Vec::new());
        loop {
            let page = call!($self, $region, $service, $operation, $request.$token(token));
            count += 1;
            token = page.$next().filter(|next| !next.is_empty()).map(str::to_owned);
            kept.extend($keep(page));
            if token.is_none() {
                break (count, kept);
            }
        }
    }};
}

/// Of lists whose things nothing else is asked about.
fn nothing<T>(_: T) -> [(); 0] {
    []
}

impl Chains {
    pub fn new(config: SdkConfig) -> Self {
        Self { config, pace: Pace::default() }
    }

    /// What is not in any one region.
    pub async fn account(&self, home: &str, first: bool) -> Result<usize> {
        let (sts, ec2) =
            (aws_sdk_sts::Client::new(&self.config), aws_sdk_ec2::Client::new(&self.config));
        let who = async {
            call!(self, home, "sts", "GetCallerIdentity", sts.get_caller_identity());
            Ok(1)
        };
        let regions = async {
            if first {
                let request = ec2.describe_regions().all_regions(true);
                call!(self, home, "ec2", "DescribeRegions", request);
            }
            Ok(1)
        };
        let (who, regions, roles, public) =
            try_join!(who, regions, self.roles("us-east-1"), self.public("us-east-1"))?;
        Ok(who.max(regions).max(roles).max(public))
    }

    /// What is in a region.
    pub async fn region(&self, region: &str, first: bool) -> Result<usize> {
        let config =
            self.config.clone().into_builder().region(Region::new(region.to_owned())).build();
        let (config, region) = (&config, region);
        let (network, logs, registry, balancing, containers) = try_join!(
            self.network(config, region),
            self.logs(config, region),
            self.registry(config, region),
            self.balancing(config, region),
            self.containers(config, region, first),
        )?;
        Ok(network.max(logs).max(registry).max(balancing).max(containers))
    }

    async fn roles(&self, region: &str) -> Result<usize> {
        let iam = aws_sdk_iam::Client::new(&self.config);
        let list = async {
            let request = || iam.list_roles().max_items(1000);
            let (depth, _) =
                pages!(self, region, "iam", "ListRoles", request(), set_marker => marker, nothing);
            Result::Ok(depth)
        };
        let details = async {
            let name = EntityType::Role;
            let request =
                || iam.get_account_authorization_details().filter(name.clone()).max_items(1000);
            let (depth, _) = pages!(
                self, region, "iam", "GetAccountAuthorizationDetails", request(),
                set_marker => marker, nothing
            );
            Ok(depth)
        };
        let (list, details) = try_join!(list, details)?;
        Ok(list.max(details))
    }

    async fn public(&self, region: &str) -> Result<usize> {
        let ecr = aws_sdk_ecrpublic::Client::from_conf(
            aws_sdk_ecrpublic::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .build(),
        );
        let (depth, arns) = pages!(
            self, region, "ecr-public", "DescribeRepositories",
            ecr.describe_repositories().max_results(1000), set_next_token => next_token,
            |page: aws_sdk_ecrpublic::operation::describe_repositories::DescribeRepositoriesOutput| {
                page.repositories.into_iter().flatten().filter_map(|it| it.repository_arn)
            }
        );
        let some = !arns.is_empty();
        try_join_all(arns.iter().map(async |arn| {
            let request = ecr.list_tags_for_resource().resource_arn(arn);
            call!(self, region, "ecr-public", "ListTagsForResource", request);
            Result::Ok(())
        }))
        .await?;
        Ok(depth + usize::from(some))
    }

    async fn network(&self, config: &SdkConfig, region: &str) -> Result<usize> {
        let ec2 = &aws_sdk_ec2::Client::new(config);
        let vpcs = async {
            let (depth, ids) = pages!(
                self, region, "ec2", "DescribeVpcs", ec2.describe_vpcs().max_results(1000),
                set_next_token => next_token,
                |page: aws_sdk_ec2::operation::describe_vpcs::DescribeVpcsOutput| {
                    page.vpcs.into_iter().flatten().filter_map(|it| it.vpc_id)
                }
            );
            let names = [VpcAttributeName::EnableDnsSupport, VpcAttributeName::EnableDnsHostnames];
            let asked = ids.iter().flat_map(|id| names.iter().map(move |name| (id, name)));
            let some = !ids.is_empty();
            try_join_all(asked.map(async |(id, name)| {
                let request = ec2.describe_vpc_attribute().vpc_id(id).attribute(name.clone());
                call!(self, region, "ec2", "DescribeVpcAttribute", request);
                Result::Ok(())
            }))
            .await?;
            Ok(depth + usize::from(some))
        };
        let subnets = async {
            let request = || ec2.describe_subnets().max_results(1000);
            let (depth, _) = pages!(
                self, region, "ec2", "DescribeSubnets", request(), set_next_token => next_token, nothing
            );
            Result::Ok(depth)
        };
        let groups = async {
            let request = || ec2.describe_security_groups().max_results(1000);
            let (depth, _) = pages!(
                self, region, "ec2", "DescribeSecurityGroups", request(),
                set_next_token => next_token, nothing
            );
            Result::Ok(depth)
        };
        let rules = async {
            let request = || ec2.describe_security_group_rules().max_results(1000);
            let (depth, _) = pages!(
                self, region, "ec2", "DescribeSecurityGroupRules", request(),
                set_next_token => next_token, nothing
            );
            Ok(depth)
        };
        let (vpcs, subnets, groups, rules) = try_join!(vpcs, subnets, groups, rules)?;
        Ok(vpcs.max(subnets).max(groups).max(rules))
    }

    async fn logs(&self, config: &SdkConfig, region: &str) -> Result<usize> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(config);
        let tagging = aws_sdk_resourcegroupstagging::Client::new(config);
        // What is not there has no tags, so the first page comes before these.
        let request = || logs.describe_log_groups().limit(50);
        let first = call!(self, region, "logs", "DescribeLogGroups", request());
        if first.log_groups().is_empty() && first.next_token.is_none() {
            return Ok(1);
        }
        let rest = async {
            if first.next_token.is_none() {
                return Ok(0);
            }
            let (depth, _) = pages!(
                self, region, "logs", "DescribeLogGroups", request(),
                set_next_token => next_token, nothing, first.next_token
            );
            Result::Ok(depth)
        };
        let tags = async {
            let request =
                || tagging.get_resources().resource_type_filters("logs").resources_per_page(100);
            let (depth, _) = pages!(
                self, region, "tagging", "GetResources", request(),
                set_pagination_token => pagination_token, nothing
            );
            Ok(depth)
        };
        let (rest, tags) = try_join!(rest, tags)?;
        Ok(1 + rest.max(tags))
    }

    async fn registry(&self, config: &SdkConfig, region: &str) -> Result<usize> {
        let ecr = &aws_sdk_ecr::Client::new(config);
        let (depth, repositories) = pages!(
            self, region, "ecr", "DescribeRepositories",
            ecr.describe_repositories().max_results(1000), set_next_token => next_token,
            |page: aws_sdk_ecr::operation::describe_repositories::DescribeRepositoriesOutput| {
                let found = page.repositories.into_iter().flatten();
                found.filter_map(|it| it.repository_name.zip(it.repository_arn))
            }
        );
        let asked = repositories.iter().map(async |(name, arn)| {
            let tags = async {
                let request = ecr.list_tags_for_resource().resource_arn(arn);
                call!(self, region, "ecr", "ListTagsForResource", request);
                Result::Ok(())
            };
            let policy = async {
                self.pace.turn(region, "ecr", "GetRepositoryPolicy").await;
                // Most have none, which is an error to AWS.
                let _ = ecr.get_repository_policy().repository_name(name).send().await;
                Ok(())
            };
            let images = async {
                let request = || ecr.describe_images().repository_name(name).max_results(1000);
                let (depth, _) = pages!(
                    self, region, "ecr", "DescribeImages", request(),
                    set_next_token => next_token, nothing
                );
                Ok(depth)
            };
            let ((), (), images) = try_join!(tags, policy, images)?;
            Result::Ok(images)
        });
        Ok(depth + try_join_all(asked).await?.into_iter().max().unwrap_or(0))
    }

    async fn balancing(&self, config: &SdkConfig, region: &str) -> Result<usize> {
        let elb = &aws_sdk_elasticloadbalancingv2::Client::new(config);
        let tags = async |arns: Vec<String>| {
            try_join_all(arns.chunks(20).map(async |arns| {
                let request = elb.describe_tags().set_resource_arns(Some(arns.to_vec()));
                call!(self, region, "elbv2", "DescribeTags", request);
                Result::Ok(())
            }))
            .await
        };
        let balancers = async {
            let (depth, arns) = pages!(
                self, region, "elbv2", "DescribeLoadBalancers",
                elb.describe_load_balancers().page_size(400), set_marker => next_marker,
                |page: aws_sdk_elasticloadbalancingv2::operation::describe_load_balancers::DescribeLoadBalancersOutput| {
                    page.load_balancers.into_iter().flatten().filter_map(|it| it.load_balancer_arn)
                }
            );
            let some = !arns.is_empty();
            let attributes = try_join_all(arns.iter().map(async |arn| {
                let request = elb.describe_load_balancer_attributes().load_balancer_arn(arn);
                call!(self, region, "elbv2", "DescribeLoadBalancerAttributes", request);
                Result::Ok(())
            }));
            let listeners = try_join_all(arns.iter().map(async |arn| {
                let request = || elb.describe_listeners().load_balancer_arn(arn).page_size(400);
                let found = pages!(
                    self, region, "elbv2", "DescribeListeners", request(), set_marker => next_marker,
                    |page: aws_sdk_elasticloadbalancingv2::operation::describe_listeners::DescribeListenersOutput| {
                        page.listeners.into_iter().flatten().filter_map(|it| it.listener_arn)
                    }
                );
                Result::Ok(found)
            }));
            let listeners = async {
                let found = listeners.await?;
                let longest = found.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
                let arns: Vec<_> = found.into_iter().flat_map(|(_, arns)| arns).collect();
                let tagged = usize::from(!arns.is_empty());
                tags(arns).await?;
                Ok(longest + tagged)
            };
            let (_, _, listeners) = try_join!(attributes, tags(arns.clone()), listeners)?;
            Result::Ok(depth + listeners.max(usize::from(some)))
        };
        let groups = async {
            let (depth, arns) = pages!(
                self, region, "elbv2", "DescribeTargetGroups",
                elb.describe_target_groups().page_size(400), set_marker => next_marker,
                |page: aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsOutput| {
                    page.target_groups.into_iter().flatten().filter_map(|it| it.target_group_arn)
                }
            );
            let some = !arns.is_empty();
            let attributes = try_join_all(arns.iter().map(async |arn| {
                let request = elb.describe_target_group_attributes().target_group_arn(arn);
                call!(self, region, "elbv2", "DescribeTargetGroupAttributes", request);
                Result::Ok(())
            }));
            try_join!(attributes, tags(arns.clone()))?;
            Ok(depth + usize::from(some))
        };
        let (balancers, groups) = try_join!(balancers, groups)?;
        Ok(balancers.max(groups))
    }

    async fn containers(&self, config: &SdkConfig, region: &str, first: bool) -> Result<usize> {
        let ecs = &aws_sdk_ecs::Client::new(config);
        let clusters = async {
            let (depth, arns) = pages!(
                self, region, "ecs", "ListClusters", ecs.list_clusters().max_results(100),
                set_next_token => next_token,
                |page: aws_sdk_ecs::operation::list_clusters::ListClustersOutput| {
                    page.cluster_arns.unwrap_or_default()
                }
            );
            let details = try_join_all(arns.chunks(100).map(async |arns| {
                let request = ecs.describe_clusters().set_clusters(Some(arns.to_vec()));
                let request = request.include(ClusterField::Settings).include(ClusterField::Tags);
                call!(self, region, "ecs", "DescribeClusters", request);
                Result::Ok(())
            }));
            let services = try_join_all(arns.iter().map(async |cluster| {
                let (depth, arns) = pages!(
                    self, region, "ecs", "ListServices",
                    ecs.list_services().cluster(cluster).max_results(100),
                    set_next_token => next_token,
                    |page: aws_sdk_ecs::operation::list_services::ListServicesOutput| {
                        page.service_arns.unwrap_or_default()
                    }
                );
                try_join_all(arns.chunks(10).map(async |arns| {
                    let request = ecs.describe_services().cluster(cluster);
                    let request =
                        request.set_services(Some(arns.to_vec())).include(ServiceField::Tags);
                    call!(self, region, "ecs", "DescribeServices", request);
                    Result::Ok(())
                }))
                .await?;
                Ok(depth + usize::from(!arns.is_empty()))
            }));
            let (_, services) = try_join!(details, services)?;
            Result::Ok(depth + services.into_iter().max().unwrap_or(0))
        };
        let definitions = async {
            let (depth, arns) = pages!(
                self, region, "ecs", "ListTaskDefinitions",
                ecs.list_task_definitions().max_results(100), set_next_token => next_token,
                |page: aws_sdk_ecs::operation::list_task_definitions::ListTaskDefinitionsOutput| {
                    page.task_definition_arns.unwrap_or_default()
                }
            );
            if !first || arns.is_empty() {
                return Ok(depth);
            }
            try_join_all(arns.iter().map(async |arn| {
                let request = ecs.describe_task_definition().task_definition(arn);
                let request = request.include(TaskDefinitionField::Tags);
                call!(self, region, "ecs", "DescribeTaskDefinition", request);
                Result::Ok(())
            }))
            .await?;
            Ok(depth + 1)
        };
        let (clusters, definitions) = try_join!(clusters, definitions)?;
        Ok(clusters.max(definitions))
    }
}
