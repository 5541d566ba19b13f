//! Who may pull from and push to a private repository.
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetRepositoryPolicy.html>

use super::{Repository, repositories};
use crate::prelude::*;
use aws_sdk_ecr::Client;

/// The policy of a private repository: who may pull from it and push to it.
#[derive(Debug, Clone, Resource)]
#[resource(
    reads("ecr:DescribeRepositories", "ecr:GetRepositoryPolicy"),
    writes("ecr:DeleteRepositoryPolicy", "ecr:SetRepositoryPolicy")
)]
pub struct RepositoryPolicy {
    /// The repository it is for; each has one policy at most.
    #[column(key, id)]
    pub repository_name: Named<Repository>,
    /// The account whose registry the repository is in, given by AWS.
    #[column(read_only)]
    pub registry_id: Option<String>,
    /// The policy document.
    #[check(
        sql = "NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(NEW.policy_text -> 'Statement') WHEN 'array' THEN NEW.policy_text -> 'Statement' ELSE jsonb_build_array(NEW.policy_text -> 'Statement') END) AS item (statement) WHERE NOT item.statement ?| '{Principal,NotPrincipal}')",
        message = "policy_text has a statement without a Principal: it says for nobody what is allowed",
        hint = "Write whom it is for, as in \"Principal\": {\"AWS\": \"arn:aws:iam::123456789012:root\"}, or \"*\" for everyone."
    )]
    pub policy_text: Policy,
}

impl Cloud for RepositoryPolicy {
    type Client = Client;

    async fn list(ecr: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let only = which.like().map(|policy| &*policy.repository_name);
        repositories(ecr, only, async |page| {
            // A repository without a policy answers "not found", and so is left out.
            let policy = async |repository: aws_sdk_ecr::types::Repository| {
                let name = repository.repository_name.must("a repository's name")?;
                let it = ecr.get_repository_policy().repository_name(&name).send().await?;
                Ok(Self {
                    repository_name: name.into(),
                    registry_id: it.registry_id,
                    policy_text: Policy::parse(&it.policy_text.must("the policy's text")?)?,
                })
            };
            found.add(each(page, policy).await?);
            Ok(())
        })
        .await
    }

    async fn create(&self, ecr: &Client, _mark: &str) -> Result<Self> {
        let set = ecr
            .set_repository_policy()
            .repository_name(&*self.repository_name)
            .policy_text(self.policy_text.to_text())
            .send()
            .await?;
        Ok(Self { registry_id: set.registry_id, ..self.clone() })
    }

    async fn update(&self, _was: &Self, ecr: &Client) -> Result<()> {
        self.create(ecr, "").await.done()
    }

    async fn delete(&self, ecr: &Client) -> Result<()> {
        ecr.delete_repository_policy().repository_name(&*self.repository_name).send().await.done()
    }
}
