//! Roles.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
//!
//! `GetAccountAuthorizationDetails` answers with a thousand roles at a time and all their policies,
//! but not with description and session duration; `ListRoles` has these and little else. So the two
//! are read side by side. An identity that may not use the first asks role by role, and waits.

use crate::prelude::*;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{self, AttachedPolicy, EntityType, PolicyDetail, RoleDetail};
use futures_util::try_join;
use iasql_engine::wire::Trouble;
use std::collections::HashMap;
use std::mem;

/// The page size of IAM's listings.
const PAGE: i32 = 1000;
/// So many roles are taken apart at a time: their documents take ten times the room then.
const PORTION: usize = 500;

/// A role: who may take it on, and what it allows them then.
#[derive(Debug, Clone, Resource)]
#[resource(
    global,
    primary_key = "role_name",
    reads(
        "iam:GetAccountAuthorizationDetails",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
        "iam:ListRoles"
    ),
    writes(
        "iam:AttachRolePolicy",
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:DeleteRolePermissionsBoundary",
        "iam:DeleteRolePolicy",
        "iam:DetachRolePolicy",
        "iam:ListInstanceProfilesForRole",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole"
    )
)]
pub struct Role {
    /// Its name, unique within the account.
    #[column(key)]
    #[check(
        sql = "NEW.role_name ~ '^[A-Za-z0-9+=,.@_-]{1,64}$'",
        message = "role_name is no name for a role: 1 to 64 letters, digits, and + = , . @ _ -",
        hint = "Write it like web or web-task."
    )]
    pub role_name: String,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub arn: Option<String>,
    /// ID, given by AWS: another role of the same name has another one.
    #[column(read_only)]
    pub role_id: Option<String>,
    /// When it was made.
    #[column(created, read_only)]
    pub create_date: Option<Timestamp>,
    /// The policy document that says who may take it on.
    #[check(
        sql = "NEW.assume_role_policy_document IS NULL OR NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(NEW.assume_role_policy_document -> 'Statement') WHEN 'array' THEN NEW.assume_role_policy_document -> 'Statement' ELSE jsonb_build_array(NEW.assume_role_policy_document -> 'Statement') END) AS item (statement) WHERE NOT item.statement ?| '{Principal,NotPrincipal}')",
        message = "assume_role_policy_document has a statement without a Principal: it does not say who may take the role on",
        hint = "Write who, as in {\"Effect\": \"Allow\", \"Principal\": {\"Service\": \"ecs-tasks.amazonaws.com\"}, \"Action\": \"sts:AssumeRole\"}."
    )]
    pub assume_role_policy_document: Policy,
    /// What it is for.
    #[check(
        sql = "length(NEW.description) <= 1000 AND NEW.description ~ '^[\\t\\n\\r -~\\u00a1-\\u00ff]+$'",
        message = "description is not one AWS takes: 1 to 1000 characters of English and other Western European languages",
        hint = "Leave the other characters out, or write NULL for none."
    )]
    pub description: Option<String>,
    /// The ARNs of the managed policies that are attached to it, in no order.
    #[column(default = "'{}'")]
    #[check(
        sql = "NOT EXISTS (SELECT FROM unnest(NEW.attached_policies_arns) AS policy (arn) WHERE policy.arn IS NULL OR policy.arn !~ '^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/.+$')",
        message = "attached_policies_arns has something that is not the ARN of a managed policy",
        hint = "Write them like {arn:aws:iam::aws:policy/ReadOnlyAccess}; documents of the role's own go into inline_policies."
    )]
    pub attached_policies_arns: Set,
    /// The policy documents that are part of it, by name.
    pub inline_policies: Policies,
    /// The path that its ARN has before the name, for policies over many roles. A change replaces
    /// the role.
    #[column(fixed, default = "'/'")]
    #[check(
        sql = "NEW.path ~ '^/([!-~]+/)?$' AND length(NEW.path) <= 512",
        message = "path is no path for a role: up to 512 characters other than spaces, with / first and last",
        hint = "Write it like /team/, or leave it out."
    )]
    #[check(
        sql = "NEW.arn IS NOT NULL OR NEW.path !~ '^/aws-(service-role|reserved)/'",
        message = "path is one that AWS keeps to the roles it makes by itself",
        hint = "Write another path, such as /team/."
    )]
    pub path: String,
    /// How many seconds a session in it may last at most.
    #[column(default = "3600")]
    #[check(
        sql = "NEW.max_session_duration BETWEEN 3600 AND 43200",
        message = "max_session_duration is not between 3600 and 43200 seconds",
        hint = "Write 3600 for an hour, 43200 for twelve."
    )]
    pub max_session_duration: i32,
    /// The ARN of the managed policy that bounds what the others can allow; no bounds, if NULL.
    #[check(
        sql = "NEW.permissions_boundary ~ '^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/.+$'",
        message = "permissions_boundary is not the ARN of a managed policy",
        hint = "Write it like arn:aws:iam::aws:policy/PowerUserAccess."
    )]
    pub permissions_boundary: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for Role {
    type Client = Client;

    async fn list(iam: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        if let Some(like) = which.like() {
            let name = vec![like.role_name.clone()];
            found.add(each(name, async |name| asked(iam, name).await).await?);
            return Ok(());
        }
        let (roles, mut details) = try_join!(roles(iam), details(iam))?;
        let (mut rows, mut alone) = (Vec::new(), Vec::new());
        for mut role in roles {
            if rows.len() == PORTION {
                found.add(mem::take(&mut rows));
            }
            match details.remove(&role.role_name) {
                Some(it) => {
                    role.tags = it.tags;
                    role.permissions_boundary = it.permissions_boundary;
                    let attached = it.attached_managed_policies.unwrap_or_default();
                    rows.push(Self::seen(role, attached, it.role_policy_list.unwrap_or_default())?);
                }
                None => alone.push(role.role_name),
            }
        }
        // One of the answers alone has what was made in between.
        alone.extend(details.into_keys());
        rows.extend(each(alone, async |name| asked(iam, name).await).await?);
        found.add(rows);
        Ok(())
    }

    async fn create(&self, iam: &Client, _mark: &str) -> Result<Self> {
        let made = iam
            .create_role()
            .role_name(&self.role_name)
            .path(&self.path)
            .assume_role_policy_document(self.assume_role_policy_document.to_text())
            .set_description(self.description.clone())
            .max_session_duration(self.max_session_duration)
            .set_permissions_boundary(self.permissions_boundary.clone())
            .set_tags(listed(&self.tags)?)
            .send()
            .await?;
        let made = made.role.must("the role it made")?;
        Ok(Self {
            arn: Some(made.arn),
            role_id: Some(made.role_id),
            create_date: Some(made.create_date.into()),
            attached_policies_arns: Set::default(),
            inline_policies: Policies::default(),
            ..self.clone()
        })
    }

    async fn update(&self, was: &Self, iam: &Client) -> Result<()> {
        let name = &self.role_name;
        if !self.assume_role_policy_document.means(&was.assume_role_policy_document) {
            iam.update_assume_role_policy()
                .role_name(name)
                .policy_document(self.assume_role_policy_document.to_text())
                .send()
                .await?;
        }
        let described = |it: &Self| (it.description.clone(), it.max_session_duration);
        if described(self) != described(was) {
            // What is left out goes back to AWS's default.
            iam.update_role()
                .role_name(name)
                .description(self.description.clone().unwrap_or_default())
                .max_session_duration(self.max_session_duration)
                .send()
                .await?;
        }
        self.bound(was, iam).await?;
        self.attach(was, iam).await?;
        self.embed(was, iam).await?;
        let (set, remove) = self.tags.diff(&was.tags);
        if !remove.is_empty() {
            iam.untag_role().role_name(name).set_tag_keys(Some(remove)).send().await?;
        }
        if let Some(set) = listed(&set)? {
            iam.tag_role().role_name(name).set_tags(Some(set)).send().await?;
        }
        Ok(())
    }

    async fn delete(&self, iam: &Client) -> Result<()> {
        let remove = async || iam.delete_role().role_name(&self.role_name).send().await.done();
        match remove().await {
            Err(error) if error.in_use() => clear(iam, &self.role_name).await?,
            outcome => return outcome,
        }
        // IAM takes a moment to see that nothing is left.
        until("the role to be free of its policies", SEEN, async || match remove().await {
            Err(error) if error.in_use() => Ok(None),
            Err(error) if !error.not_found() => Err(error),
            _ => Ok(Some(())),
        })
        .await
    }

    fn kept(&self) -> Option<&'static str> {
        match self.path.as_str() {
            path if path.starts_with("/aws-service-role/") => {
                Some("AWS made this role for one of its services, which alone can delete it")
            }
            path if path.starts_with("/aws-reserved/") => {
                Some("AWS made this role for IAM Identity Center, which alone can delete it")
            }
            _ => None,
        }
    }
}

