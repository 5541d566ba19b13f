//! Whose credentials, which region, which endpoint: the clients that everything else asks for.
//!
//! There are two of each, made from one configuration. The *reader*'s calls may be repeated and are
//! (the SDK retries them); the *writer*'s are sent once, and [`super::run`] finds out what became of
//! a call without an answer before it sends another.

use super::failure::{Error, Result};
use super::pace::{self, Interceptor, Pace};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use iasql_engine::wire::{Identity, Settings};
use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A client of the SDK.
pub trait Service: Sized + 'static {
    /// What IAM calls the service, `ecr`.
    const NAME: &'static str;

    /// A client for one region, to read or to write with.
    fn connect(config: &SdkConfig, how: How) -> Self;
}

/// What a client needs beside the configuration.
#[derive(Clone)]
pub struct How {
    /// Tells [`super::pace`] which call it is.
    interceptor: Interceptor,
    /// Retries of ours are no reason to refuse those of others: the SDK's count is per process.
    partition: RetryPartition,
}

/// The services that modules talk to. A new one is a line here.
macro_rules! services {
    ($($name:literal: $sdk:ident if $feature:meta,)*) => {$(
        #[cfg($feature)]
        impl Service for $sdk::Client {
            const NAME: &'static str = $name;

            fn connect(config: &SdkConfig, how: How) -> Self {
                let config = $sdk::config::Builder::from(config)
                    .interceptor(how.interceptor)
                    .retry_partition(how.partition);
                Self::from_conf(config.build())
            }
        }
    )*};
}

services! {
    "ec2": aws_sdk_ec2 if any(feature = "aws_account", feature = "aws_vpc"),
    "ecr": aws_sdk_ecr if feature = "aws_ecr",
    "ecr-public": aws_sdk_ecrpublic if feature = "aws_ecr",
    "ecs": aws_sdk_ecs if feature = "aws_ecs_fargate",
    "elasticloadbalancing": aws_sdk_elasticloadbalancingv2 if feature = "aws_elb",
    "iam": aws_sdk_iam if feature = "aws_iam",
    "logs": aws_sdk_cloudwatchlogs if feature = "aws_cloudwatch",
    "sts": aws_sdk_sts if all(),
    "tagging": aws_sdk_resourcegroupstagging if any(feature = "aws_cloudwatch", feature = "aws_elb"),
}

/// Two clients for a resource that takes both; the first is the service it belongs to.
impl<A: Service, B: Service> Service for (A, B) {
    const NAME: &'static str = A::NAME;

    fn connect(config: &SdkConfig, how: How) -> Self {
        (A::connect(config, how.clone()), B::connect(config, how))
    }
}

/// A client of a service that an account has once and not per region, for a resource that is in one.
pub struct Main<C>(C);

impl<C> Deref for Main<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C: Service> Service for Main<C> {
    const NAME: &'static str = C::NAME;

    fn connect(config: &SdkConfig, how: How) -> Self {
        let main = config.region().map(|region| Region::new(main_region(region.as_ref())));
        Self(C::connect(&config.to_builder().region(main).build(), how))
    }
}

/// An identity in AWS, and the clients that act under it.
pub struct Aws {
    settings: Settings,
    session: String,
    config: RefCell<SdkConfig>,
    clients: RefCell<HashMap<Key, Rc<dyn Any>>>,
    pace: Arc<Pace>,
    region: String,
    partition: RetryPartition,
    /// How often the credentials have been loaded.
    loaded: Cell<u32>,
}

/// Which client: its type, its region, whether it writes.
type Key = (TypeId, String, bool);

impl Aws {
    /// Loads the configuration as every tool for AWS does (environment, profile, SSO, process, web
    /// identity, container, instance), under the settings that overrule it. `session` names us in
    /// CloudTrail if a role is taken on.
    pub async fn connect(settings: &Settings, session: &str) -> Result<Self> {
        let pace = Pace::new(settings);
        let config = configure(settings, session, &pace).await?;
        let region = config.region().map(ToString::to_string).ok_or_else(no_region)?;
        Ok(Self::with(settings, session, pace, config, region))
    }

    fn with(
        settings: &Settings,
        session: &str,
        pace: Arc<Pace>,
        config: SdkConfig,
        region: String,
    ) -> Self {
        Self {
            settings: settings.clone(),
            session: session.to_owned(),
            config: RefCell::new(config),
            clients: RefCell::default(),
            pace,
            region,
            partition: RetryPartition::custom("iasql")
                .token_bucket(TokenBucket::unlimited())
                .build(),
            loaded: Cell::new(1),
        }
    }

    /// The same identity on another thread, where what this answers makes the clients. They keep one
    /// pace with those here.
    pub fn beside(&self) -> impl FnOnce() -> Self + Send + use<> {
        let pace = self.pace.beside();
        let config = self.config.borrow().to_builder().http_client(pace.client()).build();
        let (settings, session) = (self.settings.clone(), self.session.clone());
        let region = self.region.clone();
        move || Self::with(&settings, &session, pace, config, region)
    }

