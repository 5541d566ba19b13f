//! What can go wrong between us and AWS, and what it means to whoever waits for it.
//!
//! One error type for the whole crate. What a code of AWS *means* (not there, too many calls, in
//! use, ...) is decided here and nowhere else; call sites ask [`Error::not_found`] and the like.
//! No text that leaves this file carries a secret.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_types::request_id::RequestId;
use iasql_engine::wire::{Failure, Trouble};
use std::error::Error as StdError;
use std::fmt;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The service answered, and the answer is no (or can't be understood).
    #[error("{0}")]
    Api(Box<Api>),
    /// No answer.
    #[error("{0}")]
    Unreachable(Box<Lost>),
    /// Nothing to sign requests with.
    #[error("{why}")]
    Credentials {
        /// What was tried.
        why: String,
        /// What to do.
        hint: String,
    },
    /// A setting of ours makes no sense, or is missing.
    #[error("{why}")]
    Setting {
        /// What is wrong.
        why: String,
        /// What to write instead.
        hint: String,
    },
    /// A row that can't be put in AWS's terms.
    #[error("column \"{column}\": {why}")]
    Row {
        /// The column.
        column: String,
        /// What is wrong with it.
        why: String,
    },
    /// An answer without a part that it always has.
    #[error("AWS answered without {0}")]
    Missing(String),
    /// A state was waited for and did not come.
    #[error("gave up waiting for {0}")]
    TooSlow(String),
    /// A listing that does not come to its end.
    #[error("the listing goes in circles: {0}")]
    Endless(String),
    /// The call of the user ended before this had its turn; nothing was sent.
    #[error("cancelled before it was begun")]
    Cancelled,
    /// Our own fault.
    #[error("{0}")]
    Internal(String),
}

/// A call of an API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The service as IAM calls it, `ecr`.
    pub service: String,
    /// The operation, `CreateRepository`.
    pub operation: String,
    /// The region it goes to.
    pub region: String,
    /// Whether it comes from a client that changes things.
    pub writes: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation.as_str() {
            "" => f.write_str("AWS"),
            operation => write!(f, "{} {operation}", self.service),
        }
    }
}

/// An answer that is not success.
#[derive(Debug, Clone, Default)]
pub struct Api {
    /// What was asked.
    pub call: Call,
    /// The service's own code; empty if the answer is not in its form.
    pub code: String,
    /// The service's own words.
    pub message: String,
    /// The request's id.
    pub request_id: String,
    /// The HTTP status.
    pub status: u16,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, code, message, status, .. } = self;
        match (code.as_str(), message.as_str()) {
            ("", "") => write!(f, "{call} failed: HTTP {status}, not in the service's own form"),
            ("", message) => write!(f, "{call} failed: HTTP {status}: {message}"),
            (code, "") => write!(f, "{call} refused: {code}"),
            (code, message) => write!(f, "{call} refused: {code}: {message}"),
        }
    }
}

/// A request without an answer. [`super::pace`] makes these inside the connector, where it is known
/// what was asked and whether it left this machine.
#[derive(Debug, Clone, Default)]
pub struct Lost {
    /// What was asked.
    pub call: Call,
    /// Who was asked, `https://api.ecr.us-east-1.amazonaws.com`.
    pub endpoint: String,
    /// It may have arrived, and may have been carried out.
    pub sent: bool,
    /// It was held back, since the user's call is ending.
    pub held: bool,
    /// What happened.
    pub why: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, endpoint, why, sent, .. } = self;
        match sent {
            _ if endpoint.is_empty() => f.write_str(why),
            true => write!(f, "{call} got no answer from {endpoint}: {why}"),
            false => write!(f, "{call} could not be sent to {endpoint}: {why}"),
        }
    }
}

impl StdError for Lost {}

/// `send().await.done()`: whether it worked is all there is to know.
pub trait Done {
    /// Forgets the answer.
    fn done(self) -> Result<()>;
}