/// How long IAM may take to see its own changes.
const SEEN: Duration = Duration::from_secs(15);

impl Role {
    fn seen(
        it: types::Role,
        attached: Vec<AttachedPolicy>,
        inline: Vec<PolicyDetail>,
    ) -> Result<Self> {
        let inline = inline.into_iter().map(|policy| {
            let text = policy.policy_document.must("a policy's document")?;
            Ok((policy.policy_name.must("a policy's name")?, document(&text)?))
        });
        let tags = it.tags.into_iter().flatten().map(|tag| (tag.key, tag.value));
        Ok(Self {
            role_name: it.role_name,
            arn: Some(it.arn),
            role_id: Some(it.role_id),
            create_date: Some(it.create_date.into()),
            assume_role_policy_document: document(
                &it.assume_role_policy_document.must("a role's policy document")?,
            )?,
            description: it.description.filter(|text| !text.is_empty()),
            attached_policies_arns: attached.into_iter().filter_map(|it| it.policy_arn).collect(),
            inline_policies: Policies(inline.collect::<Result<_>>()?),
            path: it.path,
            max_session_duration: it.max_session_duration.unwrap_or(3600),
            permissions_boundary: it
                .permissions_boundary
                .and_then(|it| it.permissions_boundary_arn),
            tags: tags.collect(),
        })
    }