    /// A client to list with.
    pub fn reader<C: Service>(&self, region: &str) -> Rc<C> {
        self.client(region, false)
    }

    /// A client to change things with.
    pub fn writer<C: Service>(&self, region: &str) -> Rc<C> {
        self.client(region, true)
    }

    fn client<C: Service>(&self, region: &str, writes: bool) -> Rc<C> {
        let region = if region.is_empty() { self.main_region() } else { region };
        let key = (TypeId::of::<C>(), region.to_owned(), writes);
        if let Some(client) = self.clients.borrow().get(&key).cloned()
            && let Ok(client) = client.downcast()
        {
            return client;
        }
        let config = self.config.borrow();
        let mut retry = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        if writes {
            retry = retry.with_max_attempts(1);
        }
        let config =
            config.to_builder().region(Region::new(region.to_owned())).retry_config(retry).build();
        let interceptor = self.pace.interceptor(writes);
        let partition = self.partition.clone();
        let client = Rc::new(C::connect(&config, How { interceptor, partition }));
        self.clients.borrow_mut().insert(key, client.clone());
        client
    }

    /// The region that requests go to unless a row says otherwise.
    pub fn default_region(&self) -> &str {
        &self.region
    }

    /// Where the services live that an account has only one of.
    pub fn main_region(&self) -> &'static str {
        main_region(&self.region)
    }

    /// The endpoint that stands in for AWS's own, if any.
    pub fn endpoint(&self) -> Option<String> {
        self.config.borrow().endpoint_url().map(str::to_owned)
    }

    /// The user's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How fast we go.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// How often the credentials have been loaded, for [`Aws::renew`].
    pub fn loaded(&self) -> u32 {
        self.loaded.get()
    }

    /// Loads the credentials anew, once, for a call that found those of the `used`-th time expired.
    /// Says whether another attempt makes sense.
    pub async fn renew(&self, used: u32) -> Result<bool> {
        if self.loaded.get() > used {
            return Ok(true);
        }
        if self.loaded.get() > 1 {
            return Ok(false);
        }
        self.loaded.set(2);
        let config = configure(&self.settings, &self.session, &self.pace).await?;
        self.config.replace(config);
        self.clients.borrow_mut().clear();
        Ok(true)
    }

    /// Whose credentials these are. The first call of all: what is wrong with them shows here.
    pub async fn identity(&self) -> Result<Identity> {
        let sts = self.reader::<aws_sdk_sts::Client>(&self.region);
        let caller = sts.get_caller_identity().send().await?;
        Ok(Identity {
            account: caller.account.ok_or_else(|| Error::missing("the account's number"))?,
            arn: caller.arn.unwrap_or_default(),
            region: self.region.clone(),
            source: self.source().await,
            endpoint: self.endpoint(),
        })
    }

    /// Where the credentials came from, as well as the SDK tells.
    async fn source(&self) -> String {
        let provider = self.config.borrow().credentials_provider();
        let Some(provider) = provider else { return String::new() };
        let Ok(credentials) = provider.provide_credentials().await else { return String::new() };
        let features = credentials.get_property::<Vec<AwsCredentialFeature>>();
        let mut places: Vec<&str> = features.into_iter().flatten().filter_map(place).collect();
        places.dedup();
        match places.is_empty() {
            true => "unknown".to_owned(),
            false => places.join(", then "),
        }
    }
}

#[cfg(test)]
impl Aws {
    /// With a configuration of one's own.
    pub(crate) fn for_tests(
        settings: &Settings,
        config: impl FnOnce(&Arc<Pace>) -> SdkConfig,
    ) -> Self {
        let pace = Pace::new(settings);
        let config = config(&pace);
        Self::with(settings, "test", pace, config, "us-east-1".to_owned())
    }

    /// Clients that nobody will call.
    pub(crate) fn offline(settings: &Settings) -> Self {
        let version = BehaviorVersion::latest();
        Self::for_tests(settings, |_| SdkConfig::builder().behavior_version(version).build())
    }
}