impl<T, E: Into<Error>> Done for Result<T, E> {
    fn done(self) -> Result<()> {
        self.map(drop).map_err(Into::into)
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(refusal) => {
                let said = refusal.err().meta();
                let mut api = Api::of(refusal.raw());
                api.code = said.code().unwrap_or_default().to_owned();
                api.message = said.message().map(safe).unwrap_or_default();
                api.request_id = said.request_id().map_or(api.request_id, str::to_owned);
                Self::Api(Box::new(api))
            }
            SdkError::ResponseError(garbled) => {
                let mut api = Api::of(garbled.raw());
                // An error page of whatever stands in between need not be explained.
                if api.status < 300 {
                    api.message = format!("the answer can't be understood: {}", story(&error));
                }
                Self::Api(Box::new(api))
            }
            _ => Self::unsent(&error),
        }
    }
}

impl Api {
    fn of(response: &HttpResponse) -> Self {
        let header = |name| response.headers().get(name).map(str::to_owned);
        Self {
            call: response.extension::<Call>().cloned().unwrap_or_default(),
            status: response.status().as_u16(),
            request_id: header("x-amzn-requestid")
                .or_else(|| header("x-amz-request-id"))
                .unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl Error {
    /// A cell that can't be put in AWS's terms.
    pub fn row(column: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Row { column: column.into(), why: why.to_string() }
    }

    /// An answer without something it always has.
    pub fn missing(what: impl Into<String>) -> Self {
        Self::Missing(what.into())
    }

    /// An error of the SDK that has no response: what the connector said of it, or else something
    /// that went wrong before there was a request.
    fn unsent(error: &(dyn StdError + 'static)) -> Self {
        if let Some(lost) = causes(error).find_map(|cause| cause.downcast_ref::<Lost>()) {
            return match lost.held {
                true => Self::Cancelled,
                false => Self::Unreachable(Box::new(lost.clone())),
            };
        }
        match causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
            Some(error) => Self::credentials(error),
            None => Self::Internal(format!("the request could not be made: {}", story(error))),
        }
    }

    /// Why there are no credentials. That nobody answers who has them is another matter.
    fn credentials(error: &CredentialsError) -> Self {
        let why = story(error);
        let says = |words: &[&str]| words.iter().any(|words| why.contains(words));
        let unanswered = causes(error).any(|cause| cause.is::<ConnectorError>());
        if unanswered && !says(&["IMDS"]) {
            let why = format!("the AWS credentials could not be loaded: {why}");
            return Self::Unreachable(Box::new(Lost { why, ..Lost::default() }));
        }
        let (why, hint) = match error {
            // The chain ends at the instance's metadata: what is wrong there is wrong nowhere else.
            _ if says(&["IMDS"]) => (NO_CREDENTIALS.to_owned(), GIVE_CREDENTIALS),
            CredentialsError::CredentialsNotLoaded(_) if !says(&["profile"]) => {
                (NO_CREDENTIALS.to_owned(), GIVE_CREDENTIALS)
            }
            _ if says(&["SSO", "/sso/", "sso_"]) => {
                (format!("no valid single sign-on for AWS: {why}"), LOG_IN)
            }
            _ if says(EXPIRED) => (format!("the AWS credentials have expired: {why}"), LOG_IN),
            _ => (format!("the AWS credentials could not be loaded: {why}"), GIVE_CREDENTIALS),
        };
        Self::Credentials { why, hint: hint.to_owned() }
    }

    /// The service's own code, or nothing.
    pub fn code(&self) -> &str {
        match self {
            Self::Api(api) => &api.code,
            _ => "",
        }
    }

    /// Why a call was sent again, in a word.
    pub fn word(&self) -> String {
        match self {
            Self::Api(api) => word(&api.code, api.status),
            _ => NO_ANSWER.to_owned(),
        }
    }

    /// What the call is about is not there.
    pub fn not_found(&self) -> bool {
        means(self.code(), NOT_FOUND)
    }

    /// Too many calls; nothing was done.
    pub fn throttled(&self) -> bool {
        matches!(self, Self::Api(api) if throttles(&api.code, api.status))
    }

    /// Something of this name or with these properties is there already.
    pub fn already_exists(&self) -> bool {
        means(self.code(), ALREADY_EXISTS)
    }

    /// Something else still depends on it.
    pub fn in_use(&self) -> bool {
        means(self.code(), IN_USE)
    }

    /// Two calls got into each other's way; AWS asks to try again.
    pub fn conflict(&self) -> bool {
        means(self.code(), CONFLICT)
    }

    /// A role or principal made a moment ago that the service has not heard of yet. The codes are
    /// those of a bad value, only the words tell.
    pub fn not_propagated(&self) -> bool {
        let Self::Api(api) = self else { return false };
        means(&api.code, BAD_VALUE)
            && NOT_PROPAGATED.iter().any(|words| api.message.contains(words))
    }

    /// The credentials were good once; loading them anew may help.
    pub fn expired(&self) -> bool {
        means(self.code(), EXPIRED)
    }

    /// The request may have been carried out although no clear answer came.
    pub fn unknown_outcome(&self) -> bool {
        match self {
            Self::Api(api) => {
                !self.throttled()
                    && (api.status >= 500 || (api.status < 300 && api.code.is_empty()))
            }
            Self::Unreachable(lost) => lost.sent,
            Self::Missing(_) => true,
            _ => false,
        }
    }

    /// Refused for what is in it: of several things in one call, one alone may be to blame.
    pub fn blames(&self) -> bool {
        let particular = matches!(self.kind(), Trouble::Refused | Trouble::NotFound | Trouble::Row);
        particular && !self.unknown_outcome()
    }

    /// Surely not carried out, and another attempt may well succeed.
    pub fn retry_safely(&self) -> bool {
        self.throttled() || matches!(self, Self::Unreachable(lost) if !lost.sent)
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> Trouble {
        match self {
            _ if self.throttled() => Trouble::Throttled,
            Self::Api(api) if means(&api.code, DENIED) => Trouble::Denied,
            Self::Api(api) if means(&api.code, EXPIRED) || means(&api.code, UNSIGNED) => {
                Trouble::Credentials
            }
            Self::Api(_) if self.not_found() => Trouble::NotFound,
            Self::Api(api) if api.code.is_empty() => Trouble::Unreachable,
            Self::Api(_) => Trouble::Refused,
            Self::Unreachable(_) => Trouble::Unreachable,
            Self::Credentials { .. } => Trouble::Credentials,
            Self::Setting { .. } => Trouble::Setting,
            Self::Row { .. } => Trouble::Row,
            Self::TooSlow(_) => Trouble::TooSlow,
            Self::Cancelled => Trouble::Cancelled,
            Self::Missing(_) | Self::Endless(_) | Self::Internal(_) => Trouble::Internal,
        }
    }

    /// For the caller's eyes.
    pub fn failure(&self) -> Failure {
        let none = Call::default();
        let (call, code, request_id) = match self {
            Self::Api(api) => (&api.call, api.code.as_str(), api.request_id.as_str()),
            Self::Unreachable(lost) => (&lost.call, "", ""),
            _ => (&none, "", ""),
        };
        Failure {
            kind: self.kind(),
            message: safe(&self.to_string()),
            service: call.service.clone(),
            operation: call.operation.clone(),
            code: code.to_owned(),
            request_id: request_id.to_owned(),
            hint: self.hint(),
        }
    }

    /// What to do about it; nothing where the message says it all.
    fn hint(&self) -> String {
        match self {
            Self::Credentials { hint, .. } | Self::Setting { hint, .. } => hint.clone(),
            Self::Unreachable(lost) => format!(
                "Check the region's name, the network between the server and {}, and iasql.endpoint_url.",
                if lost.endpoint.is_empty() { "AWS" } else { &lost.endpoint }
            ),
            Self::Api(api) => self.hint_of(api),
            Self::Missing(_) | Self::Endless(_) => GARBLED.into(),
            Self::TooSlow(_) => "It may still come: call iasql_apply() again.".into(),
            _ => String::new(),
        }
    }

    fn hint_of(&self, api: &Api) -> String {
        let Call { service, region, .. } = &api.call;
        match self.kind() {
            Trouble::Throttled => {
                "AWS limits how many calls are made per second. What is done stays \
                done; call again, or lower iasql.max_parallel."
                    .into()
            }
            Trouble::Denied if means(&api.code, OPT_IN) => {
                format!("Enable the region {region} or the service {service} for this account.")
            }
            Trouble::Denied => {
                format!(
                    "Allow the IAM action {} to the identity that iasql_whoami() shows.",
                    action(api)
                )
            }
            Trouble::Credentials if means(&api.code, EXPIRED) => LOG_IN.into(),
            Trouble::Credentials => format!(
                "The access key is not valid here, or the region {region} is not enabled for the \
                 account, or the server's clock is wrong. iasql_whoami() shows where the credentials \
                 come from."
            ),
            Trouble::Unreachable => GARBLED.into(),
            _ if self.already_exists() => {
                "Call iasql_plan_apply() again: it takes over what has the same key.".into()
            }
            _ if self.in_use() => {
                "Something that is not in these tables, or not yet gone, still uses it.".into()
            }
            _ if means(&api.code, QUOTA) => {
                format!(
                    "A quota of the account is used up: delete something or have AWS raise it ({service})."
                )
            }
            _ => String::new(),
        }
    }
}

const NO_CREDENTIALS: &str = "no AWS credentials found: neither in the environment of the database server, \
    nor in its user's AWS files, nor by a role of its machine";
const GIVE_CREDENTIALS: &str = "Give the server process credentials: environment variables of the \
    postmaster, the AWS files in the home directory of its operating system user (iasql.profile names \
    the profile), or a role of its instance or container.";
const LOG_IN: &str = "Renew them as the operating system user that runs the server (for single \
    sign-on: aws sso login, with --profile if iasql.profile is set), then call again: what is done \
    stays done.";
const GARBLED: &str = "The answer does not look like AWS's own: check iasql.endpoint_url and any proxy \
    between the server and AWS.";

/// The code is one of these, `*` standing for anything before or after.
fn means(code: &str, table: &[&str]) -> bool {
    table.iter().any(|entry| match (entry.strip_prefix('*'), entry.strip_suffix('*')) {
        (Some(end), _) => code.ends_with(end),
        (_, Some(start)) => code.starts_with(start),
        _ => code == *entry,
    })
}

/// Whether an answer says that there were too many calls. Used on raw answers, too.
pub(super) fn throttles(code: &str, status: u16) -> bool {
    status == 429 || means(code, THROTTLED)
}

// What the codes mean. EC2 writes `InvalidGroup.NotFound`, query services `NoSuchEntity` and
// `LoadBalancerNotFound`, JSON services `RepositoryNotFoundException`.
const NOT_FOUND: &[&str] = &["*NotFound", "*NotFoundException", "*NotFoundFault", "NoSuch*"];
// `LimitExceededException` is a quota with nearly every service, although the SDK retries it.
const THROTTLED: &[&str] = &[
    "Throttling*",
    "Throttled*",
    "RequestThrottled*",
    "*ThrottlingException",
    "*ThrottledException",
    "TooManyRequests*",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "ProvisionedThroughputExceededException",
    "PriorRequestNotComplete",
    "SlowDown",
];
const ALREADY_EXISTS: &[&str] = &[
    "*AlreadyExists",
    "*AlreadyExistsException",
    "*AlreadyExistsFault",
    "*.Duplicate",
    "Duplicate*",
    "InvalidSubnet.Conflict",
    "PriorityInUse",
    "BucketAlreadyOwnedByYou",
];
const IN_USE: &[&str] = &[
    "DependencyViolation",
    "DeleteConflict",
    "DeleteConflictException",
    "ResourceInUse",
    "ResourceInUseException",
    "ResourceInUseFault",
    "*.InUse",
    "VolumeInUse",
    "*NotEmptyException",
    "ClusterContains*",
];
const CONFLICT: &[&str] = &[
    "OperationAborted*",
    "ConcurrentModification*",
    "ConcurrentUpdate*",
    "ConflictException",
    "UpdateInProgressException",
    "IncorrectState",
    "*.InvalidState",
];
const DENIED: &[&str] = &[
    "AccessDenied*",
    "UnauthorizedOperation",
    "UnauthorizedException",
    "AuthorizationError*",
    "NotAuthorized*",
    "Forbidden*",
    "OptInRequired",
    "SubscriptionRequired*",
];
const OPT_IN: &[&str] = &["OptInRequired", "SubscriptionRequired*"];
const EXPIRED: &[&str] =
    &["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];
const UNSIGNED: &[&str] = &[
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "InvalidToken",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature*",
    "AuthFailure",
    "MissingAuthenticationToken*",
    "RequestTimeTooSkewed",
];
const BAD_VALUE: &[&str] = &[
    "InvalidParameterValue*",
    "InvalidParameterException",
    "InvalidParameterCombination",
    "MalformedPolicyDocument*",
    "ClientException",
    "ValidationError",
    "ValidationException",
];
const NOT_PROPAGATED: &[&str] = &[
    "cannot be assumed",
    "unable to assume",
    "assume the role",
    "assume role",
    // Services don't come and go: the name of one that is unknown is misspelled.
    "Invalid principal in policy: \"AWS\"",
    "nvalid IAM Instance Profile",
    "role defined for the function",
];
const QUOTA: &[&str] =
    &["*LimitExceeded", "*LimitExceededException", "*LimitExceededFault", "TooMany*"];

/// The IAM action that was refused: AWS names it in most messages, else it is named as the call.
fn action(api: &Api) -> String {
    let named =
        api.message.split("perform: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    match named {
        Some(action) => action.trim_end_matches(['.', ',']).to_owned(),
        None => format!("{}:{}", api.call.service, api.call.operation),
    }
}

/// An error, what caused it, what caused that.
pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// What errors of the SDK say of themselves when it is their cause that matters.
const NOISE: &[&str] = &[
    "an error occurred while loading credentials",
    "an error occurred while loading an access token",
    "the credentials provider was not properly configured",
    "the credential provider was not enabled",
    "unexpected credentials error",
    "failed to construct request",
    "dispatch failure",
    "response error",
    "service error",
    "other",
    "io error",
    "client error (Connect)",
    "tcp connect error",
    "dns error",
];

/// An error and its causes in one line, each said once.
pub(super) fn story(error: &(dyn StdError + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in causes(error) {
        let words = cause.to_string();
        // Wrappers tend to repeat what they wrap, or say nothing of it.
        let words = match cause.downcast_ref::<ErrorMetadata>() {
            Some(said) => {
                [said.code(), said.message()].into_iter().flatten().collect::<Vec<_>>().join(": ")
            }
            None => words,
        };
        let noise = words.starts_with("unhandled error") || NOISE.contains(&words.as_str());
        if noise || words.is_empty() || said.iter().any(|before| before.contains(&words)) {
            continue;
        }
        said.push(words);
    }
    safe(&said.join(": "))
}

/// The code of a refusal, or else its status.
pub(super) fn word(code: &str, status: u16) -> String {
    if code.is_empty() { format!("HTTP {status}") } else { safe(code) }
}

/// What stands for a code where there was no answer.
pub(super) const NO_ANSWER: &str = "no answer";

/// One line, not too long, with nothing in it that signs a request. AWS's answer to a bad signature
/// quotes the request with its session token, EC2's refusals carry pages of encoded detail.
fn safe(text: &str) -> String {
    const CUT: [&str; 3] =
        [" The Canonical String", " Encoded authorization", "x-amz-security-token"];
    let end = CUT.iter().filter_map(|words| text.find(words)).min().unwrap_or(text.len());
    let words = text[..end].split_whitespace().map(|word| if keylike(word) { "***" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.trim_end_matches('.').to_owned(),
    }
}

const LONGEST: usize = 600;

/// An access key id is no secret, but nobody wants it in a log either.
fn keylike(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.len() >= 16
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, status: u16, message: &str) -> Error {
        let call = Call {
            service: "ecr".into(),
            operation: "CreateRepository".into(),
            region: "eu-west-1".into(),
            writes: true,
        };
        let (code, message) = (code.to_owned(), safe(message));
        Error::Api(Box::new(Api { call, code, message, request_id: "r-1".into(), status }))
    }

    #[test]
    fn codes_mean_what_they_mean() {
        use Trouble::*;
        let table = [
            // EC2
            ("InvalidGroup.NotFound", 400, NotFound),
            ("InvalidVpcID.NotFound", 400, NotFound),
            ("InvalidPermission.NotFound", 400, NotFound),
            ("RequestLimitExceeded", 503, Throttled),
            ("UnauthorizedOperation", 403, Denied),
            ("AuthFailure", 401, Credentials),
            ("OptInRequired", 403, Denied),
            ("DependencyViolation", 400, Refused),
            ("VpcLimitExceeded", 400, Refused),
            // ECR, ECS, logs
            ("RepositoryNotFoundException", 400, NotFound),
            ("RepositoryPolicyNotFoundException", 400, NotFound),
            ("ResourceNotFoundException", 400, NotFound),
            ("ClusterNotFoundException", 400, NotFound),
            ("ThrottlingException", 400, Throttled),
            ("TooManyRequestsException", 429, Throttled),
            ("LimitExceededException", 400, Refused),
            ("AccessDeniedException", 400, Denied),
            ("UnrecognizedClientException", 400, Credentials),
            ("ExpiredTokenException", 400, Credentials),
            // ELB, IAM, others
            ("LoadBalancerNotFound", 400, NotFound),
            ("TargetGroupNotFound", 400, NotFound),
            ("NoSuchEntity", 404, NotFound),
            ("DBInstanceNotFound", 404, NotFound),
            ("NoSuchHostedZone", 404, NotFound),
            ("Throttling", 400, Throttled),
            ("SlowDown", 503, Throttled),
            ("PriorRequestNotComplete", 400, Throttled),
            ("SignatureDoesNotMatch", 403, Credentials),
            ("SomethingNobodyHasHeardOf", 400, Refused),
            ("", 502, Unreachable),
            ("", 429, Throttled),
        ];
        for (code, status, kind) in table {
            assert_eq!(refusal(code, status, "").kind(), kind, "{code} {status}");
        }
    }

    #[test]
    fn what_may_have_happened() {
        for (code, status, unknown, safe) in [
            ("InternalError", 500, true, false),
            ("ServerException", 500, true, false),
            ("ServiceUnavailable", 503, true, false),
            ("", 502, true, false),
            ("", 200, true, false),
            ("RequestLimitExceeded", 503, false, true),
            ("ThrottlingException", 400, false, true),
            ("InvalidParameterException", 400, false, false),
        ] {
            let error = refusal(code, status, "");
            assert_eq!(
                (error.unknown_outcome(), error.retry_safely()),
                (unknown, safe),
                "{code} {status}"
            );
        }
        let lost = |sent| Error::Unreachable(Box::new(Lost { sent, ..Lost::default() }));
        assert!(lost(true).unknown_outcome() && !lost(true).retry_safely());
        assert!(!lost(false).unknown_outcome() && lost(false).retry_safely());
        assert!(Error::missing("the repository").unknown_outcome());
        assert!(!Error::row("cidr_block", "no range").unknown_outcome());
    }

    #[test]
    fn what_is_in_the_way() {
        assert!(refusal("InvalidGroup.Duplicate", 400, "").already_exists());
        assert!(refusal("RepositoryAlreadyExistsException", 400, "").already_exists());
        assert!(refusal("EntityAlreadyExists", 409, "").already_exists());
        assert!(refusal("DuplicateLoadBalancerName", 400, "").already_exists());
        assert!(!refusal("InvalidParameterValue", 400, "").already_exists());
        assert!(refusal("DeleteConflict", 409, "").in_use());
        assert!(refusal("RepositoryNotEmptyException", 400, "").in_use());
        assert!(refusal("OperationAbortedException", 400, "").conflict());
        let words = "Role arn:aws:iam::1:role/r cannot be assumed by principal";
        assert!(refusal("InvalidParameterException", 400, words).not_propagated());
        assert!(!refusal("InvalidParameterException", 400, "no such value").not_propagated());
        let who = |who| refusal("MalformedPolicyDocument", 400, who).not_propagated();
        assert!(who(r#"Invalid principal in policy: "AWS":"arn:aws:iam::1:role/r""#));
        assert!(!who(r#"Invalid principal in policy: "SERVICE":"nobody""#));
    }

    #[test]
    fn message_and_hint_say_what_matters() {
        let failure = refusal("RepositoryAlreadyExistsException", 400, "It is\n there.").failure();
        let said = "ecr CreateRepository refused: RepositoryAlreadyExistsException: It is there";
        assert_eq!(failure.message, said);
        assert_eq!(failure.request_id, "r-1");

        let denied = refusal("AccessDeniedException", 400, "no").failure();
        assert!(denied.hint.contains("IAM action ecr:CreateRepository "), "{}", denied.hint);
        let words =
            "User: arn:aws:iam::1:user/u is not authorized to perform: ecr:TagResource on x";
        let denied = refusal("AccessDeniedException", 400, words).failure();
        assert!(denied.hint.contains("IAM action ecr:TagResource "), "{}", denied.hint);

        let page = refusal("", 502, "").failure();
        assert_eq!(
            page.message,
            "ecr CreateRepository failed: HTTP 502, not in the service's own form"
        );
        assert!(page.hint.contains("iasql.endpoint_url"));
        assert!(
            refusal("UnrecognizedClientException", 400, "").failure().hint.contains("eu-west-1")
        );
    }

    #[test]
    fn where_credentials_went_is_told_apart() {
        let none = NO_CREDENTIALS;
        for (error, why, hint) in [
            (CredentialsError::not_loaded("no providers in chain"), none, GIVE_CREDENTIALS),
            (CredentialsError::provider_error("failed to load IMDS token"), none, GIVE_CREDENTIALS),
            (
                CredentialsError::not_loaded("profile `x` was not defined"),
                "the AWS credentials could not be loaded: profile `x` was not defined",
                GIVE_CREDENTIALS,
            ),
            (
                CredentialsError::provider_error("failed to load the cached SSO token"),
                "no valid single sign-on for AWS: failed to load the cached SSO token",
                LOG_IN,
            ),
            (
                CredentialsError::provider_error("ExpiredToken: too old"),
                "the AWS credentials have expired: ExpiredToken: too old",
                LOG_IN,
            ),
        ] {
            let failure = Error::credentials(&error).failure();
            assert_eq!((failure.message.as_str(), failure.hint.as_str()), (why, hint));
            assert_eq!(failure.kind, Trouble::Credentials);
        }
        let away = ConnectorError::io("Connection refused".into());
        let failure = Error::credentials(&CredentialsError::provider_error(away)).failure();
        assert_eq!(failure.kind, Trouble::Unreachable);
        assert_eq!(failure.message, "the AWS credentials could not be loaded: Connection refused");
    }

    #[test]
    fn nothing_secret_and_nothing_endless_is_said() {
        let words = "The signature does not match. The Canonical String for this request should have \
                     been 'GET x-amz-security-token:FwoGZXIvYXdzE'";
        let said = refusal("SignatureDoesNotMatch", 403, words).failure().message;
        assert!(!said.contains("FwoGZ") && said.ends_with("does not match"), "{said}");
        let said = refusal("X", 400, "the key AKIAIOSFODNN7EXAMPLE, is bad").failure().message;
        assert!(said.ends_with("the key *** is bad"), "{said}");
        let said = refusal("X", 400, &"ä".repeat(10_000)).failure().message;
        assert!(said.chars().count() < 700);
        let words = "You are not authorized. Encoded authorization failure message: AAAA";
        assert!(!refusal("UnauthorizedOperation", 403, words).failure().message.contains("AAAA"));
        assert!(refusal(&"ä".repeat(10_000), 400, "").word().chars().count() < 700);
    }
}