    async fn bound(&self, was: &Self, iam: &Client) -> Result<()> {
        let name = &self.role_name;
        match &self.permissions_boundary {
            bounds if *bounds == was.permissions_boundary => Ok(()),
            Some(bounds) => iam
                .put_role_permissions_boundary()
                .role_name(name)
                .permissions_boundary(bounds)
                .send()
                .await
                .done(),
            None => iam.delete_role_permissions_boundary().role_name(name).send().await.done(),
        }
    }

    async fn attach(&self, was: &Self, iam: &Client) -> Result<()> {
        let (wanted, had) = (&self.attached_policies_arns, &was.attached_policies_arns);
        let add = async || {
            for arn in wanted.difference(had) {
                iam.attach_role_policy().role_name(&self.role_name).policy_arn(arn).send().await?;
            }
            Ok(())
        };
        new_first(add, async || {
            for arn in had.difference(wanted) {
                detach(iam, &self.role_name, arn).await?;
            }
            Ok(())
        })
        .await
    }

    async fn embed(&self, was: &Self, iam: &Client) -> Result<()> {
        let (put, remove) = self.inline_policies.diff(&was.inline_policies);
        let add = async || {
            for (policy, document) in &put {
                iam.put_role_policy()
                    .role_name(&self.role_name)
                    .policy_name(*policy)
                    .policy_document(document.to_text())
                    .send()
                    .await?;
            }
            Ok(())
        };
        new_first(add, async || {
            for policy in &remove {
                drop_inline(iam, &self.role_name, policy).await?;
            }
            Ok(())
        })
        .await
    }
}

/// Adds before it removes, so that whoever is in the role is never without. Where AWS takes no more
/// with the old ones there, these have to go first.
async fn new_first(
    add: impl AsyncFn() -> Result<()>,
    remove: impl AsyncFn() -> Result<()>,
) -> Result<()> {
    match add().await {
        Err(error) if error.code() == "LimitExceeded" => {
            remove().await?;
            add().await
        }
        outcome => {
            outcome?;
            remove().await
        }
    }
}

