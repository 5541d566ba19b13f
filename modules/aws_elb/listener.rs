//! What load balancers listen to.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Listener.html>
//!
//! The table holds listeners that by default send everything to one target group. Rules that send
//! some of it elsewhere, more certificates and attributes have no columns, and are left as they are.

use super::{LoadBalancer, TargetGroup, if_any, listed, load_balancers, name_in};
use super::{PAGE, retag, tags_of, target_groups};
use crate::prelude::*;
use aws_sdk_elasticloadbalancingv2::{Client, types};
use futures_util::try_join;

/// A port of a load balancer, and the target group that what comes in there is sent to.
#[derive(Debug, Clone, Resource)]
#[resource(
    reads(
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags"
    ),
    writes(
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:DescribeListenerCertificates",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:RemoveTags"
    )
)]
#[check(
    sql = "(NEW.protocol IN ('HTTPS', 'TLS')) = (NEW.certificate_arn IS NOT NULL)",
    message = "a listener has a certificate_arn if its protocol is HTTPS or TLS, and else none",
    hint = "Set both together: protocol HTTPS and the ARN of a certificate, or protocol HTTP and NULL."
)]
#[check(
    sql = "NEW.ssl_policy IS NULL OR NEW.protocol IN ('HTTPS', 'TLS')",
    message = "a listener has an ssl_policy only if its protocol is HTTPS or TLS",
    hint = "Set ssl_policy to NULL."
)]
pub struct Listener {
    /// The load balancer that listens. A change replaces the listener.
    #[column(key, fixed)]
    pub load_balancer_name: Named<LoadBalancer>,
    /// The port. A change replaces the listener.
    #[column(key)]
    #[check(
        sql = "NEW.port BETWEEN 1 AND 65535",
        message = "port of a listener is not from 1 to 65535",
        hint = "Write the port that clients connect to, such as 80."
    )]
    pub port: i32,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub listener_arn: Option<String>,
    /// How clients speak: HTTP or HTTPS to an application load balancer, the others to a network one.
    #[column(labels("GENEVE", "HTTP", "HTTPS", "TCP", "TCP_UDP", "TLS", "UDP"))]
    pub protocol: String,
    /// What is done with what comes in.
    #[column(labels("forward"), default = "'forward'", not_null)]
    pub action_type: String,
    /// The target group that it is sent to.
    #[column(enables)]
    #[check(
        sql = "NEW.target_group_name IS NOT NULL",
        message = "a listener without target_group_name has nowhere to send what comes in",
        hint = "Write the name of a target group."
    )]
    pub target_group_name: Option<Named<TargetGroup>>,
    /// What encryption clients may use; AWS decides if NULL.
    #[column(late)]
    pub ssl_policy: Option<String>,
    /// The ARN of the certificate that clients are shown by default.
    #[check(
        sql = "NEW.certificate_arn ~ '^arn:[a-z-]+:(acm|iam):.+'",
        message = "certificate_arn is not the ARN of a certificate of ACM or IAM",
        hint = "Write it like arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab."
    )]
    pub certificate_arn: Option<String>,
    /// Lets the listener be made anew although that loses its rules and further certificates. For the
    /// next apply.
    #[column(waiver, default = "false")]
    pub replace_anyway: bool,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for Listener {
    type Client = Client;

    const SETTLES: bool = true;

    async fn list(elb: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let like = which.like();
        let only = like.map(|like| &*like.load_balancer_name);
        let balancers = if_any(load_balancers(elb, only).await)?;
        let of = async |balancer: types::LoadBalancer| {
            let arn = balancer.load_balancer_arn.must("a load balancer's ARN")?;
            let request = elb.describe_listeners().load_balancer_arn(arn).page_size(PAGE);
            let (mut all, mut pages) = (Vec::new(), request.into_paginator().send());
            while let Some(page) = pages.try_next().await? {
                all.extend(page.listeners.unwrap_or_default());
            }
            Ok(all)
        };
        let all: Vec<_> = each(balancers, of).await?.into_iter().flatten().collect();
        let arns = all.iter().filter_map(|it| it.listener_arn.clone()).collect();
        let mut tags = tags_of(elb, arns).await?;
        let mut rows = Vec::new();
        for it in all {
            let arn = it.listener_arn.clone().must("a listener's ARN")?;
            match (Self::seen(it), tags.remove(&arn)) {
                (Err(why), _) => found.cannot(arn, why),
                (Ok(row), Some(tags)) => rows.push(Self { tags, ..row }),
                (Ok(_), None) => (),
            }
        }
        found.add(rows);
        Ok(())
    }

    async fn create(&self, elb: &Client, _mark: &str) -> Result<Self> {
        let balancers = load_balancers(elb, Some(&self.load_balancer_name));
        let (mut balancers, action) = try_join!(balancers, self.forward(elb, None))?;
        let made = elb
            .create_listener()
            .set_load_balancer_arn(balancers.pop().and_then(|it| it.load_balancer_arn))
            .port(self.port)
            .protocol(self.protocol.as_str().into())
            .default_actions(action)
            .set_ssl_policy(self.ssl_policy.clone())
            .set_certificates(self.certificates())
            .set_tags(listed(&self.tags))
            .send()
            .await?;
        let made = made.listeners.into_iter().flatten().next().must("the listener it made")?;
        let row = Self::seen(made).map_err(|why| Error::row("target_group_name", why))?;
        Ok(Self { tags: self.tags.clone(), ..row })
    }

    async fn update(&self, was: &Self, elb: &Client) -> Result<()> {
        let arn = was.listener_arn.as_deref().must("the listener's ARN")?;
        let mut request = elb.modify_listener();
        if self.target_group_name != was.target_group_name {
            let now = elb.describe_listeners().listener_arns(arn).send().await?.listeners;
            let action = now.into_iter().flatten().next().and_then(|it| it.default_actions?.pop());
            request = request.default_actions(self.forward(elb, action).await?);
        }
        if self.protocol != was.protocol {
            request = request.protocol(self.protocol.as_str().into());
        }
        if self.ssl_policy != was.ssl_policy {
            request = request.set_ssl_policy(self.ssl_policy.clone());
        }
        if self.certificate_arn != was.certificate_arn {
            request = request.set_certificates(self.certificates());
        }
        if *request.as_input() != *elb.modify_listener().as_input() {
            request.listener_arn(arn).send().await?;
        }
        retag(elb, arn, &self.tags, &was.tags).await
    }

    async fn loses(&self, elb: &Client) -> Result<Vec<&'static str>> {
        let arn = || self.listener_arn.clone();
        let rules = elb.describe_rules().set_listener_arn(arn()).send().await?.rules;
        let own = rules.into_iter().flatten().any(|rule| rule.is_default != Some(true));
        let mut lost: Vec<_> = own.then_some("its rules").into_iter().collect();
        if self.certificate_arn.is_some() {
            let request = elb.describe_listener_certificates().set_listener_arn(arn());
            let all = request.send().await?.certificates;
            let further = all.into_iter().flatten().any(|it| it.is_default != Some(true));
            lost.extend(further.then_some("its further certificates"));
        }
        Ok(lost)
    }

    /// AWS drops the policy along with the encryption, and chooses one along with it.
    async fn settle(self, elb: &Client) -> Result<Self> {
        let arn = self.listener_arn.as_deref().must("the listener's ARN")?;
        let now = elb.describe_listeners().listener_arns(arn).send().await?.listeners;
        let now = now.into_iter().flatten().next().must("the listener")?;
        Ok(Self { ssl_policy: now.ssl_policy, ..self })
    }

    async fn delete(&self, elb: &Client) -> Result<()> {
        elb.delete_listener().set_listener_arn(self.listener_arn.clone()).send().await.done()
    }
}

