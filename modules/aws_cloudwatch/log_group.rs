//! Groups of log streams.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html>
//!
//! The listing leaves tags out, and asking each group for its own goes at 5 a second and no faster:
//! 40 seconds for 200 groups. The Resource Groups Tagging API answers with a hundred at a time, so
//! that is where tags come from. Its index follows a change after a moment, which is why a single
//! group ([`Which::Like`]) is asked itself, and groups that were just made are not looked up there. An
//! identity that may not use it waits the longer way.

use crate::cloud::tagging;
use crate::prelude::*;
use aws_sdk_cloudwatchlogs::{Client, types};
use aws_sdk_resourcegroupstagging::Client as Tagging;
use futures_util::try_join;
use std::collections::HashMap;

/// A group of log streams that share how long they are kept and who may read them.
#[derive(Debug, Clone, Resource)]
#[resource(
    read_back,
    reads("logs:DescribeLogGroups", "logs:ListTagsForResource", "tag:GetResources"),
    writes(
        "logs:AssociateKmsKey",
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:DeleteRetentionPolicy",
        "logs:DescribeLogStreams",
        "logs:DescribeMetricFilters",
        "logs:DescribeSubscriptionFilters",
        "logs:DisassociateKmsKey",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource"
    )
)]
pub struct LogGroup {
    /// Its name, unique within its region.
    #[column(key)]
    #[check(
        sql = "NEW.log_group_name ~ '^[A-Za-z0-9_/.#-]+$' AND length(NEW.log_group_name) <= 512",
        message = "log_group_name is no name for a log group: 1 to 512 letters, digits, and _ - / . #",
        hint = "Write it like web or /team/web."
    )]
    #[check(
        sql = "NEW.log_group_arn IS NOT NULL OR NEW.log_group_name NOT ILIKE 'aws/%'",
        message = "log_group_name begins with aws/, which AWS keeps to itself",
        hint = "Write /aws/... for the groups that AWS services write to."
    )]
    pub log_group_name: String,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub log_group_arn: Option<String>,
    /// When it was made.
    #[column(created, read_only)]
    pub creation_time: Option<Timestamp>,
    /// How many days log events are kept; for ever, if NULL.
    #[check(
        sql = "NEW.retention_in_days IN (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)",
        message = "retention_in_days is not one of the periods that AWS offers",
        hint = "Write 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, or NULL to keep log events for ever."
    )]
    pub retention_in_days: Option<i32>,
    /// The ARN of the KMS key that encrypts new log events; AWS takes its own if NULL.
    #[check(
        sql = "NEW.kms_key_id ~ '^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$'",
        message = "kms_key_id is not the ARN of a KMS key",
        hint = "Write it like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab."
    )]
    pub kms_key_id: Option<String>,
    /// What it can do and what it costs. A change replaces the group.
    #[column(fixed, labels("STANDARD", "INFREQUENT_ACCESS", "DELIVERY"), default = "'STANDARD'")]
    pub log_group_class: String,
    /// Lets the group be made anew although that loses what is in it. For the next apply.
    #[column(waiver, default = "false")]
    pub replace_anyway: bool,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for LogGroup {
    type Client = (Client, Tagging);

    async fn list(
        (logs, tagging): &Self::Client,
        which: Which<'_, Self>,
        found: &Found<'_, Self>,
    ) -> Result<()> {
        let request = logs.describe_log_groups();
        if let Some(like) = which.like() {
            // Groups come in the order of their names, so that the very name is the first with it.
            let page = request.log_group_name_prefix(&like.log_group_name).limit(1).send().await?;
            let groups = page.log_groups.unwrap_or_default();
            found.add(each(groups, async |group| asked(logs, group).await).await?);
            return Ok(());
        }
        let start = if let Which::Made(made) = which { shared_start(made) } else { None };
        let request = request.set_log_group_name_prefix(start).limit(50);
        let mut pages = request.into_paginator().send();
        let first = pages.try_next().await?.must("a page of log groups")?;
        // An empty page may lead on to one that is not.
        let none = first.log_groups().is_empty() && first.next_token().is_none();
        let groups = async {
            let mut groups = first.log_groups.unwrap_or_default();
            while let Some(page) = pages.try_next().await? {
                groups.extend(page.log_groups.unwrap_or_default());
            }
            Ok(groups)
        };
        // By ARN or name; nothing if each has to be asked for its own.
        let tags = async {
            match which {
                // The index may not have heard of these yet.
                Which::Made(made) => Ok(Some(made.iter().map(LogGroup::tagged).collect())),
                _ if none => Ok(Some(HashMap::new())),
                _ => tagging::of(tagging, "logs").await,
            }
        };
        let (groups, tags) = try_join!(groups, tags)?;
        let row = async |group: types::LogGroup| match &tags {
            Some(tags) => {
                let mut names = group.log_group_arn.iter().chain(&group.log_group_name);
                let tags = names.find_map(|name| tags.get(name)).cloned();
                LogGroup::seen(group, tags.unwrap_or_default())
            }
            None => asked(logs, group).await,
        };
        found.add(each(groups, row).await?);
        Ok(())
    }

    async fn create(&self, (logs, _): &Self::Client, _mark: &str) -> Result<Self> {
        logs.create_log_group()
            .log_group_name(&self.log_group_name)
            .set_kms_key_id(self.kms_key_id.clone())
            .log_group_class(self.log_group_class.as_str().into())
            .set_tags(self.tags.to_map())
            .send()
            .await?;
        Ok(Self { retention_in_days: None, ..self.clone() })
    }

    async fn update(&self, was: &Self, (logs, _): &Self::Client) -> Result<()> {
        let name = &self.log_group_name;
        match self.retention_in_days {
            days if days == was.retention_in_days => (),
            Some(days) => {
                logs.put_retention_policy()
                    .log_group_name(name)
                    .retention_in_days(days)
                    .send()
                    .await
                    .done()?;
            }
            None => logs.delete_retention_policy().log_group_name(name).send().await.done()?,
        }
        match &self.kms_key_id {
            key if *key == was.kms_key_id => (),
            Some(key) => {
                logs.associate_kms_key().log_group_name(name).kms_key_id(key).send().await.done()?
            }
            None => logs.disassociate_kms_key().log_group_name(name).send().await.done()?,
        }
        let (set, remove) = self.tags.diff(&was.tags);
        let arn = || was.log_group_arn.as_deref().must("the log group's ARN");
        if !remove.is_empty() {
            logs.untag_resource().resource_arn(arn()?).set_tag_keys(Some(remove)).send().await?;
        }
        if let Some(set) = set.to_map() {
            logs.tag_resource().resource_arn(arn()?).set_tags(Some(set)).send().await?;
        }
        Ok(())
    }

    async fn loses(&self, (logs, _): &Self::Client) -> Result<Vec<&'static str>> {
        let name = &self.log_group_name;
        let streams = logs.describe_log_streams().log_group_name(name).limit(1).send().await?;
        let metrics = logs.describe_metric_filters().log_group_name(name).limit(1).send().await?;
        let subscriptions = logs.describe_subscription_filters().log_group_name(name).limit(1);
        let subscriptions = subscriptions.send().await?;
        let lost = [
            (streams.log_streams().is_empty(), "its log events"),
            (metrics.metric_filters().is_empty(), "its metric filters"),
            (subscriptions.subscription_filters().is_empty(), "its subscription filters"),
        ];
        Ok(lost.into_iter().filter(|(none, _)| !none).map(|(_, what)| what).collect())
    }

    async fn delete(&self, (logs, _): &Self::Client) -> Result<()> {
        logs.delete_log_group().log_group_name(&self.log_group_name).send().await.done()
    }
}