async fn detach(iam: &Client, role: &str, arn: &str) -> Result<()> {
    gone(iam.detach_role_policy().role_name(role).policy_arn(arn).send().await.done())
}

async fn drop_inline(iam: &Client, role: &str, policy: &str) -> Result<()> {
    gone(iam.delete_role_policy().role_name(role).policy_name(policy).send().await.done())
}

/// What is not there need not be removed.
fn gone(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.not_found() { Ok(()) } else { Err(error) })
}

/// Takes away all that AWS does not delete a role with, whoever put it there.
async fn clear(iam: &Client, role: &str) -> Result<()> {
    let profiles = iam.list_instance_profiles_for_role().role_name(role).max_items(PAGE);
    let profiles = async { Ok(profiles.into_paginator().items().send().try_collect().await?) };
    let (policies, own, profiles) = try_join!(attached(iam, role), inline(iam, role), profiles)?;
    for policy in policies {
        detach(iam, role, &policy.policy_arn.must("a policy's ARN")?).await?;
    }
    for policy in own {
        drop_inline(iam, role, &policy).await?;
    }
    for profile in profiles {
        let request = iam.remove_role_from_instance_profile().role_name(role);
        let request = request.instance_profile_name(profile.instance_profile_name);
        gone(request.send().await.done())?;
    }
    Ok(())
}

async fn roles(iam: &Client) -> Result<Vec<types::Role>> {
    let roles = iam.list_roles().max_items(PAGE).into_paginator().items().send();
    Ok(roles.try_collect().await?)
}

/// All there is about roles but for what `ListRoles` has, by name; nothing if it may not be read.
async fn details(iam: &Client) -> Result<HashMap<String, RoleDetail>> {
    let request = iam.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE);
    let mut pages = request.into_paginator().send();
    let mut details = HashMap::new();
    loop {
        let page = match pages.try_next().await.map_err(Error::from) {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(details),
            Err(error) if error.kind() == Trouble::Denied => return Ok(HashMap::new()),
            Err(error) => return Err(error),
        };
        for it in page.role_detail_list.into_iter().flatten() {
            details.insert(it.role_name.clone().must("a role's name")?, it);
        }
    }
}

/// A single role, asked for itself.
async fn asked(iam: &Client, name: String) -> Result<Role> {
    let role = async { iam.get_role().role_name(&name).send().await?.role.must("the role") };
    let (role, attached, inline) = try_join!(role, attached(iam, &name), inline(iam, &name))?;
    let policy = async |policy: String| {
        let it = iam.get_role_policy().role_name(&name).policy_name(policy).send().await?;
        Ok(PolicyDetail::builder()
            .policy_name(it.policy_name)
            .policy_document(it.policy_document)
            .build())
    };
    Role::seen(role, attached, each(inline, policy).await?)
}

async fn attached(iam: &Client, role: &str) -> Result<Vec<AttachedPolicy>> {
    let policies = iam.list_attached_role_policies().role_name(role).max_items(PAGE);
    Ok(policies.into_paginator().items().send().try_collect().await?)
}

async fn inline(iam: &Client, role: &str) -> Result<Vec<String>> {
    let policies = iam.list_role_policies().role_name(role).max_items(PAGE);
    Ok(policies.into_paginator().items().send().try_collect().await?)
}

/// A policy document as IAM answers with it: encoded for URLs.
fn document(text: &str) -> Result<Policy> {
    let text =
        urlencoding::decode(text).map_err(|_| Error::missing("a policy document in UTF-8"))?;
    Policy::parse(&text)
}

fn listed(tags: &Tags) -> Result<Option<Vec<types::Tag>>> {
    let tag = |(name, value)| types::Tag::builder().key(name).value(value).build();
    let tags = tags.iter().map(tag).collect::<std::result::Result<Vec<_>, _>>();
    let tags = tags.map_err(|error| Error::Internal(error.to_string()))?;
    Ok((!tags.is_empty()).then_some(tags))
}