async fn configure(settings: &Settings, session: &str, pace: &Arc<Pace>) -> Result<SdkConfig> {
    let client = pace.client();
    let retry = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(500))
        .with_max_backoff(Duration::from_secs(5));
    // One call as a whole is bounded in `pace`, where the time in line does not count; so is its
    // answer, which is why nothing else needs to watch for streams that stall.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(pace::CONNECT)
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .disable_read_timeout()
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .retry_config(retry)
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Ok(name) = AppName::new(concat!("iasql/", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    if let Some(region) = given(&settings.region) {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(profile) = given(&settings.profile) {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = given(&settings.endpoint_url) {
        loader = loader.endpoint_url(sound(url)?);
    }
    let mut config = loader.load().await;
    if let Some(profile) = given(&settings.profile) {
        // Asked for by name it goes before the environment, and one that is not there is an error.
        let how = ProviderConfig::without_region()
            .with_region(config.region().cloned())
            .with_http_client(client);
        let provider =
            ProfileFileCredentialsProvider::builder().configure(&how).profile_name(profile);
        let provider = SharedCredentialsProvider::new(provider.build());
        config = config.into_builder().credentials_provider(provider).build();
    }
    let Some(role) = given(&settings.assume_role_arn) else { return Ok(config) };
    let mut taken =
        AssumeRoleProvider::builder(role).session_name(session_name(session)).configure(&config);
    if let Some(id) = given(&settings.external_id) {
        taken = taken.external_id(id);
    }
    let taken = SharedCredentialsProvider::new(taken.build().await);
    Ok(config.into_builder().credentials_provider(taken).build())
}

/// A setting that is there and says something.
fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|setting| !setting.is_empty())
}

/// An endpoint that requests can be sent to: not the address that hands out an instance's
/// credentials, which would take a signed request for one of its own.
fn sound(url: &str) -> Result<&str> {
    let bad = |why: &str| Error::Setting {
        why: format!("iasql.endpoint_url: {why}"),
        hint: "Write it as http://host:port or https://host.".to_owned(),
    };
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = host.ok_or_else(|| bad("it must begin with http:// or https://"))?;
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    match host {
        "" => Err(bad("it names no host")),
        _ if host.contains('@') || host.contains(char::is_whitespace) => {
            Err(bad("it names no plain host"))
        }
        _ if host.starts_with("169.254.")
            || host.starts_with("[fd00:ec2:")
            || host.starts_with("[fe80:") =>
        {
            Err(bad("it names a link-local address"))
        }
        _ => Ok(url),
    }
}

/// The name of a role session: what IAM allows in it, of what was asked for.
fn session_name(wanted: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let name: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).take(64).collect();
    if name.len() < 2 { "iasql".to_owned() } else { name }
}

/// The region of a partition that its global services live in.
fn main_region(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "cn-north-1",
        _ if region.starts_with("us-gov-") => "us-gov-west-1",
        _ if region.starts_with("us-isob-") => "us-isob-east-1",
        _ if region.starts_with("us-iso-") => "us-iso-east-1",
        _ if region.starts_with("eusc-") => "eusc-de-east-1",
        _ => "us-east-1",
    }
}

fn no_region() -> Error {
    Error::Setting {
        why: "no AWS region is configured".to_owned(),
        hint:
            "Set one with SELECT default_aws_region('us-east-1'), or AWS_REGION in the environment \
               of the server, or region in its AWS profile."
                .to_owned(),
    }
}

fn place(feature: &AwsCredentialFeature) -> Option<&'static str> {
    use AwsCredentialFeature as From;
    Some(match feature {
        From::CredentialsEnvVars => "environment",
        From::CredentialsEnvVarsStsWebIdToken
        | From::CredentialsProfileStsWebIdToken
        | From::CredentialsStsAssumeRoleWebId => "web identity",
        From::CredentialsProfile
        | From::CredentialsProfileSourceProfile
        | From::CredentialsProfileNamedProvider => "profile",
        From::CredentialsProfileSso | From::CredentialsSso => "single sign-on",
        From::CredentialsProfileProcess | From::CredentialsProcess => "process",
        From::CredentialsStsAssumeRole => "assumed role",
        From::CredentialsHttp => "container",
        From::CredentialsImds => "instance",
        From::CredentialsCode => "settings",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_looked_at_before_anything_is_signed() {
        for good in
            ["http://127.0.0.1:5000", "https://localhost.localstack.cloud:4566/", "http://[::1]:1"]
        {
            assert_eq!(sound(good).unwrap(), good);
        }
        for bad in [
            "localhost:5000",
            "ftp://x",
            "http://",
            "http:///x",
            "http://169.254.169.254/latest",
            "http://[fd00:ec2::254]",
            "http://user:pw@host",
            "http://a b",
        ] {
            assert!(matches!(sound(bad), Err(Error::Setting { .. })), "{bad}");
        }
    }

    #[test]
    fn session_names_are_what_iam_takes() {
        assert_eq!(session_name("iasql-my db-rôle/x"), "iasql-my-db-r-le-x");
        assert_eq!(session_name(""), "iasql");
        assert_eq!(session_name(&"x".repeat(100)).len(), 64);
    }

    #[test]
    fn global_services_live_in_their_partition() {
        for (region, main) in [
            ("eu-west-1", "us-east-1"),
            ("cn-northwest-1", "cn-north-1"),
            ("us-gov-east-1", "us-gov-west-1"),
            ("us-isob-east-1", "us-isob-east-1"),
        ] {
            assert_eq!(main_region(region), main);
        }
    }

    #[test]
    fn a_client_is_made_once_for_each_region_and_use() {
        let aws = Aws::offline(&Settings::default());
        let reader = aws.reader::<aws_sdk_sts::Client>("");
        assert!(Rc::ptr_eq(&reader, &aws.reader("us-east-1")));
        assert!(!Rc::ptr_eq(&reader, &aws.writer("us-east-1")));
        assert!(!Rc::ptr_eq(&reader, &aws.reader("eu-west-1")));
        let attempts =
            |client: &aws_sdk_sts::Client| client.config().retry_config().unwrap().max_attempts();
        assert_eq!(attempts(&aws.writer("us-east-1")), 1);
    }
}