impl Listener {
    /// The action that sends all to its target group, in other respects like the one before.
    async fn forward(&self, elb: &Client, was: Option<types::Action>) -> Result<types::Action> {
        let name = self.target_group_name.as_deref().must("the name of a target group")?;
        let group = target_groups(elb, Some(name)).await?.pop();
        let arn = group.and_then(|it| it.target_group_arn).must("the target group's ARN")?;
        let to = types::TargetGroupTuple::builder().target_group_arn(&arn).build();
        let forward = types::ActionTypeEnum::Forward;
        let mut action = was.unwrap_or_else(|| types::Action::builder().r#type(forward).build());
        if let Some(config) = &mut action.forward_config {
            config.target_groups = Some(vec![to]);
        }
        action.target_group_arn = Some(arn);
        Ok(action)
    }

    fn certificates(&self) -> Option<Vec<types::Certificate>> {
        let arn = self.certificate_arn.as_ref()?;
        Some(vec![types::Certificate::builder().certificate_arn(arn).build()])
    }

    /// Without its tags; or why the table can't hold it.
    fn seen(it: types::Listener) -> Result<Self, &'static str> {
        let balancer = it.load_balancer_arn.as_deref().and_then(name_in);
        let group = target(it.default_actions.as_deref().unwrap_or_default())?;
        let mutual = it.mutual_authentication.and_then(|it| it.mode);
        if mutual.is_some_and(|mode| mode != "off") {
            return Err("its clients show certificates, which the table has no column for");
        }
        let certificate = it.certificates.into_iter().flatten().next();
        Ok(Self {
            load_balancer_name: balancer.ok_or("its load balancer has no name")?.into(),
            port: it.port.ok_or("it listens to all ports, as those of gateways do")?,
            listener_arn: it.listener_arn,
            protocol: it.protocol.ok_or("it has no protocol")?.to_string(),
            action_type: "forward".to_owned(),
            target_group_name: Some(group.into()),
            ssl_policy: it.ssl_policy,
            certificate_arn: certificate.and_then(|it| it.certificate_arn),
            replace_anyway: false,
            tags: Tags::default(),
        })
    }
}

/// The name of the one target group that actions send everything to.
fn target(actions: &[types::Action]) -> Result<&str, &'static str> {
    let [action] = actions else { return Err("it does several things, not just forward") };
    if action.r#type != Some(types::ActionTypeEnum::Forward) {
        return Err("what it does by default is not to forward");
    }
    let groups = action.forward_config.as_ref().and_then(|it| it.target_groups.as_deref());
    let arn = match groups {
        Some([only]) => only.target_group_arn.as_deref(),
        Some([_, _, ..]) => return Err("it forwards to several target groups"),
        _ => action.target_group_arn.as_deref(),
    };
    arn.and_then(name_in).ok_or("it forwards to no target group")
}