impl LogGroup {
    fn tagged(&self) -> (String, Tags) {
        (self.log_group_name.clone(), self.tags.clone())
    }

    fn seen(it: types::LogGroup, tags: Tags) -> Result<Self> {
        // Under a policy of the account, the group's own retention is not told.
        let own_retention = it.retention_policy_name.is_none();
        Ok(Self {
            log_group_name: it.log_group_name.must("a log group's name")?,
            log_group_arn: it.log_group_arn,
            creation_time: it.creation_time.map(Timestamp::from_millis),
            retention_in_days: it.retention_in_days.filter(|_| own_retention),
            kms_key_id: it.kms_key_id,
            log_group_class: it.log_group_class.map_or("STANDARD".to_owned(), |it| it.to_string()),
            replace_anyway: false,
            tags,
        })
    }
}

/// What all their names begin with: among many thousand groups those that were just made are few.
fn shared_start(made: &[LogGroup]) -> Option<String> {
    let mut names = made.iter().map(|group| group.log_group_name.as_str());
    let first = names.next()?;
    let same = |length: usize, name: &str| {
        let pairs = first.bytes().zip(name.bytes()).take(length);
        pairs.take_while(|(one, other)| one == other).count()
    };
    let length = names.fold(first.len(), same);
    first.get(..length).filter(|start| !start.is_empty()).map(str::to_owned)
}

/// A group along with the tags that it says it has.
async fn asked(logs: &Client, group: types::LogGroup) -> Result<LogGroup> {
    let arn = group.log_group_arn.as_deref().must("a log group's ARN")?;
    let tags = logs.list_tags_for_resource().resource_arn(arn).send().await?.tags;
    LogGroup::seen(group, tags.into_iter().flatten().collect())
}
