//! Where services and tasks are grouped.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html>

use super::{listed, retag, tags};
use crate::prelude::*;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{self, ClusterField, ClusterSetting, ClusterSettingName};

/// A group of services and tasks.
#[derive(Debug, Clone, Resource)]
#[resource(
    reads("ecs:DescribeClusters", "ecs:ListClusters"),
    writes(
        "ecs:CreateCluster",
        "ecs:DeleteCluster",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateClusterSettings",
        "iam:CreateServiceLinkedRole"
    )
)]
pub struct Cluster {
    /// Its name, unique within its region.
    #[column(key)]
    #[check(
        sql = "NEW.cluster_name ~ '^[A-Za-z0-9_-]{1,255}$'",
        message = "cluster_name is no name for a cluster: 1 to 255 letters, digits, - and _",
        hint = "Write it like web or web-staging."
    )]
    pub cluster_name: String,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub cluster_arn: Option<String>,
    /// Whether AWS has it ready (`ACTIVE`).
    #[column(read_only)]
    pub cluster_status: Option<String>,
    /// Whether CloudWatch gathers metrics of it (`enabled`), down to single tasks and containers
    /// (`enhanced`), or not (`disabled`); what the account is set to, if NULL.
    #[column(late, labels("disabled", "enabled", "enhanced"))]
    pub container_insights: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for Cluster {
    type Client = Client;

    async fn list(ecs: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        if let Some(like) = which.like() {
            found.add(described(ecs, vec![like.cluster_name.clone()]).await?);
            return Ok(());
        }
        let mut pages = ecs.list_clusters().max_results(100).into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            found.add(described(ecs, page.cluster_arns.unwrap_or_default()).await?);
        }
        Ok(())
    }

    async fn create(&self, ecs: &Client, _mark: &str) -> Result<Self> {
        let made = ecs
            .create_cluster()
            .cluster_name(&self.cluster_name)
            .set_settings(self.insights().map(|setting| vec![setting]))
            .set_tags(listed(self.tags.all()))
            .send()
            .await?;
        Self::seen(made.cluster.must("the cluster it made")?)
    }

    async fn update(&self, was: &Self, ecs: &Client) -> Result<()> {
        if let Some(insights) = self.insights()
            && self.container_insights != was.container_insights
        {
            ecs.update_cluster_settings()
                .cluster(&self.cluster_name)
                .settings(insights)
                .send()
                .await?;
        }
        retag(ecs, was.cluster_arn.as_deref().must("the cluster's ARN")?, &self.tags, &was.tags)
            .await
    }

    async fn delete(&self, ecs: &Client) -> Result<()> {
        ecs.delete_cluster().cluster(&self.cluster_name).send().await.done()
    }
}

impl Cluster {
    fn seen(it: types::Cluster) -> Result<Self> {
        let insights = |setting: types::ClusterSetting| {
            (setting.name == Some(ClusterSettingName::ContainerInsights)).then_some(setting.value)
        };
        Ok(Self {
            cluster_name: it.cluster_name.must("a cluster's name")?,
            cluster_arn: it.cluster_arn,
            cluster_status: it.status,
            container_insights: it.settings.into_iter().flatten().find_map(insights).flatten(),
            tags: tags(it.tags).0,
        })
    }

    fn insights(&self) -> Option<ClusterSetting> {
        let value = self.container_insights.as_ref()?;
        let name = ClusterSettingName::ContainerInsights;
        Some(ClusterSetting::builder().name(name).value(value).build())
    }
}

/// The clusters of these names or ARNs, as far as they are there: one that was deleted shows for a
/// while, as inactive.
async fn described(ecs: &Client, clusters: Vec<String>) -> Result<Vec<Cluster>> {
    if clusters.is_empty() {
        return Ok(Vec::new());
    }
    let found = ecs
        .describe_clusters()
        .set_clusters(Some(clusters))
        .include(ClusterField::Settings)
        .include(ClusterField::Tags)
        .send()
        .await?;
    let there = |cluster: &types::Cluster| cluster.status.as_deref() != Some("INACTIVE");
    found.clusters.into_iter().flatten().filter(there).map(Cluster::seen).collect()
}
